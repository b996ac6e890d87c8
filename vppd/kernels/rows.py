"""Rows of the blocks that the phases of a tick take: arrays that go together, as one argument.

To hand an array to a kernel takes as long as ten units, and a tick would hand over some three
hundred. So what the parameters say of units is one block, and what a phase writes another; kernels
that do one thing still take arrays by their names, and a phase gives them its rows.
"""

# Of `Params`, float64: fields by name, in the order of the rows.
UNIT_FIELDS = (
    "p_min_mw", "p_max_mw", "ramp_up_mw_per_s", "ramp_down_mw_per_s", "energy_mwh", "soc_min_pu",
    "soc_max_pu", "efficiency_charge_pu", "efficiency_discharge_pu", "telemetry_age_max_s",
    "watchdog_s", "fallback_mw", "safe_mw", "dead_time_s", "lag_s", "participation", "cost",
    "firm_pu",
)  # fmt: skip
(
    P_MIN, P_MAX, RAMP_UP, RAMP_DOWN, ENERGY, SOC_MIN, SOC_MAX, CHARGE, DISCHARGE, AGE_MAX,
    WATCHDOG, FALLBACK, SAFE, DEAD, LAG, PARTICIPATION, COST, FIRM,
) = range(len(UNIT_FIELDS))  # fmt: skip

# Of what units can do (`able`), float64: setpoint in force, the box, the box without its ramp,
# trust (see `trust.judge`), and what each unit outside the split is told.
(
    LAST, LOWER, UPPER, RANGE_LOWER, RANGE_UPPER, DOUBT, BENCHED_S, BENCH_WAIT_S, PIN, ABLE_ROWS,
) = range(10)  # fmt: skip

# The same, uint8: Reason out of the split, whether a setpoint can be sent, Reason of each limit,
# and who accepts none though it is read.
OUT, TAKES, LOWER_WHY, UPPER_WHY, ADRIFT, FLAG_ROWS = range(6)

# Of what is foreseen (`foresight`), float64: see `core.response.Foresight`.
(
    STANDS, TARGET, BASE, LASTS_LOWER, LASTS_UPPER, RECOVERY, MODEL, OFFSET, OUTPUT, SEEN, OFF,
    WEIGHT, FORESEEN_ROWS,
) = range(13)  # fmt: skip
