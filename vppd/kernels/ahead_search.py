"""The search for the prices of `ahead.split_ahead`, by Newton's method on the dual.

`_evaluate` takes gaps and Jacobian in one pass over the fleet; `advance` makes of each evaluation
one decision, with 8 numbers by 8 and no fleet. Fleets with groups are evaluated in
`ahead_groups`, and the decisions are the same. `ahead` says how they are made, with sources.

`_evaluate` writes the answer of each trial, so that the last trial is the answer.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_2D, OUT, OUT_2D, b1, i8, kernel

EPS = 2.0**-52

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
DIAGONAL = 32  # of the Jacobian, if no group were held at a limit
OPEN = 33  # gaps of the hard points at the last anchor
HELD = 34  # what multipliers of held groups move, MW: rounding is relative to it too
STATE_ROWS = 35
# Columns of the row SCALARS.
FALL = 0  # by how much the dual falls per unit of the step, at its beginning
LENGTH = 1  # of the trial, in steps
SAFE = 2  # a length that is certainly not too long
LONG = 3  # one that was
RISE_SAFE = 4  # derivatives of the dual there
RISE_LONG = 5
REFUSED = 6  # trials of this step
CLOSE = 7  # rounds within CLOSE_ENOUGH, and tenths within ROUNDING_MAX
# Columns of the row MORE.
VALUE = 0  # of the dual, at the trial
BEST = 1  # at the last accepted prices
DAMPING = 2
REACH = 3  # the price beyond which every unit of gain 1 is at a limit, whatever soft points pull
STIFF = 4  # extra softness of hard points, where they cannot all be met
ANCHORED = 5  # how often the anchor has moved
ENOUGH = 6  # extra softness that puts hard points before soft ones
IDLE = 7  # accepted rounds in which the dual stood still

# What `advance` says.
GO_ON = 0
FOUND = 1
ROUNDS_MAX = 1000
PIVOT_MIN = 1e-12  # part of the diagonal below which a pivot is rounding
DAMPING_FIRST = 1e-2
DAMPING_FALL = 0.05
DAMPING_RISE = 100.0
DAMPING_LEAST = 1e-25
DAMPING_MIN = 1e-10  # of the Jacobian as it is; below, the step is stretched instead
REFUSALS_MAX = 30.0
ARMIJO = 1e-4
FIRST_SHARE = 0.5
SHARE = 0.1
ROUNDING_MAX = 1e-10  # part of its size: more is a gap
CLOSE_ENOUGH = 1e-12
CLOSE_ROUNDS = 3.0
STILL = 1e-12
IDLE_MAX = 20.0
ANCHORED_MAX = 12.0
SURE = 1e1  # times as far as that, before gaps that do not change are taken for final
STIFF_FALL = 0.1
STIFF_FALL_MOST = 1e-3  # while prices are far below what moves every unit
HARDER = 1e-3  # part of the softness of any soft point: hard ones come first
SAME = 1e-10
NOISE = 8.0
FAR = 1e3  # prices, in reaches, at which hard points that are still open are made soft


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
def _held(k: int, softness: F8, state: F8) -> float:
    """What the extra softness of a hard point adds to its gap."""
    held: float = state[MORE, STIFF] * (state[TRIAL, k] - state[ANCHOR, k])
    return held if softness[k] == 0.0 else 0.0


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
        state[DIAGONAL, k] = state[JACOBIAN + k, k]
        state[MORE, VALUE] += 0.5 * soft * price - wanted_mw[k] * price
        state[MORE, VALUE] += 0.5 * held * (price - state[ANCHOR, k])


@kernel()
def _evaluate(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8,
    upper_mw: F8, out_mw: F8, state: F8, block: F8,
) -> None:  # fmt: skip
    """Write the answer to the trial's prices, the gaps, the Jacobian, where on a limit is free."""
    n = U8(target_mw.shape[0])
    values, some_weight, spare = block[0:64], block[64:128], block[128:192]
    lost, ones = block[192:200], block[200:264]
    gap, jacobian = state[GAP], state[JACOBIAN:]
    value = value_lost = 0.0
    for k in range(gain.shape[0]):
        gap[k] = lost[k] = 0.0
        for m in range(k + 1):
            jacobian[k, m] = 0.0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        _pay(first, end, gain, state[TRIAL], values)
        for j in range(end - first):
            i = first + j
            y = target_mw[i] + weight[i] * values[j]
            x = _clip(y, lower_mw[i], upper_mw[i])
            out_mw[i] = x
            some_weight[j] = weight[i] if x == y else 0.0
            off = x - target_mw[i]
            spare[j] = values[j] * x - 0.5 * off * off / weight[i]
            values[j] = x
        part = _dot(ones, U8(0), end - first, spare)
        value_lost += _lost(value, part)
        value += part
        _products(first, end, gain, values, some_weight, spare, gap, lost, jacobian)
        first = end
    state[MORE, VALUE] = value + value_lost
    _close_sums(wanted_mw, softness, state, lost)


