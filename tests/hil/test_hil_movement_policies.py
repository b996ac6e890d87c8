"""How often machines start and stop: the response-aware policy beside the merit order."""

import pytest

from hil import result
from hil.measure.journal import Replay
from hil.scenario import load
from hil.sim.run import Simulation

REPLAYED = Replay(1, 1, 0, bit_exact=True, chain_ok=True)
POLICIES = ("response_aware", "merit_order")
MACHINES = ("hvac", "industrial")
AS_SHIPPED = {"duration_s": "180"}
MACHINES_FIRST = {  # in the merit order: it then answers the signal with them
    "duration_s": "180",
    "regulation_mw": "10",
    "fleet.kinds.hvac.cost": "1",
    "fleet.kinds.industrial.cost": "2",
    "fleet.kinds.battery.cost": "3000",
    "fleet.kinds.ev_hub.cost": "1000",
    "fleet.kinds.pv.cost": "1000",
}


def moved(out, policy, changes):
    """Section `movement` of `small-signal` by a policy."""
    made = load("small-signal", [*changes.items(), ("allocation.policy", policy)])
    simulation = Simulation(made, out / policy)
    simulation.make()
    found = result.figures(simulation.out_dir, ticks=simulation.ticks, replay=lambda _: REPLAYED)
    return found.result["movement"]


@pytest.mark.parametrize(
    ("changes", "compared_min"),
    [
        (AS_SHIPPED, 0),  # batteries are the cheapest: at ±20 kW no policy needs another unit
        (MACHINES_FIRST, 10),  # fewer, and a tenth of them would be none at all
    ],
    ids=("shipped", "machines-first"),
)
def test_machines_switch_a_tenth_as_often_as_by_merit_order(tmp_path, changes, compared_min):
    movements = {policy: moved(tmp_path, policy, changes) for policy in POLICIES}
    count = {
        policy: sum(found["by_kind"][kind]["switches"] for kind in MACHINES)
        for policy, found in movements.items()
    }
    for policy, found in movements.items():
        print(f"{policy}: {count[policy]} switches, mileage ratio {found['mileage_ratio']:.2f}")
    assert count["merit_order"] >= compared_min
    assert 10 * count["response_aware"] <= count["merit_order"]
    if changes is AS_SHIPPED:
        assert movements["response_aware"]["mileage_ratio"] <= 1.2
