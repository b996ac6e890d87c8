"""What the daemon tells the service manager: the protocol of sd_notify(3), without a library.

One datagram to the unix socket that `NOTIFY_SOCKET` names, lines of `KEY=value`. Outside of
systemd there is no socket, and every call does nothing. A message that cannot be sent is
counted, never raised: the plant is more important than its supervisor's picture of it.
"""

import os
import socket
import time
from array import array
from collections.abc import Mapping, Sequence

US_PER_S = 1_000_000


class Notifier:
    """The service manager, as seen from here.

    `watchdog_s` is the time within which it wants to hear `watchdog()`, s; None: it does not
    watch. `failed` counts the messages that were lost.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.failed = 0
        self.watchdog_s = watchdog_period_s(environ, os.getpid())
        self._address = socket_address(environ)
        self._socket: socket.socket | None = None
        if self._address is not None:
            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_UNIX, kind)

    @property
    def enabled(self) -> bool:
        """True under a service manager."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """Say that start-up, or a reload, is finished."""
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(_status(status))

    def watchdog(self, status: str | None = None) -> None:
        """Say that a tick has ended. From nowhere else: a timer of its own proves nothing."""
        self._send("WATCHDOG=1", *([] if status is None else [_status(status)]))

    def reloading(self) -> None:
        """Say that a reload begins; `ready()` ends it.

        systemd from 253 on takes the READY=1 that follows for an old one if the time is missing.
        """
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """Say that the stop has begun."""
        self._send("STOPPING=1", _status(status))

    def keep(self, name: str, *fds: int) -> bool:
        """Have descriptors kept, and handed to the next process of the unit by this name.

        The unit needs `FileDescriptorStoreMax=`. Whoever keeps a name twice keeps both; see
        `forget`. False: there is no manager, or it could not be told.
        """
        return self._send("FDSTORE=1", f"FDNAME={name}", fds=fds)

    def forget(self, name: str) -> None:
        """Have what is kept by this name closed."""
        self._send("FDSTOREREMOVE=1", f"FDNAME={name}")

    def close(self) -> None:
        """Give the socket back. Later calls do nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str, fds: Sequence[int] = ()) -> bool:
        if self._socket is None or self._address is None:
            return False
        message = "\n".join(lines).encode()
        try:
            if fds:  # `send_fds` of Python 3.11 has no use for its address
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))]
                self._socket.sendmsg([message], ancillary, 0, self._address)
            else:
                self._socket.sendto(message, self._address)
        except OSError:  # manager gone, or its buffer full: the socket does not block
            self.failed += 1
            return False
        return True


def socket_address(environ: Mapping[str, str]) -> str | None:
    """Address of the manager's socket; a leading `@` stands for the abstract name space."""
    name = environ.get("NOTIFY_SOCKET", "")
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None  # vsock: is for whole virtual machines


def watchdog_period_s(environ: Mapping[str, str], pid: int) -> float | None:
    """Period of the watchdog, s; None when it is off or meant for another process."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    period_us = environ.get("WATCHDOG_USEC", "")
    if not (period_us.isascii() and period_us.isdigit()) or int(period_us) == 0:
        return None
    return int(period_us) / US_PER_S


def _status(text: str) -> str:
    """One line, or it would be read as more keys."""
    return "STATUS=" + " ".join(text.splitlines())
