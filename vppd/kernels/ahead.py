"""Split one request so that what is *delivered* is right at several points of time ahead.

    minimise    sum_k (wanted_k - sum_i gain_ki out_i)**2 / (2 * softness_k)
              + sum_i (out_i - target_i)**2 / (2 * weight_i)
    subject to  lower_i <= out_i <= upper_i

A point with softness 0 is hard: the request must be met there. The optimum is

    out_i = clip(target_i + weight_i * sum_k gain_ki price_k, lower_i, upper_i)

for the prices at which `softness_k price_k + sum_i gain_ki out_i = wanted_k` at every point, and
with the price of its groups added for a unit that stands in some (`tree`). `ahead_search` finds
the prices by Newton's method; here is what comes before and after.

The differences of the two sides, the *gaps*, are the gradient of a convex function of the prices
(the dual), and piecewise linear.

* A trial is accepted if the dual has fallen, else the step is shortened. Newton's method alone
  cycles when units saturate. The dual is convex, and its derivative along the step is
  gap . step: where that is still negative, the dual has fallen all the way. Else Armijo's rule
  decides, until the dual's last changes drown in rounding.
* Then comes Newton's step. Where the Jacobian is singular (a point has fewer free units than it
  needs) it is regularised, less with every round, until the units that can help have moved.
* Prices beyond all breakpoints with a gap that is still open: the hard points cannot all be met.
  They are made a little soft, so little that the units saturate, and less and less around the
  prices found so far, until the gaps no longer change. Those that can be met are met then, and
  the others are missed by the smallest sum of squares.

Without groups a round is one pass over the fleet, in blocks that stay in the first cache. With
groups each round projects the fleet on their limits, a few passes for each level that is held.

References
----------
L. Qi and J. Sun, "A nonsmooth version of Newton's method", Math. Programming 58, 1993.
A. Chiche and J. C. Gilbert, "How the augmented Lagrangian algorithm can deal with an infeasible
convex quadratic optimization problem", J. Convex Anal. 23, 2016.
"""

import math

import numpy as np

from vppd.kernels import ahead_groups, ahead_search, tree
from vppd.kernels.ahead_groups import PULL_ROWS
from vppd.kernels.jit import F8, I8, IN, IN_2D, OUT, OUT_2D, b1, entry, f8, i8, kernel, several
from vppd.kernels.status import BAD_INPUT, OK, UNSERVED_DOWN, UNSERVED_UP
from vppd.kernels.tree import OWN, ROOM_ROWS

MAGNITUDE_MAX = 1e60  # larger numbers are refused: nothing below can then overflow
WEIGHT_MIN = 1e-60
GAIN_MAX = 1e3
POINTS_MAX = 8
SERVED = 1e-9  # part of its size within which a hard point counts as met

# Unsigned, because Numba then leaves out the test for negative indices and LLVM can vectorise.
U8 = np.uint64
BLOCK = U8(64)
LANE = U8(16)

# Rows of `state` and columns of its row MORE, as in `ahead_search`, which tells of them. Typed
# again, because Numba's cache does not see a change in another file; a test compares them.
TRIAL = 2
GAP = 3
SIZE = 4
WHOLE = 14
MORE = 30
ANCHOR = 31
STATE_ROWS = 35
REACH = 3
STIFF = 4

STATE_SHAPE = (STATE_ROWS, POINTS_MAX)
STATE_SIZE = STATE_ROWS * POINTS_MAX
BLOCK_SIZE = 264
UNFINISHED = 100  # no status: the split goes on
START_MAX = 1e3  # prices beyond, in reaches, come from a request that was not met


@kernel()
def _dot(a: F8, first: np.uint64, end: np.uint64, b: F8) -> float:
    """Sum of a[first + j] * b[j]: four runs of a full block side by side, each in index order."""
    s0 = s1 = s2 = s3 = 0.0
    if end - first == BLOCK:
        for j in range(LANE):
            s0 += a[first + j] * b[j]
            s1 += a[first + j + LANE] * b[j + LANE]
            s2 += a[first + j + U8(2) * LANE] * b[j + U8(2) * LANE]
            s3 += a[first + j + U8(3) * LANE] * b[j + U8(3) * LANE]
    else:
        for j in range(end - first):
            s0 += a[first + j] * b[j]
    return (s0 + s1) + (s2 + s3)


@kernel()
def _count_faulty(
    first: np.uint64, end: np.uint64, gain: F8, target_mw: F8, weight: F8, lower_mw: F8,
    upper_mw: F8,
) -> int:  # fmt: skip
    """Count the numbers of a block that cannot be used. False for every NaN."""
    count = 0
    for i in range(first, end):
        good = (
            (abs(target_mw[i]) <= MAGNITUDE_MAX)
            & (weight[i] >= WEIGHT_MIN)
            & (weight[i] <= MAGNITUDE_MAX)
            & (lower_mw[i] >= -MAGNITUDE_MAX)
            & (lower_mw[i] <= upper_mw[i])
            & (upper_mw[i] <= MAGNITUDE_MAX)
        )
        count += 0 if good else 1
    for k in range(gain.shape[0]):
        row = gain[k]
        for i in range(first, end):
            count += 0 if abs(row[i]) <= GAIN_MAX else 1
    return count


