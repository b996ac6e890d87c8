"""What ends the daemon, and with which exit code: failures are loud, and never a success."""

import json
import subprocess
import sys

import pytest
from daemons import write_config

# The installed command with one thing broken in it.
BROKEN = """
import sys
import vppd.runtime.loop
from vppd.cli import main
from vppd.signals.dnp3_outstation import Dnp3Outstation

def bug(state, image, params):
    raise RuntimeError("a bug in the tick")

async def gone(self):
    raise OSError("the socket is gone")

async def ended(self):
    return

what, config = sys.argv[1:]
if what == "tick":
    vppd.runtime.loop.tick = bug
else:
    Dnp3Outstation.run = {"gone": gone, "ended": ended}[what]
main(["run", config])
"""


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("tick", "a bug in the tick"),
        ("gone", "the socket is gone"),
        ("ended", "signal tso has ended by itself"),
    ],
)
def test_a_failure_ends_the_daemon_with_a_message_and_a_failure_status(what, message, tmp_path):
    config = write_config(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", BROKEN, what, config],
        capture_output=True, text=True, timeout=60.0, check=False,
    )  # fmt: skip
    assert result.returncode == 3
    *log, last = result.stderr.splitlines()
    assert last.startswith("vppd: failed: ")
    assert message in last
    failed = next(row for row in map(json.loads, log) if row["event"] == "failed")
    assert failed["level"] == "critical"
    assert message in failed["exception"]
    assert not (tmp_path / "state" / "vppd.sock").exists()
