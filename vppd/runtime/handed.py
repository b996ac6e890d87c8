"""Descriptors that the service manager hands to the daemon: sd_listen_fds(3), without a library.

They come from socket units and from its store (`Notifier.keep`), and go by name. What is in the
store outlives the process: a listening socket goes on taking connections while nobody serves
them, so no client of a daemon that is being restarted is refused.
"""

import os
import socket
import stat
from collections.abc import MutableMapping

FIRST = 3  # SD_LISTEN_FDS_START
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

_handed: dict[str, list[int]] = {}


def take_handed(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take over what was handed to this process; call it once, before anything is started.

    The variables are removed, so that no child takes them for its own.
    """
    values = [environ.pop(name, "") for name in VARIABLES]
    pid, count, names = values
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return
    listed = names.split(":") if names else []
    for i in range(int(count)):
        os.set_inheritable(FIRST + i, False)
        name = listed[i] if i < len(listed) else "unknown"  # as sd_listen_fds_with_names
        _handed.setdefault(name, []).append(FIRST + i)


def handed(name: str) -> list[int]:
    """Descriptors of that name. Each is given once: who asks owns it."""
    return _handed.pop(name, [])


def listening_sockets(name: str) -> list[socket.socket]:
    """Listening sockets of that name (`FileDescriptorName=`, or as kept), ready for a server.

    Each is given once. Descriptors that are no listening stream sockets are closed.
    """
    found = []
    for fd in handed(name):
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.close(fd)
            continue
        listening = socket.socket(fileno=fd)
        if listening.type != socket.SOCK_STREAM or not _listens(listening):
            listening.close()
            continue
        listening.setblocking(False)
        found.append(listening)
    return found


def close_rest() -> None:
    """Close what nobody asked for: of an earlier version, say."""
    for fds in _handed.values():
        for fd in fds:
            os.close(fd)
    _handed.clear()


def _listens(candidate: socket.socket) -> bool:
    return bool(candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
