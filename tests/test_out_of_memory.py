"""What MindSpore says when memory runs out is a MemoryError that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor

from mdx.out_of_memory import explained

# As MindSpore 2.10 raised them on a CPU, in a process whose address space was limited.
POOL = """
----------------------------------------------------
- Memory not enough:
----------------------------------------------------
Memory isn't enough and alloc failed, kernel name: 5_Expand/MatMul-op1, alloc size: 3600000000B.
"""
SAID = {
    "its pool": (POOL, "no memory for 3600000000 bytes that `run` asked for"),
    "C++": ("std::bad_alloc", "no memory for what `run` asked for"),
    "a thread's stack": ("Resource temporarily unavailable", "no memory for what `run` asked for"),
}


def failing(error):
    def run(*arguments):
        raise error

    return explained(run, "run")


@pytest.mark.parametrize(("text", "words"), SAID.values(), ids=SAID.keys())
def test_no_memory_is_a_memory_error(text, words):
    arguments = ({"a": Tensor(0.0)}, Tensor(np.zeros((1, 4, 8, 8), np.float32)))
    with pytest.raises(MemoryError, match=words) as error:
        failing(RuntimeError(text))(*arguments)
    assert "(1, 4, 8, 8)" in str(error.value)
    assert "mdx.plan" in str(error.value)
    assert "memory=" in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    "error", [RuntimeError("For 'MatMul', the shapes do not fit"), ValueError("std::bad_alloc")]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as found:
        failing(error)()
    assert found.value is error


CHILD = """
import resource
import numpy as np
from mindspore import Tensor, ops
from mdx.compile_cache import compiled

def squared(x):
    return ops.matmul(x, x.transpose(1, 0))

run = compiled(squared)
x = Tensor(np.ones((30000, 4), np.float32))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30, resource.RLIM_INFINITY))
try:
    run(x)
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_a_process_that_has_no_memory_says_so(tmp_path):
    (tmp_path / "child.py").write_text(CHILD)
    own = {"MDX_COMPILE_CACHE": "0", "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "child.py")],
        capture_output=True, text=True, check=True, env=os.environ | own,
    )  # fmt: skip
    assert "there is no memory for 3600000000 bytes that `squared` asked for" in done.stdout
