"""On which side of its exclusion band each unit stands: a request is met by a subset of units.

A unit with a band has two intervals, `[lower, band_lower]` and `[band_upper, upper]`; one that is
on or off has a point for one of them. With sides s the setpoints are those of

    min  sum (x_i - t_i)^2 / (2 w_i) + sum c_i [s_i is not where unit i stands] + z^2 / (2 w_z)
    s.t. sum x_i + z = P,    x_i in the interval of side s_i

z is what stays unserved; its weight w_z is small, so that serving comes first. Which sides are
best is combinatorial. Lagrange's dual in the one price of the sum, in which each unit takes the
side that pays, is a bound from below that no choice beats. With one coupling constraint it is off
by little more than one unit's own gap, however many there are (J. P. Aubin and I. Ekeland,
"Estimates of the duality gap in nonconvex optimization", Math. Oper. Res. 1(3), 1976). Sides are
looked for in this order, until one is within `GAP_PU` of the bound:

1. those of now, which cost no switching;
2. those that pay at the price of the dual, and with ties each number of those that are in doubt;
3. better ones by turning one unit, then by turning two, as long as that helps;
4. all of them, where they are few.

Nothing here is random, and the effort is bounded: the same inputs give the same sides.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_U1, OUT, OUT_U1, U1, f8, i8, kernel, several

BELOW, ABOVE = np.uint8(1), np.uint8(2)  # also the bits of `open_sides`
GAP_PU = 1e-3  # of the cost: nearer to the bound nothing is looked for
BISECTIONS = 100
PRICE_PU = 1e-12
ROUNDS_MAX = 200
WORK_MAX = 200_000  # unit evaluations that a search of pairs, or of all, may take
ROWS = 4  # of the work space: lower and upper of the side below, and of that above


@kernel(i8(i8))
def work_size(n: int) -> int:
    """Length of the work space for n units."""
    return ROWS * n


@kernel()
def _copy(sides: U1, out: U1) -> None:
    for i in range(sides.shape[0]):
        out[i] = sides[i]


@kernel()
def _is_finite(x: float) -> bool:
    return x - x == 0.0


@kernel()
def _clipped(x: float, low: float, high: float) -> float:
    x = x if x > low else low
    return x if x < high else high


@kernel()
def _paid(price: float, target: float, weight: float, low: float, high: float) -> float:
    """Least of (x - t)^2 / 2w - price x over an interval."""
    x = _clipped(target + weight * price, low, high)
    return (x - target) * (x - target) / (2.0 * weight) - price * x


@kernel()
def _best_side(
    i: int, price: float, target_mw: F8, weight: F8, side: U1, open_sides: U1, switch_cost: F8,
    work: F8,
) -> int:  # fmt: skip
    """Side that pays most for unit i at a price; of equal ones that of now."""
    n = target_mw.shape[0]
    if open_sides[i] == BELOW or open_sides[i] == ABOVE:
        return int(open_sides[i])
    below = _paid(price, target_mw[i], weight[i], work[i], work[n + i])
    above = _paid(price, target_mw[i], weight[i], work[2 * n + i], work[3 * n + i])
    if side[i] == BELOW:
        return 2 if above + switch_cost[i] < below else 1
    return 1 if below + switch_cost[i] < above else 2


@kernel()
def _excess(
    price: float, request_mw: float, target_mw: F8, weight: F8, side: U1, open_sides: U1,
    switch_cost: F8, miss_weight: float, work: F8,
) -> float:  # fmt: skip
    """What units give at a price, each on the side that pays, beyond the request. It never falls
    as the price rises.
    """
    n = target_mw.shape[0]
    total = miss_weight * price - request_mw
    for i in range(n):
        row = 0
        if _best_side(i, price, target_mw, weight, side, open_sides, switch_cost, work) == 2:
            row = 2
        x = target_mw[i] + weight[i] * price
        total += _clipped(x, work[row * n + i], work[(row + 1) * n + i])
    return total


@kernel()
def _cost(
    chosen: U1, price: float, request_mw: float, target_mw: F8, weight: F8, side: U1,
    switch_cost: F8, miss_weight: float, work: F8,
) -> tuple[float, float]:  # fmt: skip
    """Cost of sides with the best setpoints on them, and the price that gives those.

    The price is a root of a rising piecewise linear function: Newton's steps, kept in a bracket.
    """
    n = target_mw.shape[0]
    low, high = -np.inf, np.inf
    for _ in range(ROUNDS_MAX):
        total, slope = miss_weight * price - request_mw, miss_weight
        for i in range(n):
            row = 2 if chosen[i] == ABOVE else 0
            x = target_mw[i] + weight[i] * price
            if x <= work[row * n + i]:
                total += work[row * n + i]
            elif x >= work[(row + 1) * n + i]:
                total += work[(row + 1) * n + i]
            else:
                total += x
                slope += weight[i]
        if total > 0.0:
            high = price
        elif total < 0.0:
            low = price
        else:
            break
        after = price - total / slope
        if not low < after < high:
            after = 0.5 * (low + high)
        if after == price or not low < after < high:
            break
        price = after
    cost = 0.5 * miss_weight * price * price
    for i in range(n):
        row = 2 if chosen[i] == ABOVE else 0
        x = target_mw[i] + weight[i] * price
        off = _clipped(x, work[row * n + i], work[(row + 1) * n + i]) - target_mw[i]
        cost += off * off / (2.0 * weight[i])
        if chosen[i] != side[i]:
            cost += switch_cost[i]
    return cost, price


@kernel()
def _turned(side: int) -> int:
    return 1 if side == 2 else 2


@kernel()
def _dual(
    price: float, request_mw: float, target_mw: F8, weight: F8, side: U1, open_sides: U1,
    switch_cost: F8, miss_weight: float, work: F8,
) -> float:  # fmt: skip
    """The dual function: no choice costs less than it says, at any price."""
    n = target_mw.shape[0]
    total = price * request_mw - 0.5 * miss_weight * price * price
    for i in range(n):
        taken = _best_side(i, price, target_mw, weight, side, open_sides, switch_cost, work)
        row = 2 if taken == 2 else 0
        total += _paid(price, target_mw[i], weight[i], work[row * n + i], work[(row + 1) * n + i])
        if taken != side[i]:
            total += switch_cost[i]
    return total


@kernel()
def _bound(
    price: float, request_mw: float, target_mw: F8, weight: F8, side: U1, open_sides: U1,
    switch_cost: F8, miss_weight: float, work: F8,
) -> tuple[float, float, float]:  # fmt: skip
    """Largest value of the dual, and two neighbouring prices between which it lies.

    At the lower one units give too little, at the upper one enough. They are looked for from
    `price` on, in steps that double, then by halving.
    """
    step = 1e-3 * abs(price) + 1e-9
    low, high = price - step, price + step
    for _ in range(ROUNDS_MAX):
        if not _excess(
            high, request_mw, target_mw, weight, side, open_sides, switch_cost, miss_weight, work
        ) < 0.0:  # fmt: skip
            break
        low, step = high, 4.0 * step
        high += step
    for _ in range(ROUNDS_MAX):
        if not _excess(
            low, request_mw, target_mw, weight, side, open_sides, switch_cost, miss_weight, work
        ) > 0.0:  # fmt: skip
            break
        high, step = low, 4.0 * step
        low -= step
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if not low < middle < high or high - low <= PRICE_PU * (abs(low) + abs(high)):
            break
        total = _excess(
            middle, request_mw, target_mw, weight, side, open_sides, switch_cost, miss_weight, work
        )  # fmt: skip
        if total < 0.0:
            low = middle
        else:
            high = middle
    at_low = _dual(
        low, request_mw, target_mw, weight, side, open_sides, switch_cost, miss_weight, work
    )
    at_high = _dual(
        high, request_mw, target_mw, weight, side, open_sides, switch_cost, miss_weight, work
    )
    return (at_low if at_low > at_high else at_high), low, high


@kernel()
def _from_the_price(
    best: float, low: float, high: float, request_mw: float, target_mw: F8, weight: F8, side: U1,
    open_sides: U1, switch_cost: F8, miss_weight: float, chosen: U1, trial: U1, work: F8,
) -> float:  # fmt: skip
    """Try the sides that pay just below the price of the dual, then turn those in doubt one by one.

    In doubt are units that take the other side just above it. Units of one kind all turn at one
    price; some of them are to, and others not.
    """
    n = target_mw.shape[0]
    for i in range(n):
        trial[i] = _best_side(i, low, target_mw, weight, side, open_sides, switch_cost, work)
    cost, price = _cost(
        trial, low, request_mw, target_mw, weight, side, switch_cost, miss_weight, work
    )
    if cost < best:
        best = cost
        _copy(trial, chosen)
    for i in range(n):
        after = _best_side(i, high, target_mw, weight, side, open_sides, switch_cost, work)
        if after == trial[i]:
            continue
        trial[i] = after
        cost, price = _cost(
            trial, price, request_mw, target_mw, weight, side, switch_cost, miss_weight, work
        )
        if cost < best:
            best = cost
            _copy(trial, chosen)
    return best


@kernel()
def _by_turning(
    best: float, price: float, request_mw: float, target_mw: F8, weight: F8, side: U1,
    open_sides: U1, switch_cost: F8, miss_weight: float, chosen: U1, trial: U1, work: F8,
) -> float:  # fmt: skip
    """Turn one unit, or two together, as long as that costs less."""
    n = target_mw.shape[0]
    _copy(chosen, trial)
    spent = 0
    for _ in range(ROUNDS_MAX):
        before = best
        for i in range(n):
            if open_sides[i] != BELOW + ABOVE or spent > WORK_MAX:
                continue
            trial[i] = _turned(trial[i])
            cost, price = _cost(
                trial, price, request_mw, target_mw, weight, side, switch_cost, miss_weight, work
            )
            spent += n
            if cost < best:
                best = cost
                chosen[i] = trial[i]
                continue
            for j in range(i + 1, n):
                if open_sides[j] != BELOW + ABOVE or spent > WORK_MAX:
                    continue
                trial[j] = _turned(trial[j])
                cost, price = _cost(
                    trial, price, request_mw, target_mw, weight, side, switch_cost, miss_weight,
                    work,
                )  # fmt: skip
                spent += n
                if cost < best:
                    best = cost
                    chosen[i], chosen[j] = trial[i], trial[j]
                    break
                trial[j] = chosen[j]
            trial[i] = chosen[i]
        if not best < before:
            break
    return best


@kernel()
def _among_all(
    best: float, price: float, request_mw: float, target_mw: F8, weight: F8, side: U1,
    open_sides: U1, switch_cost: F8, miss_weight: float, chosen: U1, trial: U1, work: F8,
) -> float:  # fmt: skip
    """Try all sides of the free units, in the order of Gray's code: one unit turns at a time."""
    n = target_mw.shape[0]
    free = 0
    for i in range(n):
        trial[i] = chosen[i]
        free += 1 if open_sides[i] == BELOW + ABOVE else 0
    for count in range(1, 1 << free):
        turns = 0  # number of trailing zeros of `count`: which free unit turns
        while count >> turns & 1 == 0:
            turns += 1
        i = -1
        while turns >= 0:
            i += 1
            turns -= 1 if open_sides[i] == BELOW + ABOVE else 0
        trial[i] = _turned(trial[i])
        cost, price = _cost(
            trial, price, request_mw, target_mw, weight, side, switch_cost, miss_weight, work
        )
        if cost < best:
            best = cost
            _copy(trial, chosen)
    return best


