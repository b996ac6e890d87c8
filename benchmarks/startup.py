"""How long the kernels take to be ready: compiled, from Numba's cache, and from their library."""

import os
import subprocess
import sys
import tempfile

from benchmarks.timing import Row, row

PROGRAM = """
import sys, time
import numpy
from vppd.runtime import kernel_library
start = time.perf_counter_ns()
used = sys.argv[1] == "library" and kernel_library.use()
from vppd.kernels import warm
warm.load()
import vppd.journal.coder
print(time.perf_counter_ns() - start)
assert used == (sys.argv[1] == "library")
if sys.argv[1] == "write":
    assert kernel_library.write() == ""
"""


def _load_ns(cache: str, how: str) -> int:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(result.stdout)


def measure() -> list[Row]:
    """Three rows; all but NumPy is counted."""
    with tempfile.TemporaryDirectory() as cache:
        cold_ns = _load_ns(cache, "compile")
        warm_ns = [_load_ns(cache, how) for how in ("read", "read", "write")]
        linked_ns = [_load_ns(cache, "library") for _ in range(5)]
    return [
        row("vppd start", "compile all kernels", 0, [cold_ns], note="first start of a version"),
        row("vppd start", "load all from Numba's cache", 0, warm_ns, note="with Numba"),
        row("vppd start", "link all from their library", 0, linked_ns, note="every other start"),
    ]
