"""Starts daemons that need not load their code: forks of this process, which has loaded it.

Reads one line of JSON an order on stdin: a configuration and a notify socket to start one, a pid to
wait for one that has been killed. Answers each by a line: the pid, the exit status. Each daemon is
the command `vppd run` in a process and a session of its own.
"""

import json
import os
import sys
from importlib import import_module

from vppd.cli import main
from vppd.kernels import warm
from vppd.runtime import kernel_library


def become_daemon(config: str, notify: str, log: str) -> None:
    """Be `vppd run`, from the fork on; never returns."""
    os.setsid()
    os.environ["NOTIFY_SOCKET"] = notify
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
    main(["run", config], prog_name="vppd")


if __name__ == "__main__":
    kernel_library.use()
    for name in ("start", "daemon"):  # the command imports them late
        import_module(f"vppd.runtime.{name}")
    warm.load()
    for line in sys.stdin:
        order = json.loads(line)
        if "pid" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["pid"], 0)[1])
        elif (answer := os.fork()) == 0:
            become_daemon(**order)
        print(answer, flush=True)
