"""The journal's long acceptance: 300 kill -9, 40 power cuts, every bit and every cut.

Usage: accept.py SEED FILE.json [--kills N] [--cuts N]. A bar on a terminal, else a line a step.
Exit code 1 where something was lost, not found or not recovered; what this machine cannot do is
said, and is no failure.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import damage_rig
import journal_load
import power_cut
from journal_plant import fake_tick, tick_numbers
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vppd.journal.replay import replay
from vppd.journal.verify import verify


def kills(folder: Path, cycles: int, seed: int, tell) -> dict[str, object]:
    """kill -9 at random instants of a writer under load, on one journal."""
    rng, first, acked, events, failures = random.Random(seed), 0, set(), set(), []
    handed = 0
    for i in range(cycles):
        load = journal_load.start(folder, first)
        load.run(0.0, ticks=rng.randrange(1, 12))
        journal_load.spin(rng, 0.003)
        load.kill()
        acked |= set(range(first, load.acked + 1))
        handed += load.put - first + 1
        first = load.put + 1
        tell("kill -9", i + 1, cycles)
    daemon = journal_load.daemon_of(folder, inline=True)
    if daemon.writer.status().error:
        failures.append(f"no start: {daemon.writer.status().error}")
    daemon.writer.close()
    events = {n for n in acked if n % journal_load.EVENT_EVERY == 0}
    if lost := acked - set(tick_numbers(folder)):
        failures.append(f"ticks lost: {sorted(lost)}")
    if lost := events - journal_load.events_of(folder):
        failures.append(f"events lost: {sorted(lost)}")
    report = verify(folder, keys=[journal_load.SIGNER.public_key])
    if not report.ok:
        failures.append(f"does not hold: {report.fault}")
    if not replay(folder, fake_tick).bit_exact:
        failures.append("does not replay bit for bit")
    return {"cycles": cycles, "handed": handed, "acknowledged": len(acked),
            "events": len(events), "failures": failures}  # fmt: skip


def cuts(folder: Path, cycles: int, seed: int, tell) -> dict[str, object]:
    """Power cuts, where the rig can be built."""
    if reason := power_cut.why_not():
        return {"skipped": reason, "failures": []}
    folder.mkdir()
    found = power_cut.cut_often(folder, cycles, seed, lambda f: tell("power cut", f.cycles, cycles))
    return asdict(found)


def damage(seed: int, tell) -> dict[str, object]:
    """Flipped bits and truncations; in memory where that can be, for each start syncs."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own
    with tempfile.TemporaryDirectory(prefix="journal-accept-", dir=memory) as folder:
        found = damage_rig.run(Path(folder), seed, tell)
    failures = [text for each in found.values() for text in each.undetected + each.mis_recovered]
    return {**{name: each.flips for name, each in found.items()}, "failures": failures}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--cuts", type=int, default=40)
    options = parser.parse_args()
    console, begin_s = Console(), time.monotonic()
    columns = (TextColumn("journal, {task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        tempfile.TemporaryDirectory(prefix="journal-accept-") as work,
        Progress(
            *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
        ) as progress,
    ):
        bar = progress.add_task("")

        def tell(what: str, done: int, total: int) -> None:
            progress.update(bar, description=what, completed=done, total=total)
            if done == total and not console.is_terminal:
                print(f"journal, {what}: {done} of {total}", flush=True)

        found = {
            "kills": kills(Path(work, "kills"), options.kills, options.seed, tell),
            "cuts": cuts(Path(work, "cuts"), options.cuts, options.seed, tell),
            "damage": damage(options.seed, tell),
        }
    passed = not any(each["failures"] for each in found.values())
    record = {
        "schema": 1, "passed": passed, "seed": options.seed, "took_s": time.monotonic() - begin_s,
        **found,
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=1) + "\n")
    for name, each in found.items():
        mark = "✗" if each["failures"] else "–" if "skipped" in each else "✓"
        console.print(f"{mark} journal, {name}: {json.dumps(each)}", markup=False, soft_wrap=True)
    return not passed


if __name__ == "__main__":
    sys.exit(main())
