// Threads of the library's own, which sleep between calls.
#pragma once
#include <functional>
#include <mutex>

namespace mdx {

// Held by an operator while it runs, so that threads and shared memory are its own.
class Turn {
 public:
  Turn();

 private:
  std::unique_lock<std::mutex> lock_;
};

// Calls work(0) ... work(count - 1), on any threads in any order, and waits for all of them.
// What one of them throws is thrown here. Whoever calls it has the Turn. A process that was forked
// gets threads of its own at its first call.
void in_parallel(long count, const std::function<void(long)>& work);

int threads();
void set_threads(int count);  // 1 or more; takes effect at the next call

}  // namespace mdx
