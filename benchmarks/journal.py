"""The journal: bytes and time of a tick that is written, replayed and verified; a day's replay.

A plant in a closed loop with 2 % of noise in every reading, rounded as the daemon rounds it. CPU
times, but for the day: the disk is not measured here. The reference plant's own figures are those
of `vppd-hil run zhejiang --clock virtual`.
"""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import tick as whole_tick
from benchmarks.timing import Row, row
from vppd.core.tick import tick
from vppd.core.types import Image, Policy, State
from vppd.journal.header import About
from vppd.journal.pieces import Job, pieces
from vppd.journal.replay import replay
from vppd.journal.scan import segments
from vppd.journal.schema import Meta
from vppd.journal.verify import verify
from vppd.journal.writer import JournalWriter
from vppd.kernels.grid import round_all

WHO = "vppd journal"
TICKS = 400
DAY = "replay of a day"
DAY_UNITS, DAY_SEGMENTS, SEGMENT_TICKS = 200, 24, 3_600
DAY_TICKS = DAY_SEGMENTS * SEGMENT_TICKS  # at 1 s
DAY_LIMIT_US = 20e6 / DAY_TICKS  # a tick, for 20 s in all
LEARNING = 100  # ticks until the contexts know their columns: a segment has 3,600
NOISE_PU = 0.02
UTC_S = 1.79e9
SOC_PER_PU, INSTANTS_PER_S = 1e4, 1e2


class Noisy(whole_tick.Plant):
    """The plant of the whole tick, with readings as a journal gets them."""

    def _image(self, k: int) -> Image:
        seen, rng, n = super()._image(k), self.rng, len(self.params.ids)

        def rounded(values, per):
            out = np.empty(n)
            round_all(np.ascontiguousarray(values), np.broadcast_to(per, n).copy(), out)
            return out

        per_mw = self.params.steps_per_mw
        read_s = seen.now_s - 0.8 + rng.normal(0.0, 0.05, n)
        return dataclasses.replace(
            seen, p_meas_mw=rounded(self.p_mw * rng.normal(1.0, NOISE_PU, n), per_mw),
            measured_at_s=rounded(read_s, INSTANTS_PER_S), soc_pu=rounded(seen.soc_pu, SOC_PER_PU),
            p_avail_min_mw=self.params.p_min_mw, p_avail_max_mw=self.params.p_max_mw,
            accepted_at_s=np.full(n, seen.now_s - 1.0),
        )  # fmt: skip


def measure(n: int) -> list[Row]:
    """Three rows: written, replayed by one process, verified."""
    plant = Noisy(whole_tick.fleet(n, Policy.RESPONSE_AWARE, groups=False))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = JournalWriter(
            folder, plant.params, About("bench", "0"), utc_s=UTC_S, inline=True, sync=False
        )
        coded_ns, sizes = _write(plant, writer)
        writer.close()
        note = f"{np.mean(sizes[LEARNING:]):,.0f} bytes a tick"
        rows = [row(WHO, "code and write a tick", n, coded_ns[LEARNING:], note=note)]
        for what, read in (
            ("replay", lambda: replay(folder, tick)),
            ("verify", lambda: verify(folder)),
        ):
            start_ns = time.process_time_ns()
            assert read().ticks == TICKS
            rows.append(
                row(WHO, f"{what} a tick", n, [(time.process_time_ns() - start_ns) / TICKS])
            )
    return rows


def day() -> list[Row]:
    """One row: a day of hourly segments as `vppd replay` has it, by all processors, wall time.

    An hour is written, and replayed 24 times over: each segment is replayed by itself in any case.
    """
    processes = len(os.sched_getaffinity(0))
    plant = Noisy(whole_tick.fleet(DAY_UNITS, Policy.RESPONSE_AWARE, groups=False))
    with tempfile.TemporaryDirectory() as name:
        writer = JournalWriter(
            Path(name), plant.params, About("bench", "0"), utc_s=UTC_S, inline=True, sync=False
        )
        _write(plant, writer, SEGMENT_TICKS)
        writer.close()
        (segment,) = segments(Path(name))
        jobs = [Job(segment, tick, skip_damaged=False)] * DAY_SEGMENTS
        start_s, spent_s = time.perf_counter(), sum(os.times()[:4])
        found = list(pieces(jobs, processes))
        took_s, spent_s = time.perf_counter() - start_s, sum(os.times()[:4]) - spent_s
    assert sum(piece.ticks for piece in found) == DAY_TICKS
    assert not any(piece.differing for piece in found)
    note = (
        f"{DAY_TICKS / took_s:,.0f} ticks/s by {processes} processes,"
        f" {DAY_TICKS / took_s:,.0f} x real time: a day in {took_s:.1f} s, {spent_s:.1f} s of CPU"
    )
    return [row(WHO, DAY, DAY_UNITS, [1e9 * took_s / DAY_TICKS], note=note)]


def _write(
    plant: Noisy, writer: JournalWriter, ticks: int = TICKS
) -> tuple[list[float], list[int]]:
    """CPU time, ns, and bytes of each tick."""
    times_ns: list[float] = []
    sizes = [0]
    state: State = plant.state
    for k in range(ticks):
        image = plant._image(k)
        before, (state, decision) = state, tick(state, image, plant.params)
        meta = Meta(UTC_S + k, 0.0, 50.0, 150.0)
        start_ns = time.thread_time_ns()
        assert writer.put(meta, before, image, decision)
        times_ns.append(float(time.thread_time_ns() - start_ns))
        plant._follow(decision)
        sizes.append(writer.status().bytes)
    return times_ns, np.diff(sizes).tolist()
