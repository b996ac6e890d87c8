"""What a run found out of each file, kept beside the tests: only what changed is tried again.

An entry holds for the source that it was made of (SHA-256) and the number of mutants of a line.
A change of the tests does not undo it: they only get better; `--fresh` tries everything again.
"""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from mutants import Mutant, statements
from session import Result

FILE = Path(__file__).parent / "kept.json"


@dataclass(frozen=True)
class Found:
    """The figures of one file."""

    source: str  # SHA-256
    per_line: int
    mutants: int
    by_assertion: int
    by_exception: int
    timed_out: int
    survivors: list[str]  # what stands there instead
    bare: list[int]  # first lines of statements in which nothing was changed

    @property
    def rate(self) -> float:
        """Share of mutants that did not survive."""
        return 1.0 - len(self.survivors) / max(1, self.mutants)

    def holds_for(self, source: str, per_line: int) -> bool:
        """Whether it is about this source, and as many mutants."""
        return (self.source, self.per_line) == (digest(source), per_line)


def digest(source: str) -> str:
    """SHA-256 of a source."""
    return hashlib.sha256(source.encode()).hexdigest()


def sum_up(
    made: list[Mutant], results: dict[Mutant, Result], source: str, per_line: int
) -> Found | None:
    """Sum up a file; None while a mutant is left to try."""
    if any(mutant not in results for mutant in made):
        return None
    own = [results[mutant] for mutant in made]
    seen = Counter(result.outcome for result in own)
    by_assertion = sum(
        r.outcome == "killed" and r.raised in ("AssertionError", "Failed") for r in own
    )
    bare = [
        first
        for first, last in sorted(statements(source))
        if not any(first <= mutant.start[0] <= last for mutant in made)
    ]
    return Found(
        digest(source), per_line, len(own), by_assertion, seen["killed"] - by_assertion,
        seen["timed out"], [told(r) for r in own if r.outcome == "survived"], bare,
    )  # fmt: skip


def told(result: Result) -> str:
    """A mutant in one line: what stands there instead, or what is left out."""
    after = " ".join(line[2:] for line in result.change.splitlines() if line.startswith("+"))
    before = " ".join(line[2:] for line in result.change.splitlines() if line.startswith("-"))
    return f"without: {before}" if after == "pass" else after


def load() -> dict[str, Found]:
    """All entries, by file."""
    if not FILE.exists():
        return {}
    return {path: Found(**entry) for path, entry in json.loads(FILE.read_text()).items()}


def save(found: dict[str, Found]) -> None:
    """Write them."""
    entries = {path: asdict(found[path]) for path in sorted(found)}
    FILE.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
