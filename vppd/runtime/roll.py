"""Closed segments to Parquet while the daemon runs: retention waits for it.

As `vppd export --parquet` does it, in a process of its own and at the lowest priority: nothing of
it is in the way of a tick. What it wrote was read with its checksums, sequence and chain.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from vppd.journal.errors import JournalError
from vppd.journal.rolled import is_rolled, is_written
from vppd.journal.scan import segments
from vppd.ops.beside import give_way, start
from vppd.runtime.offload import Offload

LOOK_S: Final = 60.0
RETRY_S: Final = 600.0
NICENESS: Final = 19
ROLLED: Final = "journal_rolled"
NOT_ROLLED: Final = "journal_not_rolled"

log = structlog.get_logger()
Export = Callable[[Path, Path], Awaitable[str]]  # journal, folder of the tables -> why not, or ""


class Roller:
    """Has closed segments written as tables, and says which are.

    Parameters
    ----------
    journal : Path
        Folder of the segments.
    out : Path
        Folder of the tables.
    export : callable
        Writes what is closed and not there yet.
    offload : callable
        Where folders are listed: a thread.
    """

    def __init__(
        self, journal: Path, out: Path, *, export: Export | None = None,
        offload: Offload = asyncio.to_thread,
    ) -> None:  # fmt: skip
        self._journal, self._out = journal, out
        self._export = export or export_beside
        self._offload = offload

    def is_needed(self, segment: Path) -> bool:
        """Whether a segment must stay: its tables are not there, or it was damaged."""
        return not is_rolled(self._out, segment)

    async def run(self, put_event: Callable[..., object], utc: Callable[[], float]) -> None:
        """Roll each segment once it is closed; told as events. Ends when it is cancelled."""
        while True:
            rest_s = LOOK_S
            if waiting := await self._offload(self._waiting):
                why = await self._export(self._journal, self._out)
                left = set(await self._offload(self._waiting))
                done = [name for name in waiting if name not in left]
                if done:
                    put_event(utc(), ROLLED, segments=len(done), last=done[-1])
                if why:
                    log.error(NOT_ROLLED, reason=why)
                    put_event(utc(), NOT_ROLLED, why=why)
                if why or left:
                    rest_s = RETRY_S
            await asyncio.sleep(rest_s)

    def _waiting(self) -> list[str]:
        """Closed segments without tables, oldest first; the last one is being written."""
        try:
            closed = segments(self._journal)[:-1]
        except (JournalError, OSError):
            return []
        return [path.name for path in closed if not is_written(self._out, path)]


async def export_beside(journal: Path, out: Path) -> str:
    """Run `main` in a process of its own; returns why it failed, empty if it did not."""
    process = await start(
        "vppd.runtime.roll", str(journal), str(out), stdout=DEVNULL, stderr=PIPE
    )  # fmt: skip
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()  # what is not whole has another name
        raise
    if process.returncode == 0:
        return ""
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"


def main() -> None:
    """Write what is closed and not there yet; the last line on stderr says why not."""
    from vppd.core.tick import tick  # noqa: PLC0415 - the daemon needs no library of tables
    from vppd.journal.parquet import ParquetError, roll  # noqa: PLC0415

    give_way(NICENESS)
    journal, out = map(Path, sys.argv[1:])
    try:
        rolled = roll(journal, out, tick)
    except (JournalError, ParquetError, OSError) as error:
        sys.exit(str(error))
    if rolled.damaged:
        sys.exit("written up to the damage: " + "; ".join(map(str, rolled.damaged)))


if __name__ == "__main__":
    main()
