"""What the proof of a tick costs: checksum and hash chain of its record, and signed heads.

CPU time of the thread, without the file: a block of ticks and one head, divided by the ticks.
"""

import time
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.timing import Row, row
from vppd.journal.chain import START, Chain
from vppd.journal.frames import Kind
from vppd.journal.keys import KeySigner

UNITS = 200
PAYLOAD_BYTES = 6_000  # of a tick of 200 units with noise in every reading: docs/journal.md
SIGN_EVERY = (10, 60)  # ticks of 1 s
BLOCKS = 200
WHO = "vppd journal"
LIMIT_US = 50.0


def _chain() -> Chain:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return Chain(Path(), sync=False, signer=KeySigner(key))


def _block_ns(chain: Chain, payloads: list[bytes]) -> float:
    begin_ns = time.thread_time_ns()
    for payload in payloads:
        chain.add(Kind.TICK, 0, payload)
    chain.add_head(START, 1.0)
    spent_ns = time.thread_time_ns() - begin_ns
    chain.pending.clear()
    return spent_ns / len(payloads)


def measure() -> list[Row]:
    """One row a time between two signatures."""
    rng = np.random.default_rng(1)
    rows = []
    for ticks in SIGN_EVERY:
        payloads = [rng.bytes(PAYLOAD_BYTES) for _ in range(ticks)]
        chain = _chain()
        times_ns = [_block_ns(chain, payloads) for _ in range(BLOCKS)]
        what = f"chain of a tick, signed every {ticks} s"
        note = f"CPU; at most {LIMIT_US:g} µs"
        rows.append(row(WHO, what, UNITS, times_ns, note=note))
    return rows
