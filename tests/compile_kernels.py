"""Compile the kernels of the daemon and of the bench into Numba's cache, on all cores.

`make test` and `make demo` do so first: else each process that runs tests would compile all of them
by itself, and the daemon of the demo could not be ready in time.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

import numba  # noqa: F401  # loaded once, for all processes

from vppd.kernels import warm


def compile_module(name: str) -> None:
    """Compile what a module has, unless the cache has it."""
    import_module(name)


def main() -> None:
    """Begin with what takes longest: `ahead`, with what it imports, and the journal's coder."""
    ahead, *others = (f"vppd.kernels.{name}" for name in warm.MODULES)
    # What `ahead` imports comes last.
    modules = [ahead, "vppd.journal.coder", "hil.plant.plant", *reversed(others)]
    jobs, fork = len(os.sched_getaffinity(0)), multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, fork) as pool:
        for _ in pool.map(compile_module, modules):
            pass  # a failure is raised here


if __name__ == "__main__":
    main()
