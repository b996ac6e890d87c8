"""Split one request so that what is *delivered* is right at several points of time ahead.

    minimise    sum_k (wanted_k - sum_i gain_ki out_i)**2 / (2 * softness_k)
              + sum_i (out_i - target_i)**2 / (2 * weight_i)
    subject to  lower_i <= out_i <= upper_i

A point with softness 0 is hard: the request must be met there. The optimum is

    out_i = clip(target_i + weight_i * sum_k gain_ki price_k, lower_i, upper_i)

for the prices at which `softness_k price_k + sum_i gain_ki out_i = wanted_k` at every point. The
differences of these, the *gaps*, are the gradient of a convex function of the prices (the
dual), and piecewise linear. `_evaluate` takes gaps and Jacobian in one pass over the fleet;
`_advance` makes of each evaluation one decision, with 8 numbers by 8 and no fleet:

* A trial is accepted if the dual has certainly fallen, else the step is shortened. Newton's
  method alone cycles when units saturate. The gaps say what the dual does along the step: its
  derivative there is gap . step, which only rises, at most by step . J_all . step (all units
  free). No value of the dual is needed, whose last steps would drown in rounding.
* Then comes Newton's step. Where the Jacobian is singular (a point has fewer free units than it
  needs) it is regularised, less with every round, until the units that can help have moved.
* Prices beyond all breakpoints and a gap that is still open: the hard points cannot be met. The
  regularised steps then have led to the smallest sum of squares of what is missed.

`_evaluate` writes the answer of each trial, so that the last trial is the answer; `_polish` puts
what is left by rounding on the units that are free.

References
----------
L. Qi and J. Sun, "A nonsmooth version of Newton's method", Math. Programming 58, 1993.
A. Chiche and J. C. Gilbert, "How the augmented Lagrangian algorithm can deal with an infeasible
convex quadratic optimization problem", J. Convex Anal. 23, 2016.
"""

import numpy as np

from vppd.kernels.jit import F8, I8, IN, IN_2D, OUT, OUT_2D, f8, i8, kernel, several
from vppd.kernels.status import BAD_INPUT, OK, UNSERVED_DOWN, UNSERVED_UP

MAGNITUDE_MAX = 1e60  # larger numbers are refused: nothing below can then overflow
WEIGHT_MIN = 1e-60
GAIN_MAX = 1e3
PRICE_MAX = 1e125
EPS = 2.0**-52
POINTS_MAX = 8
WORK_BLOCK = 200

# Unsigned, because Numba then leaves out the test for negative indices and LLVM can vectorise.
U8 = np.uint64
BLOCK = U8(64)
LANE = U8(16)

# Rows of `state`, 8 numbers each.
PRICE = 0  # the last accepted prices
STEP = 1
TRIAL = 2  # the prices that are evaluated next
GAP = 3  # there, MW
SIZE = 4  # what rounding is relative to, MW
SCALARS = 5
JACOBIAN = 6  # 8 rows: at the trial
WHOLE = 14  # 8 rows: with every unit free
FACTOR = 22  # 8 rows: L below the diagonal, D on it
MORE = 30
ANCHOR = 31  # the prices that hard points are held to by the extra softness
STATE_ROWS = 32
# Columns of the row SCALARS.
FALL = 0  # by how much the dual falls per unit of the step, at its beginning
LENGTH = 1  # of the trial, in steps
SAFE = 2  # a length that is certainly not too long
LONG = 3  # one that was
RISE_SAFE = 4  # derivatives of the dual there
RISE_LONG = 5
REFUSED = 6  # trials of this step
CLOSE = 7  # rounds within CLOSE_ENOUGH
# Columns of the row MORE.
VALUE = 0  # of the dual, at the trial
BEST = 1  # at the last accepted prices
DAMPING = 2
REACH = 3  # the price beyond which every unit of gain 1 is at a limit
STIFF = 4  # extra softness of hard points, where they cannot all be met
ANCHORED = 5  # how often the anchor has moved

# What `_advance` says.
GO_ON = 0
FOUND = 1

