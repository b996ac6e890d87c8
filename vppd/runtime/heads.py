"""Heads of the journal, told to others: the log, and a file on another machine.

Who keeps a head can prove that nothing before it was changed, even by somebody who has the key and
all files. The file may lie on a share that hangs: it is written in a thread of its own, and heads
that find it busy are dropped and counted.
"""

import json
import os
import queue
import threading
from pathlib import Path
from typing import Final

import structlog

from vppd.journal.heads import Place, ToldHead

HEAD: Final = "journal_head"
_WAITING_MAX: Final = 16
_CHAIN_SIZE: Final = 32
_MODE: Final = 0o640

log = structlog.get_logger()


class HeadsError(Exception):
    """A head, or a file of them, that cannot be read."""


class HeadTeller:
    """Tells each head as one line of the log, and where asked for as one of a file.

    `path`: a file that is appended to, JSON lines; None: the log alone.
    """

    def __init__(self, path: Path | None) -> None:
        self.dropped = 0
        self._path = path
        self._failed = False
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()  # empty: the end
        self._thread = threading.Thread(target=self._run, name="vppd-heads", daemon=True)
        if path is not None:
            self._thread.start()

    def tell(self, head: ToldHead) -> None:
        """Tell of a head; returns at once."""
        fields = head.fields()
        log.info(HEAD, **fields)
        if self._path is None:
            return
        if self._waiting.qsize() >= _WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.put(json.dumps(fields, separators=(",", ":")).encode() + b"\n")

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, unless the share hangs."""
        if self._path is not None:
            self._waiting.put(b"")
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while line := self._waiting.get():
            self._append(line)

    def _append(self, line: bytes) -> None:
        """Append a line; a failure is told once, and when it is over."""
        reason = _appended(str(self._path), line)
        if reason:
            self.dropped += 1
            if not self._failed:
                log.error("journal_heads_failed", path=str(self._path), reason=reason)
        elif self._failed:
            log.warning("journal_heads_back", dropped=self.dropped)
        self._failed = bool(reason)


def _appended(path: str, line: bytes) -> str:
    """Append a line to a file; returns why that was not done, empty if it was."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            os.write(fd, line)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        return str(error)
    return ""


def head_of(text: str, seq: int = -1) -> Place:
    """Head of 64 hex digits.

    Raises
    ------
    HeadsError
        It is none.
    """
    try:
        chain = bytes.fromhex(text)
    except ValueError:
        chain = b""
    if len(chain) != _CHAIN_SIZE:
        raise HeadsError(f"{text[:80]!r}: a head has {2 * _CHAIN_SIZE} hex digits")
    return Place(seq, chain)


def read_heads(path: Path) -> list[Place]:
    """Heads of a file that `HeadTeller` wrote. A last line that was cut short is left out.

    Raises
    ------
    HeadsError
        No such file, no head in it, or another line is no head.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HeadsError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    found = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            data = json.loads(line)
            found += [
                head_of(data["chain"], int(data["seq"])),
                head_of(data["events_chain"]),
            ]
        except (ValueError, KeyError, TypeError, HeadsError) as error:
            raise HeadsError(f"{path}:{number}: no head of a journal") from error
    known = [place for place in found if any(place.chain)]
    if not known:
        raise HeadsError(f"{path}: no head in it: there is nothing to hold the journal against")
    return known
