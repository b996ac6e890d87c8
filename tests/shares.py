"""Which tests share a process, where `make test` runs them in several (pytest-xdist).

A file stays in one process, with the runs that it makes once for all its tests. What holds a plant
or a daemon to the real clock (ticks in time, a watchdog, a picture once a second), or needs every
core, is one share: so at most one of these runs at a time, and the other processes take one core
each. What starts programs and only waits for what they say is none of it: it may take longer.
"""

from xdist.scheduler import LoadScopeScheduling

REAL_CLOCK = (
    "tests/systemd/",
    "tests/console/test_console_page.py",
    "tests/hil/test_hil_accept.py",
    "tests/hil/test_hil_campaign.py",
    "tests/hil/test_hil_campaign_pool.py",
    "tests/hil/test_hil_commission.py",
    "tests/hil/test_hil_faults_wire.py",
    "tests/hil/test_hil_rig.py",
    "tests/hil/test_hil_tso_master.py",
    "tests/hil/test_hil_wire_process.py",
    "tests/system/test_system_bench.py",
    "tests/system/test_system_clocks.py",
    "tests/system/test_system_daemon.py",
    "tests/system/test_system_metrics.py",
    "tests/system/test_system_reload.py",
    "tests/system/test_system_resume.py",
)


def share_of(nodeid: str) -> str:
    """Name of the share that a test belongs to."""
    return "real clock" if nodeid.startswith(REAL_CLOCK) else nodeid.partition("::")[0]


class Shares(LoadScopeScheduling):
    """Gives the next share to the process that has nothing left to do, in order of collection."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests: the long ones come last

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