ROUNDS_MAX = 1000
PIVOT_MIN = 1e-12  # part of the diagonal below which a pivot is rounding
DAMPING_FIRST = 1e-2
DAMPING_FALL = 0.05
DAMPING_RISE = 100.0
DAMPING_MIN = 1e-10  # of the Jacobian as it is: below, rounding would steer the step
REFUSALS_MAX = 30.0
ARMIJO = 1e-4
FIRST_SHARE = 0.5
SHARE = 0.1
FLAT = 0.999999  # the dual still falls this much as at the beginning of the step
CLOSE_ENOUGH = 1e-12
CLOSE_ROUNDS = 3.0
POLISH_ROUNDS = 3
ANCHORED_MAX = 3.0
SERVED = 1e-9  # part of its size within which a hard point counts as met
FAR = 1e6  # prices that saturate a unit of gain 1e-6


@kernel()
def _clip(y: float, lower: float, upper: float) -> float:
    x = y if y > lower else lower  # one instruction, and the same bits in Python
    return x if x < upper else upper


@kernel()
def _lost(total: float, term: float) -> float:
    """What rounding takes from `total + term`, exactly (two-sum)."""
    after = total + term
    shift = after - total
    return (total - (after - shift)) + (term - shift)


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
def _sum(count: np.uint64, a: F8) -> float:
    s0 = s1 = s2 = s3 = 0.0
    if count == BLOCK:
        for j in range(LANE):
            s0 += a[j]
            s1 += a[j + LANE]
            s2 += a[j + U8(2) * LANE]
            s3 += a[j + U8(3) * LANE]
    else:
        for j in range(count):
            s0 += a[j]
    return (s0 + s1) + (s2 + s3)


@kernel()
def _products(
    first: np.uint64, end: np.uint64, gain: F8, values: F8, some_weight: F8, spare: F8,
    totals: F8, lost: F8, matrix: F8,
) -> None:  # fmt: skip
    """Add a block to totals_k = sum gain_k values, matrix_kl = sum gain_k some_weight gain_l."""
    for k in range(gain.shape[0]):
        row = gain[k]
        block = _dot(row, first, end, values)
        lost[k] += _lost(totals[k], block)
        totals[k] += block
        for j in range(end - first):
            spare[j] = row[first + j] * some_weight[j]
        for m in range(k + 1):
            matrix[k, m] += _dot(gain[m], first, end, spare)


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
def _shapes_fit(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    price_start: F8, out_mw: F8, price: F8, missed_mw: F8,
) -> bool:  # fmt: skip
    points, n = gain.shape
    return (
        points >= 1
        and points <= POINTS_MAX
        and wanted_mw.shape[0] == points
        and softness.shape[0] == points
        and price_start.shape[0] == points
        and price.shape[0] == points
        and missed_mw.shape[0] == points
        and target_mw.shape[0] == n
        and weight.shape[0] == n
        and lower_mw.shape[0] == n
        and upper_mw.shape[0] == n
        and out_mw.shape[0] == n
    )


@kernel()
def _clear(state: F8) -> None:
    for r in range(STATE_ROWS):
        for k in range(POINTS_MAX):
            state[r, k] = 0.0


@kernel()
def _survey(
    gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, state: F8, block: F8
) -> int:
    """Count what cannot be used; sizes of the points and the Jacobian with every unit free."""
    n = U8(target_mw.shape[0])
    values, some_weight, spare = block[0:64], block[64:128], block[128:192]
    faulty = 0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        faulty += _count_faulty(first, end, gain, target_mw, weight, lower_mw, upper_mw)
        for j in range(end - first):
            low, high = abs(lower_mw[first + j]), abs(upper_mw[first + j])
            values[j] = low if low > high else high
            some_weight[j] = weight[first + j]
        _products(
            first, end, gain, values, some_weight, spare, state[SIZE], state[STEP], state[WHOLE:]
        )
        first = end
    return faulty


