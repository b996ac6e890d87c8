"""How long the kernels take to be ready: compiled, and from Numba's cache."""

import os
import subprocess
import sys
import tempfile

from benchmarks.timing import Row, row

PROGRAM = """
import time
import numba
start = time.perf_counter_ns()
from vppd.kernels import warm
warm.load()
print(time.perf_counter_ns() - start)
"""


def _load_ns(cache: str) -> int:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    return int(result.stdout)


def measure() -> list[Row]:
    """Two rows; importing numba itself is not counted."""
    with tempfile.TemporaryDirectory() as cache:
        cold_ns = _load_ns(cache)
        warm_ns = [_load_ns(cache) for _ in range(3)]
    return [
        row("vppd start", "compile all kernels", 0, [cold_ns], note="first start of a version"),
        row("vppd start", "load all from the cache", 0, warm_ns, note="every other start"),
    ]