@kernel()
def _survey(
    gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, state: F8, block: F8
) -> int:
    """Count what cannot be used; sizes of the points, Jacobian with every unit free, and reach."""
    n = U8(target_mw.shape[0])
    values, spare = block[0:64], block[128:192]
    faulty = 0
    reach = 0.0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        faulty += _count_faulty(first, end, gain, target_mw, weight, lower_mw, upper_mw)
        for j in range(end - first):
            i = first + j
            low, high = abs(lower_mw[i]), abs(upper_mw[i])
            values[j] = low if low > high else high
            spare[j] = (values[j] + abs(target_mw[i])) / weight[i]
        for j in range(end - first):
            reach = max(reach, spare[j])
        for k in range(gain.shape[0]):
            row = gain[k]
            for j in range(end - first):
                spare[j] = abs(row[first + j])
            state[SIZE, k] += _dot(spare, U8(0), end - first, values)
            for j in range(end - first):
                spare[j] = row[first + j] * weight[first + j]
            for m in range(k + 1):
                state[WHOLE + k, m] += _dot(gain[m], first, end, spare)
        first = end
    state[MORE, REACH] = reach
    return faulty


@kernel(b1(IN, IN, IN_2D, IN, IN, IN, IN, IN, OUT_2D, OUT))
def prepare(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    price_start: F8, state: F8, block: F8,
) -> bool:  # fmt: skip
    """Set `state` for the first trial; False if there is a number that cannot be used."""
    for r in range(STATE_ROWS):
        for k in range(POINTS_MAX):
            state[r, k] = 0.0
    for j in range(64):
        block[200 + j] = 1.0
    good = _survey(gain, target_mw, weight, lower_mw, upper_mw, state, block) == 0
    for k in range(wanted_mw.shape[0]):
        good &= abs(wanted_mw[k]) <= MAGNITUDE_MAX
        good &= softness[k] >= 0.0 and softness[k] <= MAGNITUDE_MAX
        state[SIZE, k] += abs(wanted_mw[k])
        if softness[k] > 0.0:
            # a soft point pulls too, and a hard one may have to pull harder at the same units
            state[MORE, REACH] += state[SIZE, k] / softness[k]
    for k in range(wanted_mw.shape[0]):
        start = price_start[k]
        state[TRIAL, k] = start if abs(start) <= START_MAX * state[MORE, REACH] else 0.0
    return good


@kernel(several(i8, f8)(IN, OUT_2D, f8, OUT, OUT))
def conclude(
    softness: F8, state: F8, moved_mw: float, price: F8, missed_mw: F8
) -> tuple[int, float]:
    """Write prices and what is missed; the status, and the largest violation (MW)."""
    code = OK
    kkt_mw = moved_mw
    most = 0.0
    for k in range(softness.shape[0]):
        price[k] = state[TRIAL, k]
        gap = state[GAP, k]
        if softness[k] == 0.0:
            gap -= state[MORE, STIFF] * (price[k] - state[ANCHOR, k])
        missed_mw[k] = softness[k] * price[k] - gap
        off = abs(gap)
        if softness[k] == 0.0 and not off <= SERVED * state[SIZE, k]:
            if off > most:
                most = off
                code = UNSERVED_DOWN if gap > 0.0 else UNSERVED_UP
        else:
            kkt_mw = max(kkt_mw, off)
    return code, kkt_mw


@kernel(
    several(i8, i8, f8)(IN, IN, IN_2D, IN, IN, IN, IN, IN, OUT, OUT, OUT, OUT_2D, OUT)
)  # fmt: skip
def split_plain(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    price_start: F8, out_mw: F8, price: F8, missed_mw: F8, state: F8, block: F8,
) -> tuple[int, int, float]:  # fmt: skip
    """Split over a fleet without groups; UNFINISHED where rounding is still to be put on units."""
    if not prepare(
        wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, price_start, state, block
    ):
        return BAD_INPUT, 0, np.nan
    rounds = ahead_search.search_prices(
        wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, out_mw, state, block
    )
    if ahead_search.correct(softness, state):
        return UNFINISHED, rounds, np.nan
    code, kkt_mw = conclude(softness, state, 0.0, price, missed_mw)
    return code, rounds, kkt_mw


_prepare, _conclude, _split_plain = entry(prepare), entry(conclude), entry(split_plain)
_prepare_groups, _conclude_groups = entry(tree.prepare_groups), entry(tree.conclude_groups)
_answer_groups = entry(tree.answer_groups)


def work_size(units: int, groups: int) -> int:
    """How many numbers `split_ahead` needs for its work."""
    return STATE_SIZE + BLOCK_SIZE + units + (ROOM_ROWS + PULL_ROWS) * groups


