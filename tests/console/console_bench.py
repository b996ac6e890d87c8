"""A live plant with a console: the bench by the real clock, in a process of its own.

`python console_bench.py OUT PORT DURATION [UNITS…]`. The daemon runs under a keeper that starts it
again when it dies, as systemd does. Users: see `USERS`.
"""

import asyncio
import contextlib
import sys
from pathlib import Path

from hil import options
from hil import rig as bench
from hil.rig import Rig
from vppd.ops.api.users import Role, user_line

USERS = {"vera": Role.VIEWER, "otto": Role.OPERATOR, "elsa": Role.ENGINEER}
PASSWORD = "a long enough password"  # noqa: S105 - of the bench alone
KEEPER = """\
#!/bin/sh
# Runs the daemon, and starts it again when it dies.
trap 'stopping=1; kill -TERM "$child" 2>/dev/null' TERM INT
while [ -z "$stopping" ]; do
    sleep 0.2
    "{vppd}" "$@" & child=$!
    echo "$child" > "{pid_file}"
    wait "$child"; code=$?
    while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
done
exit "$code"
"""
API = """
api:
  port: {port}
  users_file: ../users
"""


def write_users(path: Path) -> None:
    lines = [user_line(name, role, PASSWORD) for name, role in USERS.items()]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")


async def run(out: Path, port: int, duration_s: float, overrides: list[str]) -> None:
    keeper = out / "keeper.sh"
    vppd = Path(sys.executable).with_name("vppd")
    keeper.write_text(KEEPER.format(vppd=vppd, pid_file=out / "daemon.pid"))
    keeper.chmod(0o755)
    write_users(out / "users")
    settings = options.overrides((f"duration_s={duration_s}", *overrides))
    bench.WIRE_TIMEOUT_S = bench.READY_TIMEOUT_S = 150.0  # kernels may have to be compiled
    scenario = options.load("zhejiang", settings, {}, "real")
    rig = Rig(
        scenario, out / "run", lambda _: None, vppd=str(keeper), more_config=API.format(port=port)
    )
    with contextlib.suppress(asyncio.CancelledError):
        await rig.run()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
