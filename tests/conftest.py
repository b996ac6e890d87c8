"""Lets every test import `helpers`, and Hypothesis take its time; hands tests out to processes."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from vppd.runtime import kernel_library

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent / "core"),
    str(Path(__file__).parent / "kernels"),
    str(Path(__file__).parent / "market"),
    str(Path(__file__).parent / "runtime"),
    str(Path(__file__).parent / "system"),
]
# No limit on the time of a case, or of making one: a busy machine must not fail a test.
settings.register_profile(
    "vppd", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("vppd")


@pytest.fixture(autouse=True, scope="session")
def _kernels_are_compiled():
    """In the tests' own process they are Numba's, whatever command a test calls in it first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_library, "use", lambda: False)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out whole files, and what is on the real clock as one."""
    from shares import Shares

    return Shares(config, log)


def pytest_addoption(parser):
    """`--accept`: what is timed on the real clock, too; it wants the machine to itself."""
    parser.addoption("--accept", action="store_true", help="run the timed tests, too (make accept)")


def pytest_collection_modifyitems(config, items):
    """Leave timed tests to `make accept`; let the share that takes longest begin first."""
    if not config.getoption("accept"):
        timed = [item for item in items if "accept" in item.keywords]
        config.hook.pytest_deselected(items=timed)
        items[:] = [item for item in items if "accept" not in item.keywords]
    if hasattr(config, "workerinput"):
        from shares import REAL_CLOCK

        items.sort(key=lambda item: not item.nodeid.startswith(REAL_CLOCK))
