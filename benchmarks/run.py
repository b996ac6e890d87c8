"""Run all benchmarks: `python -m benchmarks.run --out build/bench`, or `make bench`.

Prints a table and writes `kernels.json`. The targets are medians; a target that is missed is
marked, and does not change the exit code, for the machine may be busy.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import scipy
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import ahead, jitter, journal, ours, proof, scores, startup, streaming, tick
from benchmarks.peers import frequenz_split, highs, osqp_qp, piqp_qp
from benchmarks.timing import Row

SIZES = (10, 200, 1_000, 10_000)
STREAMS_MAX = 4.0
GROWTH_MAX = 2.0  # of the passes that the several-point split takes, from 10,000 to 1,000,000 units
TARGETS_US = {200: 5.0, 10_000: 200.0}
TICK_US = {200: 100.0, 10_000: 5_000.0, 1_000_000: 500_000.0}
TICK_P99_US = {200: 300.0}
JOURNAL_US = {200: 1_500.0}
TIMES_FREQUENZ = {ours.WHO: 500.0, ahead.WHO: 100.0}  # at 200 and at 10,000 units

Job = tuple[str, Callable[[], list[Row]]]


def jobs(sizes: tuple[int, ...], *, with_million: bool) -> list[Job]:
    """What is measured, in order. Peers follow ours at each size, so that they see one machine."""
    found: list[Job] = []
    for n in sizes:
        for name, measure in (
            ("exact", ours.exact),
            ("policies", ours.policies),
            ("several points", ahead.measure),
            ("whole tick", tick.measure),
            ("journal", journal.measure),
            ("limits and guard", ours.around_the_split),
            ("HiGHS", highs.measure),
            ("PIQP", piqp_qp.measure),
            ("OSQP", osqp_qp.measure),
            ("Frequenz", frequenz_split.measure),
        ):
            found.append((f"{name}, {n:,} units", lambda m=measure, k=n: m(k)))
    if with_million:
        found.append((f"exact, {streaming.N:,} units", streaming.measure))
        found.append((f"several points, {streaming.N:,} units", lambda: ahead.measure(streaming.N)))
        found.append(("growth of several points", streaming.growth))
        found.append((f"whole tick, {streaming.N:,} units", lambda: tick.measure(streaming.N)))
    found.append(("proof of the journal", proof.measure))
    found.append((journal.DAY, journal.day))
    found.append(("a day under each market", scores.measure))
    found.append(("start-up", startup.measure))
    found.append(("lateness of ticks", jitter.measure))
    return found


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "cpu": model, "cores": os.cpu_count(), "load_1min": os.getloadavg()[0],
        "python": platform.python_version(), "numpy": np.__version__,
        "numba": numba.__version__, "scipy": scipy.__version__,
    }  # fmt: skip


def targets(rows: list[Row]) -> list[dict[str, object]]:
    """Each target with what was measured."""
    stream_us = next((r.median_us for r in rows if r.who == "streaming pass"), float("nan"))
    found = []
    for r in rows:
        if r.who.startswith(ours.WHO) and r.what == ours.WHAT:
            limit_us = STREAMS_MAX * stream_us if r.n == streaming.N else TARGETS_US.get(r.n)
            found.append(_target(r, "median", r.median_us, limit_us))
        elif r.who == tick.WHO and r.what == tick.CASES[0][0]:
            found.append(_target(r, "median", r.median_us, TICK_US.get(r.n)))
            found.append(_target(r, "p99", r.p99_us, TICK_P99_US.get(r.n)))
        elif r.who == streaming.GROWTH and r.n == streaming.N:
            limit_us = streaming.growth_limit_us(rows, GROWTH_MAX)
            found.append(_target(r, "passes, twice those of 10,000", r.median_us, limit_us))
        elif r.who == proof.WHO:
            found.append(_target(r, "CPU, median", r.median_us, proof.LIMIT_US))
        elif r.who == jitter.OURS:
            state = r.what.removeprefix("lateness, ")
            found.append(_target(r, "p99.9", r.p999_us, jitter.LIMIT_US[state]))
        elif r.who == journal.WHO and r.what.startswith("code"):
            found.append(_target(r, "median", r.median_us, JOURNAL_US.get(r.n)))
        elif r.who == journal.WHO and r.what == journal.DAY:
            found.append(_target(r, "wall time, a tick", r.median_us, journal.DAY_LIMIT_US))
    return [each for each in [*found, *_against_frequenz(rows)] if each["limit_us"] is not None]


def _against_frequenz(rows: list[Row]) -> list[dict[str, object]]:
    """How many times faster than the Frequenz split, at each size."""
    theirs = {r.n: r.median_us for r in rows if r.who == frequenz_split.WHO}
    found = []
    for r in rows:
        times = next((t for who, t in TIMES_FREQUENZ.items() if r.who.startswith(who)), None)
        if times is None or r.n < min(TICK_US) or not theirs.get(r.n, float("nan")) > 0.0:
            continue
        what = f"{times:g} times faster than Frequenz"
        found.append(_target(r, what, r.median_us, theirs[r.n] / times))
    return found


def _target(r: Row, what: str, us: float, limit_us: float | None) -> dict[str, object]:
    met = limit_us is not None and us <= limit_us
    return {"who": f"{r.who}, {r.what}", "what": what, "n": r.n, "us": us, "limit_us": limit_us,
            "met": met}  # fmt: skip


def time_text(us: float) -> str:
    """A time with the unit that suits it."""
    if us != us:
        return "-"
    for limit, factor, unit in ((1e3, 1.0, "µs"), (1e6, 1e3, "ms"), (float("inf"), 1e6, "s")):
        if us < limit:
            return f"{us / factor:.3g} {unit}"
    return "-"


def number_text(x: float) -> str:
    """Short, with 0 for exactly nothing."""
    return "-" if x != x else "0" if x == 0.0 else f"{x:.1e}"


def table(rows: list[Row]) -> Table:
    """Everything, one section for each size; ratio against ours, warm."""
    found = Table(title="Splitting one request over n units", title_justify="left")
    for column in ("n", "who", "problem"):
        found.add_column(column, justify="right" if column == "n" else "left")
    for column in ("median", "p99", "x warm", "sum off, MW", "cost over best", "note"):
        found.add_column(column, justify="left" if column == "note" else "right")
    warm = {r.n: r.median_us for r in rows if r.who == f"{ours.WHO}, warm"}
    for k, r in enumerate(rows):
        ratio = r.median_us / warm[r.n] if r.n in warm else float("nan")
        found.add_row(
            f"{r.n:,}" if r.n else "", r.who, r.what, time_text(r.median_us), time_text(r.p99_us),
            "-" if ratio != ratio else f"{ratio:,.3g}",
            number_text(r.sum_error_mw), number_text(r.cost_over_best), r.note,
            end_section=k + 1 == len(rows) or rows[k + 1].n != r.n,
        )  # fmt: skip
    return found


def measure_all(todo: list[Job], console: Console) -> list[Row]:
    """Run the jobs with a progress bar (one line a job where there is no terminal)."""
    rows: list[Row] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(todo))
        for name, measure in todo:
            progress.update(task, description=f"{name:<28}")
            if not console.is_terminal:
                console.print(f"measuring {name}")
            rows += measure()
            progress.advance(task)
    return rows


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), metavar="N")
    parser.add_argument("--no-million", action="store_true", help="leave out the largest fleet")
    args = parser.parse_args()
    console = Console(stderr=True)
    started_s = time.monotonic()
    before = machine()
    rows = measure_all(jobs(tuple(args.sizes), with_million=not args.no_million), console)
    checked = targets(rows)
    took_s = time.monotonic() - started_s

    screen = Console(width=None if sys.stdout.isatty() else 190)
    screen.print(table(rows))
    for t in checked:
        verdict = "met" if t["met"] else "MISSED"
        screen.print(
            f"target {verdict}: {t['who']}, {t['n']:,} units, {t['what']}:"
            f" {time_text(t['us'])} of {time_text(t['limit_us'])}"
        )
    screen.print(f"{before['cpu']}, {before['cores']} cores, load {before['load_1min']:.1f};"
                 f" numba {before['numba']}; {took_s:.0f} s")  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": before, "took_s": round(took_s, 1), "targets": checked,
        "rows": [r.as_dict() for r in rows],
    }  # fmt: skip
    path = args.out / "kernels.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    screen.print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
