"""A process that writes ticks until it is killed: forks the writer, kills it, reports.

Usage: journal_kill_rig.py FOLDER CYCLES SEED. Prints one line a cycle: the last tick that the
writer was handed, and the last one that it had acknowledged, when SIGKILL was sent.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from journal_plant import Daemon

from vppd.journal.appender import Limits

LAST_ANSWER_S = 20.0


def write_for_ever(folder: Path, first: int, pipe: int) -> None:
    """One tick after the other, each handed over when the one before is in the file."""
    daemon = Daemon(folder, 40, inline=False, sync=True, limits=Limits(segment_s=7.0))
    number = first
    while True:
        os.write(pipe, f"put {number}\n".encode())
        daemon.tick(number)
        if not daemon.writer.drain(LAST_ANSWER_S) or daemon.writer.status().error:
            os._exit(3)
        os.write(pipe, f"ack {number}\n".encode())
        number += 1


def cycle(folder: Path, first: int, rng: random.Random) -> tuple[int, int]:
    """Let a writer live for a few ticks and a random part of one, then kill it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        write_for_ever(folder, first, writing)
    os.close(writing)
    with os.fdopen(reading, "r") as answers:
        last = {"put": first - 1, "ack": first - 1}
        for _ in range(rng.randrange(1, 40)):
            word, number = answers.readline().split()
            last[word] = int(number)
        kill_at_s = time.perf_counter() + rng.random() * 0.003
        while time.perf_counter() < kill_at_s:
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for line in answers:
            word, number = line.split()
            last[word] = int(number)
    return last["put"], last["ack"]


def main() -> None:
    folder, cycles, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    first = 0
    for _ in range(cycles):
        put, acknowledged = cycle(folder, first, rng)
        print(put, acknowledged, flush=True)
        first = put + 1


main()
