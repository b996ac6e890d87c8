"""Attribution of whole runs in virtual time: it sums up, and finds what was planted.

A planted cause is to blame for at least 90 % of what it cost: the loss of the run with it, less
that of the same run without.
"""

from dataclasses import dataclass, replace

import pytest
from small_bench import FAR_FROM_LIMITS

from hil import fleet
from hil.scenario import load
from hil.sim.run import Simulation
from vppd.market.blame import SUM_TOLERANCE
from vppd.market.causes import Cause
from vppd.runtime.attribute import attributed

QUIET = {"random_faults": "[]", "faults": "none", "duration_s": "150"}
FOUND_LEAST = 0.9
OTHERS_MOST = 0.1  # of it goes to units that did nothing wrong
BATTERY = "bat001"
STEP = "{kind: steps, interval_s: 2.0, steps: [[0, 0.0], [60, 0.7]]}"
CUT = "[{kind: link_cut, at_s: 40, duration_s: 90, units: [bat001], how: silent}]"
SLOW_LAG_S = 15.0  # its model says 0.3 s


@dataclass(frozen=True)
class Planted:
    """A cause, the run that it is planted in, and who is to be blamed for what."""

    with_it: dict[str, str]
    without: dict[str, str]
    units: tuple[str, ...]
    causes: tuple[Cause, ...]
    lag_s: float | None = None  # of `BATTERY`, as simulated


PLANTED = {
    "slow unit": Planted(
        {}, {}, (BATTERY,), (Cause.UNEXPLAINED, Cause.LATE, Cause.DOUBTED), lag_s=SLOW_LAG_S
    ),
    "ignored setpoints": Planted(
        {"events": "[{kind: device_ignore_writes, at_s: 40, duration_s: 90, units: [bat001]}]"},
        {}, (BATTERY,), (Cause.UNEXPLAINED, Cause.DOUBTED),
    ),
    "cut link": Planted({"events": CUT}, {}, (BATTERY,), (Cause.UNREACHABLE,)),
    "empty batteries": Planted(
        {"fleet.kinds.battery.soc_start_pu": "[0.102, 0.102]", "signal": STEP},
        {"signal": STEP}, ("bat001", "bat002", "bat003"), (Cause.SATURATED,),
    ),
}  # fmt: skip


def blame_of(out, scenario=FAR_FROM_LIMITS, **changes):
    """Make a run, and attribute the loss of its journal."""
    simulation = Simulation(load(scenario, list(changes.items())), out)
    simulation.make()
    return attributed(simulation.out_dir / "journal", None, None).blame


def given_to(blame, units, causes):
    rows = [blame.ids.index(unit) for unit in units]
    return float(blame.part_mws[rows][:, list(causes)].sum())


def make_slow(monkeypatch, lag_s):
    """Let a battery answer with another lag than its configuration says."""
    drawn = fleet.draw

    def draw(*arguments):
        made = drawn(*arguments)
        units = (replace(u, lag_true_s=lag_s) if u.id == BATTERY else u for u in made.units)
        return replace(made, units=tuple(units))

    monkeypatch.setattr(fleet, "draw", draw)


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_planted_cause_is_blamed_with_what_it_cost(tmp_path, monkeypatch, planted):
    without = blame_of(tmp_path / "without", **QUIET | planted.without)
    if planted.lag_s is not None:
        make_slow(monkeypatch, planted.lag_s)
    blame = blame_of(tmp_path / "with", **QUIET | planted.with_it)
    cost_mws = blame.loss_mws - without.loss_mws
    others = tuple(unit for unit in blame.ids if unit not in planted.units)
    found_mws, others_mws = (
        given_to(blame, units, planted.causes) - given_to(without, units, planted.causes)
        for units in (planted.units, others)
    )
    print(f"cost {cost_mws:.1f} MW.s of {blame.loss_mws:.1f}, found {found_mws:.1f},"
          f" others {others_mws:.1f}")  # fmt: skip
    assert cost_mws > 0.2 * blame.loss_mws  # else nothing was planted
    assert found_mws >= FOUND_LEAST * cost_mws
    assert others_mws <= OTHERS_MOST * cost_mws


@pytest.mark.parametrize(
    ("seed", "policy"),
    [(1, "response_aware"), (117, "response_aware"), (5, "exact"), (6, "pro_rata"),
     (7, "merit_order")],
)  # fmt: skip
def test_every_run_of_a_campaign_sums_up(tmp_path, seed, policy):
    changes = {"seed": str(seed), "duration_s": "90", "allocation.policy": policy}
    blame = blame_of(tmp_path, **changes)
    assert blame.loss_mws > 1.0
    assert blame.known_s > 30.0
    assert abs(float(blame.part_mws.sum()) - blame.loss_mws) <= SUM_TOLERANCE
    assert blame.rounding_mw <= 1e-9
    assert blame.holds
    # What belongs to no unit is no hiding place: the signal, orders, and limits of the whole plant.
    assert abs(blame.part_mws[-1, Cause.UNEXPLAINED]) <= SUM_TOLERANCE