@kernel()
def _evaluate(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    out_mw: F8, state: F8, block: F8,
) -> None:  # fmt: skip
    """Write the fleet's answer to the prices of the trial, the gaps there, and the Jacobian.

    The Jacobian counts a unit that stands exactly on a limit as free.
    """
    n = U8(target_mw.shape[0])
    points = gain.shape[0]
    values, some_weight, spare = block[0:64], block[64:128], block[128:192]
    lost = block[192:200]
    price, gap, jacobian = state[TRIAL], state[GAP], state[JACOBIAN:]
    value = value_lost = 0.0
    for k in range(points):
        gap[k] = lost[k] = 0.0
        for m in range(k + 1):
            jacobian[k, m] = 0.0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        _pay(first, end, gain, price, values)
        for j in range(end - first):
            i = first + j
            y = target_mw[i] + weight[i] * values[j]
            x = _clip(y, lower_mw[i], upper_mw[i])
            out_mw[i] = x
            some_weight[j] = weight[i] if x == y else 0.0
            off = x - target_mw[i]
            spare[j] = values[j] * x - 0.5 * off * off / weight[i]
            values[j] = x
        part = _sum(end - first, spare)
        value_lost += _lost(value, part)
        value += part
        _products(first, end, gain, values, some_weight, spare, gap, lost, jacobian)
        first = end
    state[MORE, VALUE] = value + value_lost
    _close_sums(wanted_mw, softness, state, lost)


@kernel()
def _pay(first: np.uint64, end: np.uint64, gain: F8, price: F8, pay: F8) -> None:
    """What the units of a block are paid: pay[j] = sum_k gain_k price_k, in the order of k."""
    row = gain[0]
    p = price[0]
    for j in range(end - first):
        pay[j] = row[first + j] * p
    for k in range(1, gain.shape[0]):
        row = gain[k]
        p = price[k]
        for j in range(end - first):
            pay[j] += row[first + j] * p


@kernel()
def _factorise(points: int, extra: float, softness: F8, state: F8) -> bool:
    """Factor L D L' of the Jacobian, with `extra` added for hard points; False if singular.

    A hard point that no unit has a gain for gets a 1: no price closes its gap.
    """
    jacobian, factor = state[JACOBIAN:], state[FACTOR:]
    for k in range(points):
        for m in range(k):
            total = jacobian[k, m]
            for j in range(m):
                total -= factor[k, j] * factor[m, j] * factor[j, j]
            factor[k, m] = total / factor[m, m]
        diagonal = jacobian[k, k] + (extra if softness[k] == 0.0 else 0.0)
        total = diagonal
        for j in range(k):
            total -= factor[k, j] * factor[k, j] * factor[j, j]
        factor[k, k] = total
        if _is_dead(k, softness, state):
            factor[k, k] = 1.0
        elif not total > PIVOT_MIN * diagonal:
            if extra == 0.0:
                return False
            factor[k, k] = PIVOT_MIN * diagonal
    return True


@kernel()
def _solve(points: int, softness: F8, state: F8) -> None:
    """Write to STEP what closes the gaps, by the factor; 0 for a point that no unit can move."""
    factor, step = state[FACTOR:], state[STEP]
    for k in range(points):
        total = 0.0 if _is_dead(k, softness, state) else -state[GAP, k]
        for j in range(k):
            total -= factor[k, j] * step[j]
        step[k] = total
    for back in range(points):
        k = points - 1 - back
        total = step[k] / factor[k, k]
        for j in range(k + 1, points):
            total -= factor[j, k] * step[j]
        step[k] = total


@kernel()
def _is_dead(k: int, softness: F8, state: F8) -> bool:
    """A hard point that no unit has a gain for."""
    return state[WHOLE + k, k] == 0.0 and softness[k] == 0.0


@kernel()
def _rounding_mw(k: int, points: int, state: F8) -> float:
    """How far rounding alone may leave the gap of a point open."""
    total = 0.0
    for m in range(points):
        j = state[JACOBIAN + k, m] if m <= k else state[JACOBIAN + m, k]
        total += abs(j) * abs(state[TRIAL, m])
    return EPS * (4.0 * state[SIZE, k] + 2.0 * total)


@kernel()
def _closed(points: int, share: float, softness: F8, state: F8) -> bool:
    """Whether the gaps are within rounding and `share` of the sizes, where a price can do it."""
    for k in range(points):
        off = abs(state[GAP, k])
        if not _is_dead(k, softness, state) and not (
            off <= share * state[SIZE, k] or off <= _rounding_mw(k, points, state)
        ):
            return False
    return True


