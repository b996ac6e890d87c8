"""Nested groups: the nearest point of a fleet whose groups have limits of their own.

    minimise    sum_i (out_i - centre_i)**2 / (2 * weight_i)
    subject to  lower_i <= out_i <= upper_i,    low_g <= sum of the units of g <= high_g

Groups form a tree (site, feeder, transformer); the units of a group are its own and those of its
children. The optimum is `out_i = clip(centre_i + weight_i * nu, lower_i, upper_i)`, where nu is
the multiplier of the unit's lowest group: that of the parent, and 0 at the top, unless a limit
holds the group; then it is the one that makes the sum that limit.

The response of a group to a multiplier from above is the clipped sum of its units' and its
children's responses, monotone and piecewise linear; `_respond` takes those of all groups in one
pass, children before parents. From the top down, one level at a time and all its groups at once,
those whose sum would leave their limits get a multiplier of their own by Newton's method within
a bracket. So the work is a few passes for each level that is at a limit.

Units beat groups: limits of a group that its units cannot reach are first moved to the nearest
sum that they can (`prepare_groups`), and by how much is an output.

References
----------
T. Vidal, D. Gribel and P. Jaillet, "Separable convex optimization with nested lower and upper
constraints", INFORMS J. Optimization 1(1), 2019.
"""

import numpy as np

from vppd.kernels.jit import F8, I8, IN, IN_I8, OUT, OUT_2D, b1, f8, i8, kernel, several
from vppd.kernels.status import BAD_INPUT, OK

MAGNITUDE_MAX = 1e60
WEIGHT_MIN = 1e-60
EPS = 2.0**-52
ROUNDS_MAX = 400
UNMET = 1e-12  # part of a group's size: less is rounding

# Rows of `room`, one number for each group.
LOW = 0  # limits that the units can reach, MW
HIGH = 1
DEPTH = 2
SIZE = 3  # what rounding is relative to, MW
NU = 4  # the multiplier of its units
OWN = 5  # by how much it differs from the parent's
SIDE = 6  # 1: held at HIGH, -1: at LOW, 0: free
OPEN = 7  # whether the multiplier is still sought
SUM = 8  # the sum of its units and children, MW, and its slope
SLOPE = 9
BELOW = 10  # bracket of the multiplier, and its width four rounds ago
ABOVE = 11
WIDTH = 12
FIRST = 13  # first and last breakpoint of its units
LAST = 14
ROOM_ROWS = 15


@kernel()
def _clip(y: float, lower: float, upper: float) -> float:
    x = y if y > lower else lower
    return x if x < upper else upper


@kernel(b1(IN_I8, IN_I8, IN, IN, IN, IN, OUT_2D))
def prepare_groups(
    unit_group: I8, parent: I8, low_mw: F8, high_mw: F8, lower_mw: F8, upper_mw: F8, room: F8
) -> bool:
    """Set `room` for these limits; False if there is a number that cannot be used."""
    groups = parent.shape[0]
    for g in range(groups):
        above = parent[g]
        if not (above >= -1 and above < g and low_mw[g] <= high_mw[g]):
            return False
        if not (low_mw[g] < np.inf and high_mw[g] > -np.inf):
            return False
        room[DEPTH, g] = room[DEPTH, above] + 1.0 if above >= 0 else 0.0
        room[LOW, g] = room[HIGH, g] = room[SIZE, g] = 0.0
        room[NU, g] = room[SIDE, g] = 0.0
        if not abs(room[OWN, g]) < np.inf:
            room[OWN, g] = 0.0
    for i in range(unit_group.shape[0]):
        g = unit_group[i]
        if not (g >= -1 and g < groups):
            return False
        if g >= 0:
            room[LOW, g] += lower_mw[i]
            room[HIGH, g] += upper_mw[i]
            room[SIZE, g] += max(abs(lower_mw[i]), abs(upper_mw[i]))
    for back in range(groups):
        g = groups - 1 - back
        low, high = room[LOW, g], room[HIGH, g]
        room[LOW, g] = _clip(low_mw[g], low, high)
        room[HIGH, g] = _clip(high_mw[g], low, high)
        if parent[g] >= 0:
            room[LOW, parent[g]] += room[LOW, g]
            room[HIGH, parent[g]] += room[HIGH, g]
            room[SIZE, parent[g]] += room[SIZE, g]
    return True


