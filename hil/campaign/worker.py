"""A process that works on one item after the other, as its parent sends them."""

import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hil.tied import PR_SET_PDEATHSIG

READY = "ready"
Work = Callable[[Any], Any]
MakeWork = Callable[[], Work]


def serve(connection: Connection, make: MakeWork, log: Path, parent_pid: int) -> None:
    """Make the work once, say READY, and do it for each item until it is killed.

    What it prints, and what Python says of a crash, goes to `log`.
    """
    with log.open("wb", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:  # it was gone before the kernel knew
        sys.exit(1)
    work = make()
    connection.send(READY)
    while True:
        connection.send(work(connection.recv()))