@kernel()
def _shorten(points: int, rise: float, state: F8) -> None:
    """Another trial within the step: Newton's along the line, inside a bracket."""
    numbers = state[SCALARS]
    length = numbers[LENGTH]
    numbers[REFUSED] += 1.0
    if rise > 0.0:
        numbers[LONG] = length
        numbers[RISE_LONG] = rise
    else:
        numbers[SAFE] = length
        numbers[RISE_SAFE] = rise
    low, high = numbers[SAFE], numbers[LONG]
    bend = _bend(points, state[JACOBIAN:], state[STEP])
    after = length - rise / bend if bend > 0.0 else low
    if not (low < after and after < high):
        after = low + (high - low) * (
            numbers[RISE_SAFE] / (numbers[RISE_SAFE] - numbers[RISE_LONG])
        )
    if numbers[REFUSED] % 3.0 == 0.0:
        after = 0.5 * (low + high)
    if not (low < after and after < high) or numbers[REFUSED] >= REFUSALS_MAX:
        after = low
    numbers[LENGTH] = after
    for k in range(points):
        state[TRIAL, k] = state[PRICE, k] + after * state[STEP, k]


@kernel()
def _bend(points: int, matrix: F8, step: F8) -> float:
    """The quadratic form step . matrix . step of a matrix given by its lower half."""
    total = 0.0
    for k in range(points):
        for m in range(k + 1):
            twice = 1.0 if m == k else 2.0
            total += twice * matrix[k, m] * step[k] * step[m]
    return total


@kernel()
def _newton(points: int, softness: F8, state: F8) -> bool:
    """The next step, and its whole length as the trial; False if it leads nowhere."""
    numbers, more = state[SCALARS], state[MORE]
    if _factorise(points, 0.0, softness, state):
        more[DAMPING] = min(DAMPING_FIRST, DAMPING_RISE * more[DAMPING])
    else:
        whole = now = 0.0
        for k in range(points):
            if softness[k] == 0.0:
                whole = max(whole, state[WHOLE + k, k])
            now = max(now, state[JACOBIAN + k, k])
        damping = more[DAMPING]
        if damping == 0.0:
            damping = DAMPING_FIRST
        elif numbers[REFUSED] > 0.0:
            damping /= numbers[LENGTH]
        else:
            damping *= DAMPING_FALL
        more[DAMPING] = damping
        _factorise(points, max(damping * whole, DAMPING_MIN * now), softness, state)
    _solve(points, softness, state)
    fall = 0.0
    bend = _bend(points, state[WHOLE:], state[STEP])
    moves = False
    for k in range(points):
        step = state[STEP, k]
        fall -= state[GAP, k] * step
        bend += softness[k] * step * step
        state[TRIAL, k] = state[PRICE, k] + step
        moves |= state[TRIAL, k] != state[PRICE, k]
    numbers[FALL] = fall
    numbers[LENGTH] = 1.0
    numbers[SAFE] = fall / bend
    numbers[LONG] = np.inf
    numbers[RISE_SAFE] = -fall
    numbers[REFUSED] = 0.0
    return moves and fall > 0.0


@kernel()
def _is_beyond(points: int, softness: F8, state: F8) -> bool:
    """Whether the price of a hard point lies beyond what moves any unit."""
    for k in range(points):
        price = abs(state[PRICE, k])
        if softness[k] == 0.0 and not price <= FAR * state[MORE, REACH]:
            return state[MORE, STIFF] == 0.0
    return False


@kernel()
def _stiffen(points: int, softness: F8, state: F8) -> None:
    """Begin anew, with hard points a little soft: so little that prices still pass all units."""
    more = state[MORE]
    gap = whole = 0.0
    for k in range(points):
        if softness[k] == 0.0:
            gap = max(gap, abs(state[GAP, k]))
            whole = max(whole, state[WHOLE + k, k])
        state[TRIAL, k] = 0.0
        state[STEP, k] = 0.0
    stiff = gap / (FAR * more[REACH]) if more[REACH] > 0.0 else whole
    more[STIFF] = max(stiff, PIVOT_MIN * whole)
    more[DAMPING] = 0.0
    state[SCALARS, FALL] = 0.0
    state[SCALARS, CLOSE] = 0.0


@kernel()
def _settle(points: int, softness: F8, state: F8) -> int:
    """FOUND; for hard points that were made soft, once more from there, which makes them hard."""
    more = state[MORE]
    if more[STIFF] == 0.0:
        return FOUND
    more[ANCHORED] += 1.0
    if more[ANCHORED] >= ANCHORED_MAX:
        return FOUND
    for k in range(points):
        state[ANCHOR, k] = state[TRIAL, k]
        state[STEP, k] = 0.0
    state[SCALARS, FALL] = 0.0
    state[SCALARS, CLOSE] = 0.0
    return GO_ON


