"""A journal replayed beside the figures of its run, by a process of its own.

It is started before the run, so that all is loaded when the journal is there.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from hil.measure.journal import JournalError, Replay

TIMEOUT_S = 600.0


class ReplayBeside:
    """One journal. `begin`, then `wait`; `close` in any case."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil.sim.replay_beside"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def begin(self, journal: Path) -> None:
        """Replay this one, which is complete."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{journal.resolve()}\n")
            self._process.stdin.flush()

    def wait(self, _journal: Path) -> Replay:
        """Wait for it. Raises JournalError if it cannot be said how that went."""
        try:
            told, said = self._process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise JournalError(f"vppd replay: not done within {TIMEOUT_S:g} s") from error
        if self._process.returncode:
            words = said.strip().splitlines()
            raise JournalError(words[-1] if words else f"exit {self._process.returncode}")
        return Replay(**json.loads(told))

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def main() -> None:
    """Replay the journal that stdin names; figures to stdout, or why not to stderr."""
    from hil.sim.replay import replay  # noqa: PLC0415  (the kernels: for this process alone)

    journal = sys.stdin.readline().rstrip("\n")
    if not journal:
        return  # there was no run
    try:
        told = replay(Path(journal))
    except JournalError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(asdict(told)))


if __name__ == "__main__":
    main()
