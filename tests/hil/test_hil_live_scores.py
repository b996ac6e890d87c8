"""The daemon scores what was sold while it runs: the same as its journal says afterwards."""

import asyncio
import json

import pytest

from hil import daemon_config
from hil.scenario import load
from hil.sim.run import UTC_S, Simulation
from vppd.journal.instant import utc_text
from vppd.journal.reader import EventRecord, read
from vppd.market.registry import market
from vppd.ops.status import from_json, to_json
from vppd.ops.status_text import render
from vppd.runtime.live_scores import INTERVAL_SCORED
from vppd.runtime.score import report
from vppd.runtime.score_journal import read_journal
from vppd.runtime.shell import Shell

PRODUCTS = """\
  products:
    - {market: pjm-2025-10}
    - {market: elia-afrr, params: [tolerance_pu=0.1]}
    - {market: ercot-gredp}
"""
START_S = UTC_S + 1000.0  # UTC; multiples of 300 s lie 200 and 500 s later, of 900 s 800 s later
BEGIN_S, MIDDLE_S, QUARTER_S = UTC_S + 1200.0, UTC_S + 1500.0, UTC_S + 1800.0
DURATION_S = 850


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of `storm` without faults; status every 50 s."""
    statuses = []

    class Watched(Shell):
        async def run(self, on_started):
            task = asyncio.create_task(self._look())
            try:
                await super().run(on_started)
            finally:
                task.cancel()

        async def _look(self):
            while True:
                await asyncio.sleep(50.0)
                statuses.append(self.teller.status())

    written = daemon_config.text

    def text(*arguments, **named):
        return written(*arguments, **named).replace("\nplan:\n", f"\nplan:\n{PRODUCTS}")

    changes = {"random_faults": "[]", "faults": "none", "duration_s": str(DURATION_S)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemon_config, "text", text)
        patch.setattr("hil.sim.daemon.Shell", Watched)
        simulation = Simulation(
            load("storm", list(changes.items())), tmp_path_factory.mktemp("run")
        )
        simulation.make()
    assert not simulation.errors
    return simulation.out_dir / "journal", statuses


@pytest.fixture(scope="module")
def scored(run):
    """Events of intervals that ended, by market and beginning."""
    events = [record for record in read(run[0]) if isinstance(record, EventRecord)]
    return {
        (record.fields["market"], record.fields["since"]): record.fields
        for record in events
        if record.event == INTERVAL_SCORED
    }


def figures(fields):
    return {
        name.removeprefix("score_"): value
        for name, value in fields.items()
        if name.startswith("score_")
    }


def test_each_interval_ends_with_an_event(scored):
    at = {name: [since for market_of, since in scored if market_of == name]
          for name in ("pjm-2025-10", "elia-afrr", "ercot-gredp")}  # fmt: skip
    begins = [utc_text(at_s) for at_s in (UTC_S + 900.0, BEGIN_S, MIDDLE_S)]
    assert at["pjm-2025-10"] == at["ercot-gredp"] == begins
    assert at["elia-afrr"] == [utc_text(UTC_S + 900.0)]
    whole = {key: fields["whole"] for key, fields in scored.items()}
    assert not whole["pjm-2025-10", begins[0]]  # the daemon began in the middle of it
    assert whole["pjm-2025-10", begins[1]]
    assert whole["ercot-gredp", begins[2]]
    assert scored["pjm-2025-10", begins[1]]["scored_s"] == 300.0


@pytest.mark.parametrize("name", ["pjm-2025-10", "ercot-gredp"])
@pytest.mark.parametrize(("begin_s", "end_s"), [(BEGIN_S, MIDDLE_S), (MIDDLE_S, QUARTER_S)])
def test_the_score_is_what_the_journal_gives_for_the_interval(run, scored, name, begin_s, end_s):
    rules = market(name)
    given = read_journal(run[0], rules.form, utc_text(begin_s), utc_text(end_s))
    told = report(rules, given, []).scored.score
    found = figures(scored[name, utc_text(begin_s)])
    assert found == {key: pytest.approx(value) for key, value in told.items()}


def test_the_status_has_the_running_score_and_what_it_ends_with(run):
    statuses = [status for status in run[1] if status is not None]
    assert len(statuses) >= 15
    for status in statuses[1:]:
        products = {row.market: row for row in status.products}
        assert list(products) == ["pjm-2025-10", "elia-afrr", "ercot-gredp"]
        row = products["pjm-2025-10"]
        assert row.error == ""
        score = {figure.name: figure for figure in row.figures}["score"]
        assert 0.5 < score.so_far <= 1.0
        assert 0.0 <= score.ends_with <= 1.0
        assert to_json(from_json(to_json(status))) == to_json(status)
    pjm = json.loads(to_json(statuses[-1]))["products"][0]
    assert set(pjm) == {"market", "since", "until", "scored_s", "figures", "error"}
    assert "scores    pjm-2025-10: " in render(statuses[-1])


def test_near_its_end_an_interval_ends_with_what_it_has(run, scored):
    """The score of the interval before is the one that its event has."""
    last = next(status for status in run[1] if status.utc > utc_text(MIDDLE_S))
    row = next(row for row in last.products if row.market == "pjm-2025-10")
    ended = figures(scored["pjm-2025-10", utc_text(BEGIN_S)])
    assert {figure.name: figure.last for figure in row.figures} == pytest.approx(ended)