@kernel()
def _held(k: int, softness: F8, state: F8) -> float:
    """What the extra softness of a hard point adds to its gap."""
    if softness[k] > 0.0:
        return 0.0
    return state[MORE, STIFF] * (state[TRIAL, k] - state[ANCHOR, k])


@kernel(i8(IN, OUT_2D))
def advance(softness: F8, state: F8) -> int:
    """Make of an evaluation at the trial the next trial, GO_ON; or FOUND."""
    points = softness.shape[0]
    numbers, more = state[SCALARS], state[MORE]
    rise = noise = 0.0
    for k in range(points):
        rise += state[GAP, k] * state[STEP, k]
        noise += abs(state[STEP, k]) * _rounding_mw(k, points, state)
    fall = numbers[FALL]
    length = numbers[LENGTH]
    # A dual that still falls at the trial has fallen all the way: it is convex. The other test
    # is Armijo's, and drowns in rounding at the end.
    fell = rise <= noise or more[VALUE] <= more[BEST] - ARMIJO * length * fall
    # Between a trial that is too long and one that is not, a unit may pass from limit to limit:
    # then its price is wanted, where the dual bends.
    share = FIRST_SHARE if numbers[REFUSED] == 0.0 else SHARE
    far = rise <= share * fall and (numbers[REFUSED] == 0.0 or rise >= -share * fall)
    if not ((fell and far) or length <= numbers[SAFE]):
        _shorten(points, rise, state)
        return GO_ON
    more[BEST] = more[VALUE]
    for k in range(points):
        state[PRICE, k] = state[TRIAL, k]
    if _closed(points, 0.0, softness, state):
        return _settle(points, softness, state)
    if _closed(points, CLOSE_ENOUGH, softness, state):
        numbers[CLOSE] += 1.0
        if numbers[CLOSE] >= CLOSE_ROUNDS:
            return _settle(points, softness, state)
    flat = fall > 0.0 and rise <= -FLAT * fall
    if flat and more[DAMPING] > 0.0 and _is_beyond(points, softness, state):
        _stiffen(points, softness, state)
        return GO_ON
    return GO_ON if _newton(points, softness, state) else _settle(points, softness, state)


@kernel()
def _reach(target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8) -> float:
    """The price, by a gain of 1, beyond which every unit is at a limit."""
    reach = 0.0
    for i in range(target_mw.shape[0]):
        up = abs(upper_mw[i] - target_mw[i])
        down = abs(lower_mw[i] - target_mw[i])
        reach = max(reach, max(up, down) / weight[i])
    return reach


@kernel()
def _place(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    out_mw: F8, state: F8, block: F8,
) -> float:  # fmt: skip
    """Move the free units by STEP, which is too small to be a price; the largest move (MW)."""
    n = U8(target_mw.shape[0])
    points = gain.shape[0]
    values, some_weight, spare = block[0:64], block[64:128], block[128:192]
    lost, gap, jacobian = block[192:200], state[GAP], state[JACOBIAN:]
    largest = 0.0
    for k in range(points):
        gap[k] = lost[k] = 0.0
        for m in range(k + 1):
            jacobian[k, m] = 0.0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        _pay(first, end, gain, state[TRIAL], values)
        _pay(first, end, gain, state[STEP], spare)
        for j in range(end - first):
            i = first + j
            y = target_mw[i] + weight[i] * values[j]
            free = lower_mw[i] <= y and y <= upper_mw[i]
            before = out_mw[i]
            if free:
                out_mw[i] = _clip(before + weight[i] * spare[j], lower_mw[i], upper_mw[i])
            values[j] = out_mw[i]
            some_weight[j] = weight[i] if free else 0.0
            largest = max(largest, abs(values[j] - before))
        _products(first, end, gain, values, some_weight, spare, gap, lost, jacobian)
        first = end
    _close_sums(wanted_mw, softness, state, lost)
    return largest