@kernel()
def _respond(
    level: float, unit_group: I8, parent: I8, centre_mw: F8, weight: F8, lower_mw: F8,
    upper_mw: F8, room: F8,
) -> None:  # fmt: skip
    """Sums and slopes of the groups from `level` down, at their multipliers."""
    groups = parent.shape[0]
    for g in range(groups):
        room[SUM, g] = room[SLOPE, g] = 0.0
    last = -1
    total = slope = nu = 0.0
    for i in range(unit_group.shape[0]):
        g = unit_group[i]
        if g < 0 or room[DEPTH, g] < level:
            continue
        if g != last:  # units of one group mostly stand together
            if last >= 0:
                room[SUM, last] = total
                room[SLOPE, last] = slope
            total, slope, nu = room[SUM, g], room[SLOPE, g], room[NU, g]
            last = g
        y = centre_mw[i] + weight[i] * nu
        x = _clip(y, lower_mw[i], upper_mw[i])
        total += x
        slope += weight[i] if x == y else 0.0
    if last >= 0:
        room[SUM, last] = total
        room[SLOPE, last] = slope
    for back in range(groups):
        g = groups - 1 - back
        if room[DEPTH, g] > level:
            total = room[SUM, g]
            room[SUM, parent[g]] += _clip(total, room[LOW, g], room[HIGH, g])
            if room[LOW, g] <= total and total <= room[HIGH, g]:
                room[SLOPE, parent[g]] += room[SLOPE, g]


@kernel()
def _find_ends(
    unit_group: I8, parent: I8, centre_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, room: F8
) -> None:
    """First and last breakpoint of each group: beyond them its units are all at a limit."""
    groups = parent.shape[0]
    for g in range(groups):
        room[FIRST, g] = np.inf
        room[LAST, g] = -np.inf
    for i in range(unit_group.shape[0]):
        g = unit_group[i]
        if g >= 0:
            room[FIRST, g] = min(room[FIRST, g], (lower_mw[i] - centre_mw[i]) / weight[i])
            room[LAST, g] = max(room[LAST, g], (upper_mw[i] - centre_mw[i]) / weight[i])
    for back in range(groups):
        g = groups - 1 - back
        if parent[g] >= 0:
            room[FIRST, parent[g]] = min(room[FIRST, parent[g]], room[FIRST, g])
            room[LAST, parent[g]] = max(room[LAST, parent[g]], room[LAST, g])


@kernel()
def _inherit(level: float, own: bool, parent: I8, room: F8) -> None:
    """Give the groups below `level` their parent's multiplier; those of it too if not `own`."""
    for g in range(parent.shape[0]):
        if room[DEPTH, g] > level or (room[DEPTH, g] == level and not own):
            room[NU, g] = room[NU, parent[g]] if parent[g] >= 0 else 0.0


@kernel()
def _open(level: float, room: F8) -> int:
    """Find the groups of `level` that are held at a limit, and begin their search; how many."""
    count = 0
    for g in range(room.shape[1]):
        if room[DEPTH, g] != level:
            continue
        nu, total = room[NU, g], room[SUM, g]
        side = 1.0 if total > room[HIGH, g] else (-1.0 if total < room[LOW, g] else 0.0)
        room[SIDE, g] = side
        room[OPEN, g] = 1.0 if side != 0.0 else 0.0
        if side == 0.0:
            room[OWN, g] = 0.0
            continue
        count += 1
        room[BELOW, g] = nu if side < 0.0 else -np.inf
        room[ABOVE, g] = nu if side > 0.0 else np.inf
        room[WIDTH, g] = np.inf
        if room[OWN, g] * side < 0.0:  # as far as last time
            room[NU, g] = nu + room[OWN, g]
        else:
            target = room[HIGH, g] if side > 0.0 else room[LOW, g]
            room[NU, g] = _next(g, target - total, 0, room)
    return count


