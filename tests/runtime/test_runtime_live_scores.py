"""Products are scored beside the ticks: off the loop, whatever is missing, event by event."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from builders import NAN, image, params
from helpers import run_async

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Trigger
from vppd.journal.schema import Meta
from vppd.market.product import product
from vppd.runtime.clock import TickTime
from vppd.runtime.live_scores import INTERVAL_SCORED, LiveScores
from vppd.runtime.loop import Done

P = params()
BEGIN_S = 1_790_000_100.0  # a whole multiple of 300 s
BEATS = 100
PJM = product("pjm-2025-10", [], 20.0)


def done(utc_s, *, power_mw=3.0, **changes):
    """A tick at an instant; AGC asks for 6 MW (0.3 of 20)."""
    seen = image(now_s=utc_s, agc_pu=0.3, p_meas_mw=np.full(3, power_mw / 3.0), **changes)
    before = initial_state(P)
    after, decision = tick(before, seen, P)
    meta = Meta(utc_s, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0)
    return Done(TickTime(0, Trigger.GRID, 0.0, 0.0), seen, before, after, decision, meta)


class Bench:
    """Scores with a clock that is set by hand."""

    def __init__(self, products=(PJM,), **options):
        self.now_s = BEGIN_S
        self.events = []
        self.scores = LiveScores(
            products, P, utc=lambda: self.now_s, record=self._record, **options
        )

    def _record(self, utc_s, event, **fields):
        self.events.append((utc_s, event, fields))

    def ticks(self, first_s, count, **changes):
        for k in range(count):
            self.scores.add(done(first_s + k, **changes))

    def update(self, now_s):
        self.now_s = now_s
        run_async(self.scores.update())
        (status,) = self.scores.status()
        return status


def score(status):
    return next(figure for figure in status.figures if figure.name == "score")


def test_before_anything_is_known():
    bench = Bench()
    assert bench.scores.status()[0].since == ""
    status = bench.update(BEGIN_S + 10.3)
    assert (status.figures, status.scored_s) == ((), 0.0)
    assert status.error
    assert bench.events == []


def test_an_interval_runs_and_ends():
    """3 of 6 MW are missing for 100 s, of 20 that are sold: 0.85; for the other 200 s, none."""
    bench = Bench()
    bench.ticks(BEGIN_S - 0.5, 101)  # the last at 99.5: in force at 100
    assert score(bench.update(BEGIN_S + 99.8)).so_far == pytest.approx(0.85)
    bench.ticks(BEGIN_S + 100.5, 200, power_mw=6.0)
    status = bench.update(BEGIN_S + 300.3)
    ((utc_s, event, fields),) = bench.events
    assert (utc_s, event) == (BEGIN_S + 300.3, INTERVAL_SCORED)
    assert (fields["market"], fields["scored_s"], fields["whole"]) == ("pjm-2025-10", 300.0, True)
    given = {name: value for name, value in fields.items() if name.startswith("param_")}
    assert given == {"param_capacity_mw": 20.0, "param_sample_s": 2.0}  # without prices
    # Samples of every other second; the tick at 99.5 is in force at 100, so 51 of 150 are off.
    assert fields["score_score"] == pytest.approx(1.0 - 51 * 3.0 / (150 * 20.0))
    assert score(status).last == fields["score_score"]


def test_an_interval_that_began_before_the_ticks_is_not_whole():
    bench = Bench()
    bench.ticks(BEGIN_S + 199.5, 101)
    bench.update(BEGIN_S + 250.3)
    bench.update(BEGIN_S + 300.3)
    fields = bench.events[0][2]
    assert (fields["scored_s"], fields["whole"]) == (100.0, False)
    assert fields["score_score"] == pytest.approx(0.85)


@pytest.mark.parametrize("unknown", [{"agc_pu": NAN}, {"p_meas_mw": np.array([1.0, NAN, 1.0])}])
def test_what_is_not_known_has_no_score(unknown):
    bench = Bench()
    ticks = [done(BEGIN_S + k - 0.5) for k in range(301)]
    for one in ticks:
        bench.scores.add(replace(one, image=replace(one.image, **unknown)))
    bench.update(BEGIN_S + 250.3)
    bench.update(BEGIN_S + 300.3)
    fields = bench.events[0][2]
    assert (fields["scored_s"], fields["whole"]) == (0.0, False)
    assert fields["error"]
    assert not any(name.startswith("score_") for name in fields)


def test_a_score_that_takes_long_holds_up_nothing():
    """In a thread the loop goes on while a market computes: here until the loop lets it end."""
    threads, go_on = [], threading.Event()

    def slow(series, rules):
        threads.append(threading.current_thread())
        assert go_on.wait(10.0)
        return PJM.market.score(series, rules)

    bench = Bench([replace(PJM, market=replace(PJM.market, score=slow))], offload=asyncio.to_thread)
    bench.ticks(BEGIN_S - 0.5, 60)
    beats = 0

    async def main():
        nonlocal beats
        bench.now_s = BEGIN_S + 58.3
        updating = asyncio.create_task(bench.scores.update())
        while not updating.done():
            await asyncio.sleep(0)
            beats += 1
            if beats >= BEATS:
                go_on.set()
        await updating

    run_async(main())
    assert threads
    assert threading.main_thread() not in threads
    assert beats >= BEATS
    assert score(bench.scores.status()[0]).so_far == pytest.approx(0.85)