@kernel()
def _close_sums(wanted_mw: F8, softness: F8, state: F8, lost: F8) -> None:
    """Make gaps of the sums that the units give; what the points add to Jacobian and dual."""
    stiff = state[MORE, STIFF]
    for k in range(wanted_mw.shape[0]):
        price = state[TRIAL, k]
        soft = softness[k] * price
        held = _held(k, softness, state)
        state[GAP, k] = ((state[GAP, k] - wanted_mw[k]) + lost[k]) + (soft + held)
        state[JACOBIAN + k, k] += softness[k] + (stiff if softness[k] == 0.0 else 0.0)
        state[MORE, VALUE] += 0.5 * soft * price - wanted_mw[k] * price
        state[MORE, VALUE] += 0.5 * held * (price - state[ANCHOR, k])


@kernel()
def _begin(wanted_mw: F8, softness: F8, price_start: F8, state: F8) -> bool:
    """Set the first trial; False if the numbers of the points cannot be used."""
    good = True
    for k in range(wanted_mw.shape[0]):
        good &= abs(wanted_mw[k]) <= MAGNITUDE_MAX
        good &= softness[k] >= 0.0 and softness[k] <= MAGNITUDE_MAX
        state[SIZE, k] += abs(wanted_mw[k])
        state[STEP, k] = 0.0
        start = price_start[k]
        state[TRIAL, k] = start if abs(start) <= PRICE_MAX else 0.0
    return good


@kernel()
def _end(
    found: int, wanted_mw: F8, softness: F8, state: F8, moved_mw: float, price: F8, missed_mw: F8
) -> tuple[int, float]:
    """Write prices and what is missed; the status, and the largest violation (MW)."""
    points = wanted_mw.shape[0]
    code = OK
    kkt_mw = moved_mw
    most = 0.0
    for k in range(points):
        price[k] = state[TRIAL, k]
        gap = state[GAP, k] - _held(k, softness, state)
        missed_mw[k] = softness[k] * price[k] - gap
        short = softness[k] == 0.0 and not abs(gap) <= SERVED * state[SIZE, k]
        if not short:
            kkt_mw = max(kkt_mw, abs(gap))
        elif abs(gap) > most:
            most = abs(gap)
            code = UNSERVED_DOWN if gap > 0.0 else UNSERVED_UP
    return code, kkt_mw


@kernel(several(i8, i8, f8)(IN, IN, IN_2D, IN, IN, IN, IN, IN, OUT, OUT, OUT, OUT_2D, OUT))
def split_without_groups(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    price_start: F8, out_mw: F8, price: F8, missed_mw: F8, state: F8, block: F8,
) -> tuple[int, int, float]:  # fmt: skip
    """`split_ahead` for a fleet without groups."""
    points = wanted_mw.shape[0]
    if not _shapes_fit(
        wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, price_start, out_mw,
        price, missed_mw,
    ):  # fmt: skip
        return BAD_INPUT, 0, np.nan
    _clear(state)
    faulty = _survey(gain, target_mw, weight, lower_mw, upper_mw, state, block)
    if not _begin(wanted_mw, softness, price_start, state) or faulty > 0:
        return BAD_INPUT, 0, np.nan
    what = GO_ON
    rounds = 0
    while what == GO_ON and rounds < ROUNDS_MAX:
        _evaluate(
            wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, out_mw, state, block
        )
        rounds += 1
        if state[MORE, DAMPING] > 0.0 and state[MORE, REACH] == 0.0:
            state[MORE, REACH] = _reach(target_mw, weight, lower_mw, upper_mw)
        what = advance(softness, state)
    moved_mw = 0.0
    for _ in range(POLISH_ROUNDS):
        if _closed(points, EPS, softness, state):
            break
        if not _factorise(points, 0.0, softness, state):
            break
        _solve(points, softness, state)
        moved_mw += _place(
            wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, out_mw, state, block
        )
    code, kkt_mw = _end(what, wanted_mw, softness, state, moved_mw, price, missed_mw)
    return code, rounds, kkt_mw


def work_size(units: int, groups: int) -> int:
    """How many numbers `split_ahead` needs for its work."""
    return STATE_ROWS * POINTS_MAX + WORK_BLOCK + units + 16 * groups


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
        First guess, the prices of the last tick; NaN where there is none.
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
    if parent.shape[0] > 0:
        raise NotImplementedError("groups")
    state = work[: STATE_ROWS * POINTS_MAX].reshape(STATE_ROWS, POINTS_MAX)
    block = work[STATE_ROWS * POINTS_MAX :][:WORK_BLOCK]
    return split_without_groups(
        wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, price_start, out_mw,
        price, missed_mw, state, block,
    )  # fmt: skip
