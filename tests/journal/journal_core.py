"""A journal of the core's own ticks: three fast units and three slow ones, on grids."""

from pathlib import Path

import numpy as np
from builders import image, params
from journal_plant import ABOUT, UTC_S, make_meta

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Policy
from vppd.journal.appender import Limits
from vppd.journal.writer import JournalWriter

N = 6
NAN = float("nan")


def plant(**changes):
    """Three fast units and three slow ones, on grids."""
    return params(
        N, kinds=("battery", "hvac") * 3, policy=Policy.RESPONSE_AWARE,
        lag_s=np.array([0.2, 20.0] * 3), steps_per_mw=np.array([1e3, 1e4] * 3), **changes,
    )  # fmt: skip


def noise(k: int, n: int = N) -> np.ndarray:
    """Whole numbers of -50 to 50 that are the same everywhere."""
    return np.array([(7919 * (k * n + i) ** 2 + 104729 * i) % 101 - 50 for i in range(n)], float)


def images(count: int):
    """Noisy readings on grids; a lost write and a lost reading now and then."""
    told, at_s = np.zeros(N), np.full(N, 99.0)
    for k in range(count):
        now_s = (100_000_000 + 1_000_000 * k + 123 * (k % 7)) / 1e6
        read_s = (100_000_000 + 1_000_000 * (k - 1) + 10_000 * (20 + noise(k) // 20)) / 1e6
        lost = (np.arange(N) + k) % 11 == 0
        yield image(
            N, tick=k, now_s=now_s, agc_pu=float(np.float32(0.01 * (k % 40))),
            agc_received_s=now_s - 1e-3, agc_sequence=k,
            p_meas_mw=(1000.0 * told + noise(k)) / 1000.0, measured_at_s=read_s,
            soc_pu=np.where(np.arange(N) % 2, NAN, (5000.0 + k // 3) / 1e4),
            accepted_mw=told.copy(), accepted_at_s=at_s.copy(),
            write_result=np.where(lost, 3, 1).astype(np.uint8),
        )  # fmt: skip
        told = np.where(lost, told, (100.0 * (k % 40) + noise(1)) / 1000.0)
        at_s = np.where(lost, at_s, now_s)


def write(folder: Path, count: int, *, segment_s: float = 1e9, core=tick, first: int = 0) -> None:
    """A journal of the core's own ticks."""
    p = plant()
    writer = JournalWriter(
        folder, p, ABOUT, utc_s=UTC_S, inline=True, sync=False, limits=Limits(segment_s=segment_s)
    )
    state = initial_state(p)
    for seen in images(first + count):
        if seen.tick >= first:
            before = state
            state, decision = core(before, seen, p)
            assert writer.put(make_meta(seen.tick, seen.tick // 4), before, seen, decision)
    writer.close()
