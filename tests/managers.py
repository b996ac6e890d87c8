"""A stand-in for the service manager: starts the daemon, hears it, keeps its descriptors.

The protocols are the real ones (sd_notify(3), sd_listen_fds(3)): datagrams with credentials of
SCM_RIGHTS, descriptors from 3 on. Where systemd itself can be booted, `tests/systemd` does.
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

# Descriptors to 3, 4, …, and LISTEN_PID: a shell does both, and becomes the daemon.
END = b"END=1"
LAUNCH = 'export LISTEN_PID=$$; exec "$@"'


def realtime() -> list[str]:
    """Give what a command is started by so that it has the unit's scheduling; [] where it may not.

    What a start takes is then its own time, and not that of whatever else runs here.
    """
    command = ["chrt", "--fifo", "40"]
    try:
        probe = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return []
    return command if probe.returncode == 0 else []


class Manager:
    """Runs one command as a service; `restart` is what systemd does after a crash."""

    def __init__(self, folder: Path, command: list[str], **environ: str) -> None:
        self.stored: list[tuple[str, int]] = []  # name, descriptor of ours
        self.said: list[tuple[float, str]] = []  # when, line
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "service.log"
        self._command = command
        self._environ = environ
        self._address = folder / "manager.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self._news = threading.Condition()
        self._heard = 0  # lines that `hear` has passed
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Manager":
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(END, str(self._address))
        self._listener.join(5.0)
        self._socket.close()
        for _, fd in self.stored:
            os.close(fd)

    def start(self) -> None:
        """Start it, with all that is kept."""
        assert self.process is None
        fds = [fd for _, fd in self.stored]
        redirect = "".join(f" {3 + i}<&{fd}" for i, fd in enumerate(fds))
        environ = os.environ | self._environ | {"NOTIFY_SOCKET": str(self._address)}
        if fds:
            names = ":".join(name for name, _ in self.stored)
            environ |= {"LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", LAUNCH + redirect, "bash", *self._command],
                env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=fds, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> float:
        """SIGKILL, if it runs, and collect it; the instant."""
        killed_s = time.monotonic()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait(10.0)
            self.process = None
        return killed_s

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20.0)
        self.process = None
        return code

    def hear(self, wanted: str, timeout_s: float = 60.0) -> float:
        """Wait for the next line that begins so; when it came."""
        with self._news:
            if not self._news.wait_for(lambda: self._find(wanted) is not None, timeout_s):
                log = self.log.read_text()
                raise TimeoutError(f"{wanted}: not said within {timeout_s} s\n{log}")
            found = self._find(wanted)
            assert found is not None
            self._heard = found + 1
            return self.said[found][0]

    def _find(self, wanted: str) -> int | None:
        places = range(self._heard, len(self.said))
        return next((i for i in places if self.said[i][1].startswith(wanted)), None)

    def _listen(self) -> None:
        """Take what comes at once: the kernel keeps ten messages, and the daemon does not wait."""
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 8192, 64)
            if data == END:
                return
            with self._news:
                self._note(data.decode().splitlines(), fds)
                self._news.notify_all()

    def _note(self, lines: list[str], fds: list[int]) -> None:
        now_s = time.monotonic()
        self.said += [(now_s, line) for line in lines]
        fields = dict(line.split("=", 1) for line in lines)
        name = fields.get("FDNAME", "stored")
        if "FDSTORE" in fields:
            self.stored += [(name, fd) for fd in fds]
        if "FDSTOREREMOVE" in fields:
            for _, fd in [each for each in self.stored if each[0] == name]:
                os.close(fd)
            self.stored = [each for each in self.stored if each[0] != name]