@kernel()
def _next(g: int, gap: float, rounds: int, room: F8) -> float:
    """The next multiplier of a group: Newton's, or one that halves the bracket."""
    nu, slope, low, high = room[NU, g], room[SLOPE, g], room[BELOW, g], room[ABOVE, g]
    after: float = nu + gap / slope if slope > 0.0 else nu
    newton = low < after and after < high
    if rounds % 4 == 3:
        newton = newton and high - low <= 0.5 * room[WIDTH, g] and high - low < np.inf
        room[WIDTH, g] = high - low
    if newton:
        return after
    if low == -np.inf:
        after = room[FIRST, g]
    elif high == np.inf:
        after = room[LAST, g]
    else:
        after = low + 0.5 * (high - low)
    return after


@kernel()
def _narrow(level: float, rounds: int, room: F8) -> int:
    """Take a round of the search for each open group of `level`; how many remain open."""
    count = 0
    for g in range(room.shape[1]):
        if room[DEPTH, g] != level or room[OPEN, g] == 0.0:
            continue
        nu = room[NU, g]
        target = room[HIGH, g] if room[SIDE, g] > 0.0 else room[LOW, g]
        gap = target - room[SUM, g]
        room[OPEN, g] = 0.0
        if abs(gap) <= EPS * (4.0 * room[SIZE, g] + 2.0 * abs(nu) * room[SLOPE, g]):
            continue
        if gap > 0.0:
            room[BELOW, g] = nu
        else:
            room[ABOVE, g] = nu
        after = _next(g, gap, rounds, room)
        if room[BELOW, g] < after and after < room[ABOVE, g]:
            room[NU, g] = after
            room[OPEN, g] = 1.0
            count += 1
    return count


@kernel()
def _find_multipliers(
    unit_group: I8, parent: I8, centre_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, room: F8
) -> int:
    """Set NU, OWN and SIDE of each group; how many passes over the fleet it took."""
    deepest = 0.0
    for g in range(parent.shape[0]):
        deepest = max(deepest, room[DEPTH, g])
    passes = 0
    ends = False
    level = 0.0
    while level <= deepest:
        _inherit(level, False, parent, room)
        _respond(level, unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room)
        passes += 1
        if not ends and _leaves(level, room):
            _find_ends(unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room)
            ends = True
        left = _open(level, room)
        rounds = 0
        while left > 0 and rounds < ROUNDS_MAX:
            _inherit(level, True, parent, room)
            _respond(level, unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room)
            passes += 1
            left = _narrow(level, rounds, room)
            rounds += 1
        for g in range(parent.shape[0]):
            if room[DEPTH, g] == level:
                above = room[NU, parent[g]] if parent[g] >= 0 else 0.0
                room[OWN, g] = room[NU, g] - above
        level += 1.0
    return passes


@kernel()
def _leaves(level: float, room: F8) -> bool:
    """Whether the sum of any group of `level` leaves its limits."""
    for g in range(room.shape[1]):
        off = room[SUM, g] > room[HIGH, g] or room[SUM, g] < room[LOW, g]
        if room[DEPTH, g] == level and off:
            return True
    return False


@kernel()
def _add_up(unit_group: I8, parent: I8, out_mw: F8, room: F8) -> None:
    """Sums of the groups as they are, MW."""
    groups = parent.shape[0]
    for g in range(groups):
        room[SUM, g] = 0.0
    for i in range(unit_group.shape[0]):
        if unit_group[i] >= 0:
            room[SUM, unit_group[i]] += out_mw[i]
    for back in range(groups):
        g = groups - 1 - back
        if parent[g] >= 0:
            room[SUM, parent[g]] += room[SUM, g]


@kernel(i8(IN_I8, IN_I8, IN, IN, IN, IN, OUT_2D, OUT))
def answer_groups(
    unit_group: I8, parent: I8, centre_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, room: F8,
    out_mw: F8,
) -> int:  # fmt: skip
    """Find the multipliers and write the answer; how often the fleet was read."""
    passes = _find_multipliers(unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room)
    for i in range(unit_group.shape[0]):
        g = unit_group[i]
        nu = room[NU, g] if g >= 0 else 0.0
        out_mw[i] = _clip(centre_mw[i] + weight[i] * nu, lower_mw[i], upper_mw[i])
    return passes


