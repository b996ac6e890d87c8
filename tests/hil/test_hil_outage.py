"""What units that trip together cost, from a recording made by hand."""

import pytest
from hand_made import T0_S, Run

from hil import result
from hil.page import tile_html
from hil.recovery_card import recovery_card
from hil.scenario import Limit, load, shortfall
from hil.tiles import tiles

AT_S, BACK_S = 120.0, 280.0
COST = "recovery.outage.0.cost_pct"


class Short(Run):
    """Exact to the end of an outage, by 2 MW short for 60 s, then by 0.5 MW."""

    def power(self, u: int, t_s: float) -> float:
        t = t_s - T0_S
        # the last exact row stands at the trip: from there it is a straight line to the next
        short_mw = 0.0 if t < AT_S + 1e-6 else 2.0 if t < AT_S + 60.0 else 0.5
        return super().power(u, t_s) - (short_mw if u == 0 else 0.0)


def tripped(*units: int) -> Short:
    run = Short(duration_s=300.0, agc_pu=lambda _: 0.3)
    run.events = [(T0_S + AT_S, u, "device_trip", "") for u in units]
    run.events += [(T0_S + BACK_S, u, "device_trip_back", "") for u in units]
    return run


def figures(run: Run, folder):
    return result.compute(folder, run.write(folder))


def test_the_cost_is_what_is_lost_once_the_others_have_taken_over(tmp_path):
    found = figures(tripped(0, 2), tmp_path)
    (outage,) = found["recovery"]["outage"]
    assert (outage["at_s"], outage["duration_s"]) == (AT_S, BACK_S - AT_S)
    assert (outage["units"], outage["share_pct"], outage["rated_mw"]) == (2, 50.0, 11.0)
    assert outage["accuracy_before_pct"] == pytest.approx(100.0, abs=1e-6)
    assert outage["accuracy_after_pct"] == pytest.approx(95.0, abs=0.1)
    assert outage["cost_pct"] == pytest.approx(5.0, abs=0.1)
    assert "is over its limit 0.3 by 4.7" in shortfall(found, COST, Limit(maximum=0.3))


def test_one_unit_alone_is_no_outage(tmp_path):
    assert figures(tripped(2), tmp_path)["recovery"]["outage"] == []


def test_an_outage_with_nothing_after_it_has_no_cost(tmp_path):
    run = tripped(0, 2)
    run.events = [event for event in run.events if event[2] == "device_trip"]
    run.events = [(T0_S + 250.0, *event[1:]) for event in run.events]
    found = figures(run, tmp_path)
    assert found["recovery"]["outage"][0]["cost_pct"] is None
    assert "not a second measured" in shortfall(found, COST, Limit(maximum=0.3))


def test_page_and_scorecard_tell_it(tmp_path):
    found = figures(tripped(0, 2), tmp_path)
    limits = {COST: Limit(maximum=0.3)}
    (tile,) = [tile for tile in tiles(found, limits) if tile.label == "Cost of the outage"]
    assert (tile.good, tile.limit) == (False, "≤ 0.3")
    assert "2 units tripped: accuracy 100.00" in tile_html(tile)
    page = recovery_card(found["recovery"])
    assert "2 units of 11.0 MW tripped at 120.0 s" in page
    assert "50.0 %" in page


def test_the_shipped_scenario_compares_the_same_signal():
    made = load("outage")
    (event,) = made.events
    assert made.signal.repeat_s == event.at_s == made.duration_s - event.at_s == event.duration_s
    assert COST in made.acceptance
