"""The door of the core: arrays of the right type, layout and length, or nothing is computed.

Compiled code reads memory as it was told to: with an array of another type or length it would read
what is not there. Inside the core this is sure by construction, and the kernels are called without
another look at it (`jit.entry`); what comes from outside is looked at here, once a tick. The types
are those of the signatures: an array of another type, or one that is not in C order, is refused
with TypeError before the kernel begins.
"""

from vppd.kernels.jit import F8, I8, IN, IN_I8, IN_U1, U1, b1, i8, kernel


@kernel(b1(i8, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN_U1, IN_U1, IN_U1, IN_U1, IN_U1))
def image_fits(
    n: int, basepoint_mw: F8, p_meas_mw: F8, measured_at_s: F8, soc_pu: F8, p_avail_min_mw: F8,
    p_avail_max_mw: F8, accepted_mw: F8, accepted_at_s: F8, operator_mw: F8, energy_mwh: F8,
    energy_at_s: F8, quality: U1, write_result: U1, remote: U1, connected: U1, locked: U1,
) -> bool:  # fmt: skip
    """Whether all arrays of an image are those of n units."""
    return (
        n == basepoint_mw.size == p_meas_mw.size == measured_at_s.size == soc_pu.size
        and n == p_avail_min_mw.size == p_avail_max_mw.size == accepted_mw.size
        and n == accepted_at_s.size == operator_mw.size == quality.size == write_result.size
        and n == remote.size == connected.size == locked.size
        and n == energy_mwh.size == energy_at_s.size
    )


@kernel(
    b1(i8, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN, IN_U1, IN_U1, IN_U1, IN, IN, IN)
)  # fmt: skip
def state_fits(
    n: int, p_setpoint_mw: F8, p_model_mw: F8, p_offset_mw: F8, p_seen_s: F8, told_mw: F8,
    side_since_s: F8, switches_left: F8, recovery_mw: F8, doubt: F8, benched_s: F8,
    bench_wait_s: F8, out_reason: U1, sent: U1, side: U1,
    past_mw: F8, when_s: F8, ahead_price: F8,  # noqa: ARG001  (lengths of their own)
) -> bool:  # fmt: skip
    """Whether all arrays of a state are those of n units; of the last three the type counts."""
    return (
        n == p_setpoint_mw.size == p_model_mw.size == p_offset_mw.size == p_seen_s.size
        and n == told_mw.size == side_since_s.size == switches_left.size == recovery_mw.size
        and n == doubt.size == benched_s.size == bench_wait_s.size
        and n == out_reason.size == sent.size == side.size
    )


@kernel(b1(i8, IN))
def fits(n: int, values: F8) -> bool:
    """Whether that is one number for each of n units."""
    return values.size == n


@kernel(b1(i8, IN_I8, IN_I8, IN, IN))
def tree_fits(n: int, unit_group: I8, parent: I8, lower_mw: F8, upper_mw: F8) -> bool:
    """Whether n units stand in groups that there are, and each group below its parent."""
    groups = parent.size
    if unit_group.size != n or lower_mw.size != groups or upper_mw.size != groups:
        return False
    strays = 0
    for i in range(n):
        strays += 1 if unit_group[i] < -1 or unit_group[i] >= groups else 0
    for g in range(groups):
        strays += 1 if parent[g] < -1 or parent[g] >= g else 0
    return strays == 0
