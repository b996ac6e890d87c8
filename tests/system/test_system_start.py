"""What a start does without, so that a daemon that was killed is soon back. No time is measured."""

import subprocess
import sys

import pytest
from daemons import write_config

import vppd.journal.coder  # noqa: F401 - the one module outside of `warm` that has kernels
from vppd.kernels import warm
from vppd.runtime import kernel_library

# Seconds of CPU, or tenths of one, that nothing before READY needs.
NOT_NEEDED = {
    "numba", "scipy", "pandas", "pyarrow", "matplotlib", "fastapi", "starlette", "uvicorn",
    "pydantic", "websockets", "cryptography", "opentelemetry", "sunspec2", "plotly", "highspy",
    "vppd.market", "hil",
}  # fmt: skip
RUN = """
import os, sys
from vppd.cli import main
from vppd.runtime.notify import Notifier

def ready(self, status):
    print(*sorted(sys.modules), flush=True)
    os._exit(0)

Notifier.ready = ready
main(["run", sys.argv[1]])
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Modules of a daemon that is ready, and that found its kernels in their library."""
    warm.load()
    assert kernel_library.write() == ""
    config = write_config(tmp_path_factory.mktemp("start"))
    asked = [sys.executable, "-c", RUN, str(config)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_it_imports_nothing_that_it_does_not_need(imported):
    assert "vppd.runtime.daemon" in imported
    assert imported & NOT_NEEDED == set()
