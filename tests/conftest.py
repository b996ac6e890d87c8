"""Lets every test import `helpers`, and Hypothesis take its time; hands tests out to processes."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent / "core"),
    str(Path(__file__).parent / "market"),
    str(Path(__file__).parent / "runtime"),
    str(Path(__file__).parent / "system"),
]
# No limit on the time of a case, or of making one: a busy machine must not fail a test.
settings.register_profile(
    "vppd", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("vppd")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out whole files, and what is on the real clock as one."""
    from shares import Shares

    return Shares(config, log)


def pytest_collection_modifyitems(config, items):
    """Let the share that takes longest begin first."""
    if hasattr(config, "workerinput"):
        from shares import REAL_CLOCK

        items.sort(key=lambda item: not item.nodeid.startswith(REAL_CLOCK))