@kernel(f8(IN_I8, IN_I8, IN, IN, IN, OUT_2D, OUT, OUT))
def conclude_groups(
    unit_group: I8, parent: I8, low_mw: F8, high_mw: F8, out_mw: F8, room: F8, group_price: F8,
    group_missed_mw: F8,
) -> float:  # fmt: skip
    """Write prices and misses of the groups; by how much a limit is violated at most, MW."""
    _add_up(unit_group, parent, out_mw, room)
    worst = 0.0
    for g in range(parent.shape[0]):
        group_price[g] = room[OWN, g]
        total, low, high = room[SUM, g], room[LOW, g], room[HIGH, g]
        worst = max(worst, low - total, total - high)
        if room[SIDE, g] != 0.0:
            worst = max(worst, abs(total - (high if room[SIDE, g] > 0.0 else low)))
        missed_mw = 0.0
        if low_mw[g] > high:
            missed_mw = low_mw[g] - high
        elif high_mw[g] < low:
            missed_mw = high_mw[g] - low
        group_missed_mw[g] = missed_mw if abs(missed_mw) > UNMET * room[SIZE, g] else 0.0
    return worst


@kernel(several(i8, i8, f8)(IN, IN, IN, IN, IN_I8, IN_I8, IN, IN, OUT, OUT, OUT, OUT_2D))
def project_tree(
    centre_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, unit_group: I8, parent: I8,
    group_low_mw: F8, group_high_mw: F8, out_mw: F8, group_price: F8, group_missed_mw: F8,
    room: F8,
) -> tuple[int, int, float]:  # fmt: skip
    """Move a fleet into the limits of its units and groups, as little as its weights allow.

    Parameters
    ----------
    centre_mw, weight, lower_mw, upper_mw : shape (n,)
        Where the units would be (MW), 1 / cost of leaving it (> 0), and their limits (MW).
    unit_group, parent : int64, shapes (n,) and (G,)
        Lowest group of each unit, parent of each group, -1 where there is none; parent[g] < g.
    group_low_mw, group_high_mw : shape (G,)
        Limits of the sum of each group; infinite where there is none.
    out_mw : shape (n,), written
        Where the units are, MW.
    group_price, group_missed_mw : shape (G,), written
        Multiplier of each group's limit, minus its parent's; and limit minus sum where the
        units cannot reach it (MW, else 0): they are as near as they can.
    room : shape (ROOM_ROWS, G)
        For the work. The multipliers in it are the first guess: set it to 0 at first.

    Returns
    -------
    status : int
        OK, or BAD_INPUT with all outputs untouched: NaN or magnitude above MAGNITUDE_MAX, lower
        above upper, a weight outside [WEIGHT_MIN, MAGNITUDE_MAX], shapes or groups that do not
        fit.
    passes : int
        How often the fleet was read for sums of groups.
    worst_mw : float
        By how much the limit of a group is violated at most; NaN with BAD_INPUT.
    """
    n, groups = centre_mw.shape[0], parent.shape[0]
    fits = weight.shape[0] == n and lower_mw.shape[0] == n and upper_mw.shape[0] == n
    fits = fits and out_mw.shape[0] == n and unit_group.shape[0] == n
    fits = fits and group_low_mw.shape[0] == groups and group_high_mw.shape[0] == groups
    fits = fits and group_price.shape[0] == groups and group_missed_mw.shape[0] == groups
    if not (fits and room.shape[0] >= ROOM_ROWS and room.shape[1] == groups):
        return BAD_INPUT, 0, np.nan
    for i in range(n):
        good = (
            abs(centre_mw[i]) <= MAGNITUDE_MAX
            and weight[i] >= WEIGHT_MIN
            and weight[i] <= MAGNITUDE_MAX
            and lower_mw[i] >= -MAGNITUDE_MAX
            and lower_mw[i] <= upper_mw[i]
            and upper_mw[i] <= MAGNITUDE_MAX
        )
        if not good:
            return BAD_INPUT, 0, np.nan
    if not prepare_groups(
        unit_group, parent, group_low_mw, group_high_mw, lower_mw, upper_mw, room
    ):
        return BAD_INPUT, 0, np.nan
    passes = answer_groups(unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room, out_mw)
    worst_mw = conclude_groups(
        unit_group, parent, group_low_mw, group_high_mw, out_mw, room, group_price,
        group_missed_mw,
    )  # fmt: skip
    return OK, passes, worst_mw