@kernel()
def _is_dead(k: int, softness: F8, state: F8) -> bool:
    """A hard point that no unit has a gain for."""
    dead: bool = state[WHOLE + k, k] == 0.0 and softness[k] == 0.0
    return dead


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
        added = extra if softness[k] == 0.0 else 0.0
        diagonal = state[DIAGONAL, k] + added
        total = jacobian[k, k] + added
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
        total: float = 0.0 if _is_dead(k, softness, state) else -state[GAP, k]
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
def _rounding_mw(k: int, points: int, state: F8) -> float:
    """How far rounding alone may leave the gap of a point open."""
    total: float = state[DIAGONAL, k] * abs(state[TRIAL, k]) + state[HELD, k]
    for m in range(points):
        j = state[JACOBIAN + k, m] if m <= k else state[JACOBIAN + m, k]
        total += abs(j) * abs(state[TRIAL, m])
    size: float = state[SIZE, k]
    off = EPS * (4.0 * size + 8.0 * total)
    return off if state[MORE, STIFF] > 0.0 else min(off, ROUNDING_MAX * size)


@kernel()
def _closed(points: int, share: float, softness: F8, state: F8) -> bool:
    """Whether the gaps are within rounding or `share` of the sizes, where a price can do it.

    A hard point whose last units need a price without bound is closed a little earlier.
    """
    for k in range(points):
        last = softness[k] == 0.0 and state[MORE, DAMPING] > 0.0
        off = max(share, ROUNDING_MAX if last else 0.0) * state[SIZE, k]
        open_mw = 0.0 if _is_dead(k, softness, state) else abs(state[GAP, k])
        if not (open_mw <= off or open_mw <= _rounding_mw(k, points, state)):
            return False
    return True


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
def _shorten(points: int, rise: float, state: F8) -> None:
    """Another trial within the step: Newton's along the line, inside a bracket."""
    numbers = state[SCALARS]
    numbers[REFUSED] += 1.0
    length = numbers[LENGTH]
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
        rises = numbers[RISE_LONG] - numbers[RISE_SAFE]
        after = low - (high - low) * (numbers[RISE_SAFE] / rises)
    if numbers[REFUSED] % 3.0 == 0.0:
        after = 0.5 * (low + high) if high < 10.0 * low else 0.1 * high
    if not (low < after and after < high) or numbers[REFUSED] >= REFUSALS_MAX:
        after = low
    numbers[LENGTH] = after
    for k in range(points):
        state[TRIAL, k] = state[PRICE, k] + after * state[STEP, k]


@kernel()
def _newton(points: int, softness: F8, state: F8) -> bool:
    """The next step, and its whole length as the trial; False if it leads nowhere."""
    numbers, more = state[SCALARS], state[MORE]
    stretch = 1.0
    if _factorise(points, 0.0, softness, state):
        more[DAMPING] = min(DAMPING_FIRST, DAMPING_RISE * more[DAMPING])
    else:
        whole = now = 0.0
        far = False
        for k in range(points):
            if softness[k] == 0.0:
                whole = max(whole, state[WHOLE + k, k])
                far |= abs(state[GAP, k]) > ROUNDING_MAX * state[SIZE, k]
            now = max(now, state[DIAGONAL, k])
        damping = more[DAMPING]
        if damping == 0.0:
            damping = DAMPING_FIRST
        elif numbers[REFUSED] > 0.0:
            damping /= numbers[LENGTH]
        else:
            damping *= DAMPING_FALL
        more[DAMPING] = max(damping, DAMPING_LEAST)
        extra = max(more[DAMPING] * whole, DAMPING_MIN * now)
        if far and whole > 0.0:
            stretch = extra / (more[DAMPING] * whole)
        _factorise(points, extra, softness, state)
    _solve(points, softness, state)
    fall = 0.0
    moves = False
    for k in range(points):
        state[STEP, k] *= stretch
    bend = _bend(points, state[WHOLE:], state[STEP])
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
def _beyond(points: int, softness: F8, state: F8) -> float:
    """The largest price of a hard point, as a part of what is beyond all that moves a unit."""
    price = 0.0
    for k in range(points):
        if softness[k] == 0.0:
            price = max(price, abs(state[TRIAL, k]))
    # where no price moves any unit, each is beyond
    return price / (FAR * state[MORE, REACH]) if state[MORE, REACH] > 0.0 else np.inf


