"""Runs inside .venv-bench: times `BatteryDistributionAlgorithm`. JSON in and out, a line each.

In:  {"calls": [{"request_mw": .., "rated_mw": [..], "soc_pct": [..], "energy_mwh": [..]}, ..],
      "budget_s": .., "at_least": .., "at_most": ..}
Out: {"times_ns": [..], "sum_error_mw": .., "version": ..} or {"error": ".."}

Their sign is the other way round (power into the battery is positive), and their unit is the
watt: both are turned here. The objects of the fleet are built before the clock starts.
"""

import importlib.metadata
import json
import logging
import sys
import time
from datetime import UTC, datetime

from frequenz.client.common.microgrid.components import ComponentId
from frequenz.quantities import Power
from frequenz.sdk.microgrid._old_component_data import BatteryData, InverterData
from frequenz.sdk.microgrid._power_distributing._distribution_algorithm import (
    AggregatedBatteryData,
    BatteryDistributionAlgorithm,
    InvBatPair,
)

WATTS = 1e6


def pair(index, rated_mw, soc_pct, energy_mwh):
    """One battery behind one inverter."""
    now, limit_w = datetime.now(UTC), rated_mw * WATTS
    battery = BatteryData(
        component_id=ComponentId(2 * index), timestamp=now,
        soc=soc_pct, soc_lower_bound=10.0, soc_upper_bound=90.0, capacity=energy_mwh * WATTS,
        power_inclusion_lower_bound=-limit_w, power_inclusion_upper_bound=limit_w,
    )  # fmt: skip
    inverter = InverterData(
        component_id=ComponentId(2 * index + 1), timestamp=now,
        active_power_inclusion_lower_bound=-limit_w, active_power_inclusion_upper_bound=limit_w,
    )  # fmt: skip
    return InvBatPair(AggregatedBatteryData([battery]), [inverter])


def build(call):
    """The components and the power of one call."""
    rows = zip(call["rated_mw"], call["soc_pct"], call["energy_mwh"], strict=True)
    components = [pair(i, *numbers) for i, numbers in enumerate(rows)]
    return Power.from_watts(-call["request_mw"] * WATTS), components


def run(order):
    """Time the calls in turn."""
    algorithm = BatteryDistributionAlgorithm()
    calls = [build(call) for call in order["calls"]]
    times_ns, worst_w = [], 0.0
    end_s = time.monotonic() + order["budget_s"]
    while len(times_ns) < order["at_most"] and (
        len(times_ns) < order["at_least"] or time.monotonic() < end_s
    ):
        power, components = calls[len(times_ns) % len(calls)]
        start_ns = time.perf_counter_ns()
        result = algorithm.distribute_power(power, components)
        times_ns.append(time.perf_counter_ns() - start_ns)
        served_w = sum(p.as_watts() for p in result.distribution.values())
        missing_w = power.as_watts() - result.remaining_power.as_watts() - served_w
        worst_w = max(worst_w, abs(missing_w))
    return {
        "times_ns": times_ns,
        "sum_error_mw": worst_w / WATTS,
        "version": importlib.metadata.version("frequenz-sdk"),
    }


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
