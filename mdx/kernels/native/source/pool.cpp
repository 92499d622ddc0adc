#include "pool.hpp"

#include <immintrin.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mdx {
namespace {

// Looks before a worker sleeps: operators of a graph follow each other within microseconds.
constexpr int LOOKS = 300;

int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

std::atomic<int> wanted{0};  // 0: one for each processor that the process may use

class Pool {
 public:
  const pid_t owner = getpid();

  std::unique_lock<std::mutex> turn() { return std::unique_lock<std::mutex>(one_at_a_time_); }

  void run(long count, const std::function<void(long)>& work) {
    resize(threads());
    if (count <= 1 || workers_.empty()) {
      for (long i = 0; i < count; i++) work(i);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      work_ = &work;
      count_ = count;
      next_ = 0;
      failure_ = nullptr;
      open_ = true;
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    drain();
    {
      // A worker that wakes only now finds nothing to do, and nobody waits for it.
      std::lock_guard<std::mutex> lock(mutex_);
      open_ = false;
    }
    for (int look = 0; active_.load(std::memory_order_acquire) > 0; look++) {
      if (look < LOOKS) {
        _mm_pause();
      } else {
        std::this_thread::yield();
      }
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void drain() {
    for (long i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) {
      try {
        (*work_)(i);
      } catch (...) {
        std::lock_guard<std::mutex> lock(mutex_);
        failure_ = std::current_exception();
        next_ = count_;
      }
    }
  }

  void serve(long seen) {
    for (;;) {
      for (int look = 0; look < LOOKS && round_.load(std::memory_order_acquire) == seen; look++) {
        _mm_pause();
      }
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return ending_ || (open_ && round_ != seen); });
        if (ending_) return;
        seen = round_;
        active_++;
      }
      drain();
      active_.fetch_sub(1, std::memory_order_release);
    }
  }

  // To `count` threads, the calling one among them.
  void resize(int count) {
    if (static_cast<int>(workers_.size()) == count - 1) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    ending_ = false;
    for (int i = 1; i < count; i++) workers_.emplace_back(&Pool::serve, this, round_.load());
  }

  std::mutex one_at_a_time_, mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
  std::atomic<long> round_{0}, next_{0};
  std::atomic<int> active_{0};
  bool open_ = false, ending_ = false;
  long count_ = 0;
  const std::function<void(long)>* work_ = nullptr;
  std::exception_ptr failure_;
};

std::atomic<Pool*> current{nullptr};

// Never destroyed: a worker may outlive main(), and after a fork the other process's threads, and
// locks that they held, are not here to be ended.
Pool& pool() {
  Pool* known = current.load();
  if (known == nullptr || known->owner != getpid()) {
    Pool* fresh = new Pool;
    if (current.compare_exchange_strong(known, fresh)) return *fresh;
    delete fresh;  // another thread was first
    return *current.load();
  }
  return *known;
}

}  // namespace

int threads() {
  const int count = wanted.load();
  static const int available = processors();
  return count > 0 ? count : available;
}

void set_threads(int count) { wanted = count; }

Turn::Turn() : lock_(pool().turn()) {}

void in_parallel(long count, const std::function<void(long)>& work) { pool().run(count, work); }

}  // namespace mdx