def split_ahead(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    unit_group: I8, parent: I8, group_low_mw: F8, group_high_mw: F8, price_start: F8, out_mw: F8,
    price: F8, missed_mw: F8, group_price: F8, group_missed_mw: F8, work: F8,
) -> tuple[int, int, float]:  # fmt: skip
    """Split what is wanted at K points ahead over n units in G groups.

    Parameters
    ----------
    wanted_mw, softness : shape (K,), 1 <= K <= 8
        What the units are to give at each point, MW, and 1 / weight of the point: MW of miss
        that one unit of price buys; 0 where the point is hard.
    gain : shape (K, n), in C order
        How much of a change of the setpoint has arrived at each point.
    target_mw, weight, lower_mw, upper_mw : shape (n,)
        Where each unit would like to be (MW; may lie outside the limits), 1 / cost of leaving
        it (> 0), and the limits of this tick (MW).
    unit_group, parent : int64, shapes (n,) and (G,)
        Lowest group of each unit and parent of each group, -1 where there is none;
        parent[g] < g.
    group_low_mw, group_high_mw : shape (G,)
        Limits of the sum of a group; infinite where there is none.
    price_start : shape (K,)
        First guess, the prices of the last tick; NaN where there is none. Those of a tick
        that was not served are no guess, and are seen to be none.
    out_mw, price, missed_mw : shapes (n,), (K,), (K,), written
        The split; the prices; wanted minus given at each point, MW.
    group_price, group_missed_mw : shape (G,), written
        Multiplier of each group's limit, minus its parent's; limit minus sum where the limits
        of the units cannot reach it (MW, else 0).
    work : shape (work_size(n, G),)
        Room.

    Returns
    -------
    status : int
        OK; UNSERVED_UP or UNSERVED_DOWN for the hard point that is missed most, where hard
        points cannot all be met: then the sum of squares of their misses is the smallest one.
        BAD_INPUT with all outputs untouched: NaN or magnitude above MAGNITUDE_MAX, lower >
        upper, weight outside [WEIGHT_MIN, MAGNITUDE_MAX], softness < 0, shapes that differ.
    rounds : int
        How often the fleet's answer was computed.
    kkt_mw : float
        Largest violation of the optimality conditions, MW; NaN with BAD_INPUT.
    """
    points, n = gain.shape
    groups = parent.shape[0]
    fits = (
        1 <= points <= POINTS_MAX
        and wanted_mw.size == softness.size == price_start.size == points
        and price.size == missed_mw.size == points
        and target_mw.size == weight.size == lower_mw.size == upper_mw.size == n
        and out_mw.size == unit_group.size == n
        and group_low_mw.size == group_high_mw.size == groups
        and group_price.size == group_missed_mw.size == groups
        and work.size >= work_size(n, groups)
    )
    if not fits:
        return BAD_INPUT, 0, math.nan
    return split_fitting(
        wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, unit_group, parent,
        group_low_mw, group_high_mw, price_start, out_mw, price, missed_mw, group_price,
        group_missed_mw, work,
    )  # fmt: skip


def split_fitting(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    unit_group: I8, parent: I8, group_low_mw: F8, group_high_mw: F8, price_start: F8, out_mw: F8,
    price: F8, missed_mw: F8, group_price: F8, group_missed_mw: F8, work: F8,
) -> tuple[int, int, float]:  # fmt: skip
    """The same for arrays that are known to fit each other: those that the core has made."""
    n, groups = target_mw.size, parent.size
    state = work[:STATE_SIZE].reshape(STATE_SHAPE)
    block = work[STATE_SIZE : STATE_SIZE + BLOCK_SIZE]
    fleet = (target_mw, weight, lower_mw, upper_mw)
    rounds = 0
    if groups == 0:
        done = _split_plain(
            wanted_mw, softness, gain, *fleet, price_start, out_mw, price, missed_mw, state, block
        )
        if done[0] != UNFINISHED:
            return done
        rounds = done[1]
    elif not _prepare(wanted_mw, softness, gain, *fleet, price_start, state, block):
        return BAD_INPUT, 0, math.nan
    at = STATE_SIZE + BLOCK_SIZE
    centre_mw = work[at : at + n]
    room = work[at + n :][: ROOM_ROWS * groups].reshape(ROOM_ROWS, groups)
    pull = work[at + n + room.size :][: PULL_ROWS * groups].reshape(PULL_ROWS, groups)
    room[OWN] = 0.0
    limits = (group_low_mw, group_high_mw)
    if groups > 0 and not _prepare_groups(unit_group, parent, *limits, lower_mw, upper_mw, room):
        return BAD_INPUT, 0, math.nan
    problem = (
        wanted_mw, softness, gain, *fleet, unit_group, parent, centre_mw, room, out_mw, pull,
        state, block,
    )  # fmt: skip
    off_mw = 0.0
    if groups > 0:
        rounds = ahead_groups.search_prices_of_groups(*problem)
    moved_mw = ahead_groups.polish(*problem)
    if groups > 0:
        off_mw = _conclude_groups(
            unit_group, parent, *limits, out_mw, room, group_price, group_missed_mw
        )
    code, kkt_mw = _conclude(softness, state, moved_mw, price, missed_mw)
    if code != OK and groups > 0:
        # Prices beyond all that moves a unit leave their rounding in the sums of groups.
        centre_mw[:] = out_mw
        _answer_groups(unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room, out_mw)
    return code, rounds, max(kkt_mw, off_mw)
