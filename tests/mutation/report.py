"""Figures of a run, and `docs/mutation.md`."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mutants import Mutant, statements
from session import Result

ROOMS = ("vppd/core", "vppd/kernels")
KILLED_MIN = 0.9
HERE = Path(__file__).parent
DOCUMENT = Path("docs/mutation.md")

Results = Mapping[Mutant, Result]


@dataclass(frozen=True)
class Reason:
    """Why some survivors may live."""

    why: str
    mutants: dict[str, list[str]]  # by file: what stands there instead


def write(root: Path, made: Mapping[str, list[Mutant]], sources: Mapping[str, str],
          results: Results) -> int:  # fmt: skip
    """Print the figures; write the document if every mutant was tried. 0 if all is well."""
    tried = {path: [results[m] for m in found if m in results] for path, found in made.items()}
    print(figures(tried))
    pending = sum(len(found) for found in made.values()) - len(results)
    if pending:
        print(f"{pending} mutants are left to try")
        return 1
    reasons = [Reason(**entry) for entry in tomllib.loads(_read("survivors.toml"))["reason"]]
    stray = unexplained(reasons, results)
    for path, change in stray:
        print(f"not explained: {path}: {change}")
    bare = {path: without_mutant(found, sources[path]) for path, found in made.items()}
    text = [_read("intro.md"), figures(tried), *lines_of_kernels(bare, sources)]
    text += survivors(reasons, results)
    (root / DOCUMENT).write_text("\n\n".join(text) + "\n")
    poor = [room for room in ROOMS if rate(of_room(tried, room)) < KILLED_MIN]
    for room in poor:
        print(f"{room}: less than {KILLED_MIN:.0%} killed")
    return 1 if poor or stray else 0


def _read(name: str) -> str:
    return (HERE / name).read_text().rstrip()


def of_room(tried: Mapping[str, list[Result]], room: str) -> list[Result]:
    """The results of all files of a room."""
    return [r for path, found in tried.items() if path.startswith(room) for r in found]


def rate(found: list[Result]) -> float:
    """Share of mutants that did not survive."""
    return 1.0 - sum(r.outcome == "survived" for r in found) / max(1, len(found))


def figures(tried: Mapping[str, list[Result]]) -> str:
    """A row for each file, and one for each room."""
    rows = ["| file | mutants | by assertion | by exception | timed out | survived | killed |"]
    rows.append("|---|--:|--:|--:|--:|--:|--:|")
    for room in ROOMS:
        rows += [_row(p, found) for p, found in tried.items() if p.startswith(room) and found]
        rows.append(_row(f"**{room}**", of_room(tried, room)))
    return "\n".join(rows)


def _row(name: str, found: list[Result]) -> str:
    seen = Counter(r.outcome for r in found)
    failed = sum(r.outcome == "killed" and r.raised in ("AssertionError", "Failed") for r in found)
    numbers = len(found), failed, seen["killed"] - failed, seen["timed out"], seen["survived"]
    return f"| {name} | {' | '.join(map(str, numbers))} | {rate(found):.1%} |"


def without_mutant(found: list[Mutant], source: str) -> list[int]:
    """First lines of the statements in which nothing is changed."""
    return [
        first
        for first, last in sorted(statements(source))
        if not any(first <= m.start[0] <= last for m in found)
    ]


def lines_of_kernels(bare: Mapping[str, list[int]], sources: Mapping[str, str]) -> list[str]:
    """How many statements of the kernels have a mutant, and which have none."""
    kernels = [path for path in bare if path.startswith("vppd/kernels")]
    count = sum(1 for path in kernels for _ in statements(sources[path]))
    none = [(path, line) for path in kernels for line in bare[path]]
    rows = [
        f"* `{path}`, line {line}: `{sources[path].splitlines()[line - 1].strip()}`"
        for path, line in none
    ]
    say = f"{count - len(none)} of {count} statements of `vppd/kernels` (all files but `jit.py`) "
    say += "have a mutant. The others are names for types, and names that the tests look up:"
    return ["## Lines of the kernels", say, "\n".join(rows)]


def told(result: Result) -> str:
    """A mutant in one line: what stands there instead, or what is left out."""
    after = " ".join(line[2:] for line in result.change.splitlines() if line.startswith("+"))
    before = " ".join(line[2:] for line in result.change.splitlines() if line.startswith("-"))
    return f"without: {before}" if after == "pass" else after


def unexplained(reasons: list[Reason], results: Results) -> list[tuple[str, str]]:
    """Survivors that `survivors.toml` does not name."""
    known = {
        (path, change) for r in reasons for path, found in r.mutants.items() for change in found
    }
    alive = [(m.path, told(r)) for m, r in sorted(results.items()) if r.outcome == "survived"]
    return [entry for entry in alive if entry not in known]


def survivors(reasons: list[Reason], results: Results) -> list[str]:
    """The survivors by reason, those with the most first."""
    alive = Counter((m.path, told(r)) for m, r in results.items() if r.outcome == "survived")
    parts = []
    for reason in reasons:
        named = [(path, change) for path, all_ in reason.mutants.items() for change in all_]
        count = sum(alive[entry] for entry in named)
        rows = [f"* `{path}`: `{change}`" for path, change in named if alive[path, change]]
        if rows:
            parts.append((count, f"### {count}: {reason.why}\n\n" + "\n".join(rows)))
    parts.sort(key=lambda part: -part[0])
    total = sum(alive.values())
    return [f"## The {total} survivors, by reason", *(text for _, text in parts)]