@kernel()
def _stiffen(points: int, softness: F8, state: F8) -> bool:
    """Begin anew, with hard points a little soft; False if there are none, or they are so."""
    more = state[MORE]
    size = whole = 0.0
    softest = np.inf
    hard = False
    for k in range(points):
        if softness[k] == 0.0:
            hard = True
            size = max(size, state[SIZE, k])
            whole = max(whole, state[WHOLE + k, k])
        else:
            softest = min(softest, softness[k])
    if more[STIFF] > 0.0 or not hard:
        return False
    for k in range(points):
        state[TRIAL, k] = state[STEP, k] = 0.0
    stiff = size / (FAR * more[REACH]) if more[REACH] > 0.0 else whole
    more[STIFF] = max(stiff, PIVOT_MIN * whole)
    more[ENOUGH] = HARDER * softest
    more[DAMPING] = 0.0
    state[SCALARS, FALL] = state[SCALARS, CLOSE] = more[IDLE] = 0.0
    return True


@kernel()
def _settle(points: int, softness: F8, state: F8) -> int:
    """FOUND; where hard points were made soft, not before their gaps have stopped to change."""
    more = state[MORE]
    if more[STIFF] == 0.0:
        return FOUND
    more[ANCHORED] += 1.0
    same = more[STIFF] <= more[ENOUGH]
    met = True
    for k in range(points):
        if softness[k] == 0.0:
            open_mw = state[GAP, k] - _held(k, softness, state)
            off = max(SAME * state[SIZE, k], NOISE * _rounding_mw(k, points, state))
            same &= abs(open_mw - state[OPEN, k]) <= off
            met &= abs(open_mw) <= off
            state[OPEN, k] = open_mw
    beyond = _beyond(points, softness, state)
    if met or (same and beyond > SURE) or more[ANCHORED] >= ANCHORED_MAX:
        return FOUND
    for k in range(points):
        state[ANCHOR, k] = state[TRIAL, k]
        state[STEP, k] = 0.0
    more[STIFF] *= min(STIFF_FALL, max(STIFF_FALL_MOST, beyond))
    more[DAMPING] = 0.0
    state[SCALARS, FALL] = state[SCALARS, CLOSE] = more[IDLE] = 0.0
    return GO_ON


@kernel(i8(IN, OUT_2D))
def advance(softness: F8, state: F8) -> int:
    """Make of an evaluation at the trial the next trial, GO_ON; or FOUND."""
    points = softness.shape[0]
    numbers, more = state[SCALARS], state[MORE]
    rise = noise = 0.0
    for k in range(points):
        rise += state[GAP, k] * state[STEP, k]
        noise += abs(state[STEP, k]) * _rounding_mw(k, points, state)
    fall, length = numbers[FALL], numbers[LENGTH]
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
    still = abs(more[BEST] - more[VALUE]) <= STILL * abs(more[BEST])
    more[IDLE] = more[IDLE] + 1.0 if still else 0.0
    more[BEST] = more[VALUE]
    for k in range(points):
        state[PRICE, k] = state[TRIAL, k]
    if _closed(points, 0.0, softness, state):
        return _settle(points, softness, state)
    if _closed(points, ROUNDING_MAX, softness, state):
        numbers[CLOSE] += 1.0 if _closed(points, CLOSE_ENOUGH, softness, state) else 0.1
        if numbers[CLOSE] >= CLOSE_ROUNDS:
            return _settle(points, softness, state)
    if more[IDLE] >= IDLE_MAX:
        return _settle(points, softness, state)
    damped = more[DAMPING] > 0.0 and more[STIFF] == 0.0
    if not (damped and _beyond(points, softness, state) > 1.0) and _newton(points, softness, state):
        return GO_ON
    return GO_ON if _stiffen(points, softness, state) else _settle(points, softness, state)


@kernel(b1(IN, OUT_2D))
def correct(softness: F8, state: F8) -> bool:
    """Set STEP to what closes the gaps by rounding that are left; False if there are none."""
    points = softness.shape[0]
    if _closed(points, EPS, softness, state) or not _factorise(points, 0.0, softness, state):
        return False
    _solve(points, softness, state)
    return True


@kernel(i8(IN, IN, IN_2D, IN, IN, IN, IN, OUT, OUT_2D, OUT))
def search_prices(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    out_mw: F8, state: F8, block: F8,
) -> int:  # fmt: skip
    """Find the prices of a fleet without groups; how many rounds it took."""
    what = GO_ON
    rounds = 0
    while what == GO_ON and rounds < ROUNDS_MAX:
        _evaluate(
            wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, out_mw, state, block
        )
        rounds += 1
        what = advance(softness, state)
    return rounds