@kernel(
    several(f8, f8)(f8, IN, IN, IN, IN, IN, IN, IN_U1, IN_U1, IN, f8, OUT_U1, OUT_U1, OUT)
)  # fmt: skip
def choose_sides(
    request_mw: float,
    target_mw: F8,
    weight: F8,
    lower_mw: F8,
    upper_mw: F8,
    band_lower_mw: F8,
    band_upper_mw: F8,
    side: U1,
    open_sides: U1,
    switch_cost: F8,
    miss_weight: float,
    chosen: U1,
    trial: U1,
    work: F8,
) -> tuple[float, float]:
    """Choose the side of each of n units; the request is met by the sum of all.

    Parameters
    ----------
    request_mw : float
    target_mw, weight : shape (n,)
        Where each unit would best stand, and how easily it leaves that (> 0).
    lower_mw, upper_mw, band_lower_mw, band_upper_mw : shape (n,)
        Range, and band within it; of a unit without a band neither is read but the range.
    side, open_sides : shape (n,)
        Where it stands (BELOW, ABOVE); bits of the sides that it may take. A unit without a band
        is BELOW in both, with the whole range.
    switch_cost : shape (n,)
        Of leaving the side of now, in the unit of the objective, MW.
    miss_weight : float
        w_z > 0.
    chosen : shape (n,), written
    trial : shape (n,), room
    work : shape (work_size(n),), room

    Returns
    -------
    cost, bound : float
        Of the chosen sides, and the bound that no choice is below. NaN for numbers that make no
        sense: the sides of now are chosen then, as far as they are open.
    """
    n = target_mw.shape[0]
    free = 0
    usable = _is_finite(request_mw) and miss_weight > 0.0
    for i in range(n):
        usable = usable and weight[i] > 0.0
        usable = usable and _is_finite(target_mw[i] + weight[i] + lower_mw[i] + upper_mw[i])
        banded = not np.isnan(band_lower_mw[i])
        work[i], work[n + i] = lower_mw[i], band_lower_mw[i] if banded else upper_mw[i]
        work[2 * n + i], work[3 * n + i] = band_upper_mw[i], upper_mw[i]
        free += 1 if open_sides[i] == BELOW + ABOVE else 0
        here = open_sides[i] & side[i]
        chosen[i] = side[i] if here != 0 else open_sides[i]
        if chosen[i] == BELOW + ABOVE:  # both are open, and it stands on neither
            chosen[i] = BELOW
    if not usable:
        return np.nan, np.nan
    best, price = _cost(
        chosen, 0.0, request_mw, target_mw, weight, side, switch_cost, miss_weight, work
    )
    if free == 0:
        return best, best
    bound, low, high = _bound(
        price, request_mw, target_mw, weight, side, open_sides, switch_cost, miss_weight, work
    )
    if best - bound <= GAP_PU * abs(best):
        return best, bound
    best = _from_the_price(
        best, low, high, request_mw, target_mw, weight, side, open_sides, switch_cost,
        miss_weight, chosen, trial, work,
    )  # fmt: skip
    if best - bound > GAP_PU * abs(best):
        best = _by_turning(
            best, price, request_mw, target_mw, weight, side, open_sides, switch_cost,
            miss_weight, chosen, trial, work,
        )  # fmt: skip
    if best - bound > GAP_PU * abs(best) and free < 40 and n << free <= WORK_MAX:
        best = _among_all(
            best, price, request_mw, target_mw, weight, side, open_sides, switch_cost,
            miss_weight, chosen, trial, work,
        )  # fmt: skip
    return best, bound
