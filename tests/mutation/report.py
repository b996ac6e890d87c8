"""Figures of a run, and `docs/mutation.md`."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kept import Found
from mutants import statements

ROOMS = ("vppd/core", "vppd/kernels")
KILLED_MIN = 0.9
HERE = Path(__file__).parent
DOCUMENT = Path("docs/mutation.md")

Files = Mapping[str, Found]


@dataclass(frozen=True)
class Reason:
    """Why some survivors may live."""

    why: str
    mutants: dict[str, list[str]]  # by file: what stands there instead


def write(root: Path, sources: Mapping[str, str], known: Files, per_line: int) -> int:
    """Print the figures; write the document if every file was tried. 0 if all is well."""
    files = {p: known[p] for p, s in sources.items() if p in known}
    files = {p: found for p, found in files.items() if found.holds_for(sources[p], per_line)}
    print(figures(files))
    reasons = [Reason(**entry) for entry in tomllib.loads(_read("survivors.toml"))["reason"]]
    stray = unexplained(reasons, files)
    for path, change in stray:
        print(f"not explained: {path}: {change}")
    left = [path for path in sources if path not in files]
    if left:
        print(f"left to try: {', '.join(left)}")
        return 1
    text = [_read("intro.md"), figures(files), *lines_of_kernels(files, sources)]
    text += survivors(reasons, files)
    (root / DOCUMENT).write_text("\n\n".join(text) + "\n")
    poor = [room for room in ROOMS if rate(of_room(files, room)) < KILLED_MIN]
    for room in poor:
        print(f"{room}: less than {KILLED_MIN:.0%} killed")
    return 1 if poor or stray else 0


def _read(name: str) -> str:
    return (HERE / name).read_text().rstrip()


def of_room(files: Files, room: str) -> list[Found]:
    """All files of a room."""
    return [found for path, found in files.items() if path.startswith(room)]


def rate(found: list[Found]) -> float:
    """Share of mutants that did not survive."""
    return 1.0 - sum(len(f.survivors) for f in found) / max(1, sum(f.mutants for f in found))


def figures(files: Files) -> str:
    """A row for each file, and one for each room."""
    rows = ["| file | mutants | by assertion | by exception | timed out | survived | killed |"]
    rows.append("|---|--:|--:|--:|--:|--:|--:|")
    for room in ROOMS:
        rows += [_row(path, [found]) for path, found in files.items() if path.startswith(room)]
        rows.append(_row(f"**{room}**", of_room(files, room)))
    return "\n".join(rows)


def _row(name: str, found: list[Found]) -> str:
    numbers = (
        sum(f.mutants for f in found), sum(f.by_assertion for f in found),
        sum(f.by_exception for f in found), sum(f.timed_out for f in found),
        sum(len(f.survivors) for f in found),
    )  # fmt: skip
    return f"| {name} | {' | '.join(map(str, numbers))} | {rate(found):.1%} |"


def lines_of_kernels(files: Files, sources: Mapping[str, str]) -> list[str]:
    """How many statements of the kernels have a mutant, and which have none."""
    kernels = [path for path in files if path.startswith("vppd/kernels")]
    count = sum(1 for path in kernels for _ in statements(sources[path]))
    none = [(path, line) for path in kernels for line in files[path].bare]
    rows = [
        f"* `{path}`, line {line}: `{sources[path].splitlines()[line - 1].strip()}`"
        for path, line in none
    ]
    say = f"{count - len(none)} of {count} statements of `vppd/kernels` (all files but `jit.py`) "
    say += "have a mutant. The others are names for types, and names that the tests look up:"
    return ["## Lines of the kernels", say, "\n".join(rows)]


def unexplained(reasons: list[Reason], files: Files) -> list[tuple[str, str]]:
    """Survivors that `survivors.toml` does not name."""
    known = {
        (path, change) for r in reasons for path, found in r.mutants.items() for change in found
    }
    alive = [(path, change) for path, found in files.items() for change in found.survivors]
    return [entry for entry in alive if entry not in known]


def survivors(reasons: list[Reason], files: Files) -> list[str]:
    """The survivors by reason, those with the most first."""
    alive = Counter((path, change) for path, found in files.items() for change in found.survivors)
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
