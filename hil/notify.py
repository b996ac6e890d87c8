"""The service manager's end of sd_notify(3): hears READY=1 of the daemon."""

import asyncio
import os
import socket


class NotifySocket:
    """An abstract unix datagram socket; `address` goes into NOTIFY_SOCKET."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.status = ""
        self.address = f"@vppd-hil-{os.getpid()}-{id(self):x}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("\0" + self.address[1:])
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        try:
            message = self._socket.recv(4096).decode(errors="replace")
        except BlockingIOError:
            return
        for line in message.splitlines():
            key, _, value = line.partition("=")
            if key == "READY" and value == "1":
                self.ready.set()
            elif key == "STATUS":
                self.status = value

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
