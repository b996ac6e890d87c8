"""kill -9 under a running writer, again and again, on one journal.

Usage: journal_kill_rig.py FOLDER CYCLES SEED. Prints one line a cycle: the last tick that the
writer was handed, and the last one that it had acknowledged, when SIGKILL was sent.
"""

import random
import sys
from pathlib import Path

import journal_load


def cycle(folder: Path, first: int, rng: random.Random) -> tuple[int, int]:
    """Let a writer live for a few ticks and a random part of one, then kill it."""
    load = journal_load.start(folder, first)
    load.run(0.0, ticks=rng.randrange(1, 8))
    journal_load.spin(rng, 0.003)
    load.kill()
    return load.put, load.acked


def main() -> None:
    folder, cycles, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    first = 0
    for _ in range(cycles):
        put, acknowledged = cycle(folder, first, rng)
        print(put, acknowledged, flush=True)
        first = put + 1


main()
