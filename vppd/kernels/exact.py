"""Exact split of one request: the continuous quadratic knapsack, solved to rounding.

    minimise    sum_i (out_i - target_i)**2 / (2 * weight_i)
    subject to  sum_i out_i = request,    lower_i <= out_i <= upper_i

The optimum is `out_i = clip(target_i + lam * weight_i, lower_i, upper_i)` for one number `lam`;
the sum of these responses rises with lam and is piecewise linear. Newton's method finds lam, and
the work is arranged so that the fleet is read as few times as possible:

1. `_survey` checks the input and takes the response and its slope at a first lam: the last
   tick's, which for a large fleet is first brought near the new one on a sample (`_sample`).
2. Newton's step gives a window of lam. `_gather` copies the *undecided* units, those that meet
   a limit within it; all others respond linearly there, so their sum and slope stand for them.
3. `_search` solves on the undecided units alone: Newton, inside a bracket that is halved at
   least every fourth round. If the root lies outside the window, step 2 is repeated from its
   edge; after WINDOWS_MAX windows it is sought between the first and the last breakpoint of the
   fleet, where it is certain to be, with every unit undecided.
4. `_write` writes the answer and sums it; `_place` puts what the sum lacks by rounding on units
   that are free.

Mostly the fleet is read three times. The bound is 3 + WINDOWS_MAX + 2 * WRITES_MAX readings of
the fleet, 2 + ROUNDS_MAX of the undecided in each of WINDOWS_MAX + 1 searches, and two passes
of `_place`, which end as soon as the rest is placed.

Sums go in index order: inside blocks, then over the blocks, with the rounding errors of these
carried along (two-sum). So the sum of the answer, in groups of 8, is good to a few ulps for a
million units, and what is not a sum can use vector instructions block by block.

References
----------
G. R. Bitran and A. C. Hax, Management Science 27(4), 1981. R. Cominetti, W. F. Mascarenhas and
P. J. S. Silva, "A Newton's method for the continuous quadratic knapsack problem", Math. Prog.
Comp. 6, 2014. D. E. Knuth, TAOCP vol. 2, 4.2.2, theorem B (two-sum).
"""

import numpy as np

from vppd.kernels.jit import F8, IN, OUT, b1, f8, i8, kernel, several
from vppd.kernels.status import BAD_INPUT, OK, UNSERVED_DOWN, UNSERVED_UP

MAGNITUDE_MAX = 1e100  # larger numbers are refused: nothing below can then overflow
WEIGHT_MIN = 1e-100
LAM_MAX = 1e205
EPS = 2.0**-52

# Unsigned, because Numba then leaves out the test for negative indices and LLVM can vectorise.
U8 = np.uint64
I8 = np.int64
BLOCK = U8(64)
GROUP = U8(8)

SAMPLE_MIN = 4096  # from this size on, the first lam is bettered on a sample
SAMPLE_RUNS = U8(128)  # spread over the fleet; in few runs, so that few pages are touched
SAMPLE_RUN_MIN = U8(8)  # one cache line of each array
SAMPLE_PART = U8(8192)  # or n / 8192 units a run: together 1 / 64 of a large fleet
SAMPLE_ROUNDS = 12
SAMPLE_GOOD = 5e-3  # part of the fleet's power to which the sample is solved

WINDOWS_MAX = 4
ROUNDS_MAX = 400
WRITES_MAX = 4
WIDER = 1.0 + 2.0**-20  # a breakpoint on the edge of a window belongs to the window


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
def _copy(source: F8, out: F8) -> None:
    for i in range(out.shape[0]):  # a slice assignment takes Numba 4 s to compile
        out[i] = source[i]


@kernel()
def _count_faulty(
    first: np.uint64, end: np.uint64, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8
) -> int:
    """Count the units of a block with a number that cannot be used. False for every NaN."""
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
    return count


@kernel()
def _count_undecided(
    lam: float, reach: float, first: np.uint64, end: np.uint64, target_mw: F8, weight: F8,
    lower_mw: F8, upper_mw: F8,
) -> int:  # fmt: skip
    """Count the units of a block that meet a limit within lam +- reach."""
    count = 0
    for i in range(first, end):
        y = target_mw[i] + lam * weight[i]
        d = reach * weight[i]
        count += (abs(y - lower_mw[i]) <= d) | (abs(y - upper_mw[i]) <= d)
    return count


@kernel()
def _gather(
    lam: float, reach: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, room: F8
) -> np.int64:
    """Copy the units that meet a limit within lam +- reach to `room`; how many they are.

    Their targets go to the first quarter of it, their weights to the second, and so on; -1 if
    they are too many for that.
    """
    n = U8(target_mw.shape[0])
    quarter = n // U8(4)
    count = U8(0)
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        near = U8(_count_undecided(lam, reach, first, end, target_mw, weight, lower_mw, upper_mw))
        if count + near > quarter:
            return I8(-1)
        if near > 0:
            for i in range(first, end):
                y = target_mw[i] + lam * weight[i]
                d = reach * weight[i]
                if abs(y - lower_mw[i]) <= d or abs(y - upper_mw[i]) <= d:
                    room[count] = target_mw[i]
                    room[count + quarter] = weight[i]
                    room[count + U8(2) * quarter] = lower_mw[i]
                    room[count + U8(3) * quarter] = upper_mw[i]
                    count += U8(1)
        first = end
    return I8(count)


@kernel()
def _survey(
    lam: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8
) -> tuple[int, float, float]:
    """Check the input: number of faulty units; response at `lam` (MW) and its slope.

    The slope counts a unit that stands exactly on a limit as free: Newton's step is then too
    short on one side, which costs a round, and never too long.
    """
    n = U8(target_mw.shape[0])
    faulty = 0
    total = error = slope = 0.0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        faulty += _count_faulty(first, end, target_mw, weight, lower_mw, upper_mw)
        block = 0.0
        block_slope = 0.0
        for i in range(first, end):
            y = target_mw[i] + lam * weight[i]
            x = _clip(y, lower_mw[i], upper_mw[i])
            block += x
            block_slope += weight[i] if x == y else 0.0
        error += _lost(total, block)
        total += block
        slope += block_slope
        first = end
    return faulty, total + error, slope


@kernel()
def _sample(
    request_mw: float, lam: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8
) -> float:
    """Better the guess of lam on a sample of the fleet. The input is not checked yet."""
    n = U8(target_mw.shape[0])
    stride = n // SAMPLE_RUNS
    run = max(SAMPLE_RUN_MIN, n // SAMPLE_PART)
    low = -np.inf
    high = np.inf
    for _ in range(SAMPLE_ROUNDS):
        total = size = slope = 0.0
        count = U8(0)
        first = U8(0)
        while first + run <= n:
            for i in range(first, first + run):
                y = target_mw[i] + lam * weight[i]
                x = _clip(y, lower_mw[i], upper_mw[i])
                total += x
                size += abs(x)
                slope += weight[i] if x == y else 0.0
            count += run
            first += stride
        share = count / n
        gap = request_mw * share - total
        if gap > 0.0:
            low = lam
        else:
            high = lam
        if not (slope > 0.0 and abs(gap) > SAMPLE_GOOD * size):
            break
        lam += gap / slope
        if not (low < lam and lam < high):
            lam = low + 0.5 * (high - low)
        if not abs(lam) <= LAM_MAX:
            return 0.0
    return lam


@kernel(several(f8, f8, i8, i8)(f8, IN, IN, IN, IN))
def _response(
    lam: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8
) -> tuple[float, float, int, int]:
    """Sum and slope at `lam`; how many units lie below their limits there, how many above."""
    n = U8(target_mw.shape[0])
    total = error = slope = 0.0
    below = above = 0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        block = 0.0
        block_slope = 0.0
        for i in range(first, end):
            y = target_mw[i] + lam * weight[i]
            x = _clip(y, lower_mw[i], upper_mw[i])
            block += x
            block_slope += weight[i] if x == y else 0.0
            below += y < lower_mw[i]
            above += y > upper_mw[i]
        error += _lost(total, block)
        total += block
        slope += block_slope
        first = end
    return total + error, slope, below, above


@kernel(several(b1, f8, f8, f8)(f8, f8, f8, f8, f8, f8, f8, IN, IN, IN, IN))
def _search(
    request_mw: float, rest_mw: float, rest_slope: float, anchor: float, lam: float, low: float,
    high: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
) -> tuple[bool, float, float, float]:  # fmt: skip
    """Solve for lam within [low, high], beginning at `lam`, for the undecided units.

    The others give `rest_mw` at `anchor`, and `rest_slope` per unit of lam. Returns whether the
    root is inside, the root (else the edge that it lies beyond), sum and slope there.
    """
    low_seen = high_seen = False
    width = high - low
    settled = False
    part, part_slope, below, above = _response(lam, target_mw, weight, lower_mw, upper_mw)
    for k in range(ROUNDS_MAX):
        total = rest_mw + (lam - anchor) * rest_slope + part
        slope = rest_slope + part_slope
        gap = request_mw - total
        if gap == 0.0 or settled:
            return True, lam, total, slope
        step = gap / slope if slope > 0.0 else gap
        if slope > 0.0 and lam + step == lam:
            return True, lam, total, slope  # no number lies between
        if gap > 0.0:
            if lam >= high:
                return False, lam, total, slope
            low = lam
            low_seen = True
        else:
            if lam <= low:
                return False, lam, total, slope
            high = lam
            high_seen = True
        after = lam + step
        newton = slope > 0.0 and low < after and after < high
        if k % 4 == 3:
            newton = newton and high - low <= 0.5 * width
            width = high - low
        if not newton:
            if gap > 0.0 and not high_seen:
                after = high
            elif gap < 0.0 and not low_seen:
                after = low
            else:
                after = low + 0.5 * (high - low)
                if not (low < after and after < high):
                    return True, lam, total, slope
        below_before, above_before = below, above
        lam = after
        part, part_slope, below, above = _response(lam, target_mw, weight, lower_mw, upper_mw)
        # The same units below and above as before the step: they are the same ones, because
        # both sets change one way only as lam moves. So the step was exact.
        settled = newton and below == below_before and above == above_before
    return True, lam, total, slope


@kernel()
def _ends(
    target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8
) -> tuple[float, float, float, float]:
    """First and last breakpoint of the fleet, and the sums of its limits (MW)."""
    n = U8(target_mw.shape[0])
    low = np.inf
    high = -np.inf
    lower_sum = upper_sum = 0.0
    lower_error = upper_error = 0.0
    for i in range(n):
        begin = (lower_mw[i] - target_mw[i]) / weight[i]
        end = (upper_mw[i] - target_mw[i]) / weight[i]
        low = min(begin, low)
        high = max(end, high)
        lower_error += _lost(lower_sum, lower_mw[i])
        lower_sum += lower_mw[i]
        upper_error += _lost(upper_sum, upper_mw[i])
        upper_sum += upper_mw[i]
    if n == 0:
        return 0.0, 0.0, 0.0, 0.0
    return low, high, lower_sum + lower_error, upper_sum + upper_error


@kernel()
def _respond(
    lam: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, out_mw: F8
) -> tuple[float, float, float]:
    """Write the response to `lam`; its sum in two parts and the sum of its magnitudes (MW)."""
    n = U8(target_mw.shape[0])
    total = error = size = 0.0
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        for i in range(first, end):
            out_mw[i] = _clip(target_mw[i] + lam * weight[i], lower_mw[i], upper_mw[i])
        while first < end:
            last = min(first + GROUP, end)
            group = 0.0
            group_size = 0.0
            for i in range(first, last):
                group += out_mw[i]
                group_size += abs(out_mw[i])
            error += _lost(total, group)
            total += group
            size += group_size
            first = last
    return total, error, size


@kernel()
def _write(
    request_mw: float, lam: float, slope: float, target_mw: F8, weight: F8, lower_mw: F8,
    upper_mw: F8, out_mw: F8,
) -> tuple[float, float, float, bool]:  # fmt: skip
    """Write the answer for `lam`, with Newton's last steps; lam, gap, its unit, was it met."""
    gap = unit = 0.0
    for k in range(WRITES_MAX):
        total, error, size = _respond(lam, target_mw, weight, lower_mw, upper_mw, out_mw)
        gap = (request_mw - total) - error
        unit = EPS * size
        # lam itself is rounded, which moves the sum by up to half an ulp of lam * slope.
        if abs(gap) <= 8.0 * (unit + EPS * abs(lam) * slope):
            return lam, gap, unit, True
        if slope > 0.0 and k < WRITES_MAX - 1:
            lam += gap / slope
    return lam, gap, unit, False


@kernel()
def _place(
    gap: float, unit: float, lam: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    out_mw: F8,
) -> float:  # fmt: skip
    """Put the rest of the sum on free units, then on any with room; the largest move (MW)."""
    largest = 0.0
    for anyone in range(2):
        for i in range(out_mw.shape[0]):
            if abs(gap) <= unit:
                return max(largest, abs(gap))
            y = target_mw[i] + lam * weight[i]
            if anyone == 1 or (lower_mw[i] <= y and y <= upper_mw[i]):
                before = out_mw[i]
                out_mw[i] = _clip(before + gap, lower_mw[i], upper_mw[i])
                move = out_mw[i] - before
                gap -= move
                largest = max(largest, abs(move))
    return max(largest, abs(gap))


@kernel(several(i8, f8, f8)(f8, IN, IN, IN, IN, f8, OUT))
def split_exact(
    request_mw: float, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8, lam0: float,
    out_mw: F8,
) -> tuple[int, float, float]:  # fmt: skip
    """Split `request_mw` over n units, each as near to its target as its cost allows.

    Parameters
    ----------
    request_mw : float
        What the units are to deliver together, MW, generation positive.
    target_mw, weight, lower_mw, upper_mw : ndarray(float64), shape (n,)
        Where each unit would like to be (MW; may lie outside the limits), 1 / cost of leaving
        it (> 0), and the limits of this tick (MW). Read only; not aliased with the outputs.
    lam0 : float
        First guess, the lam of the last tick; NaN where there is none.
    out_mw : ndarray(float64), shape (n,)
        The split, MW. Untouched when the status is BAD_INPUT. (On the way to the answer it
        holds the undecided units.)

    Returns
    -------
    status : int
        OK, UNSERVED_UP, UNSERVED_DOWN, or BAD_INPUT: a NaN or a magnitude above MAGNITUDE_MAX,
        lower > upper, a weight outside [WEIGHT_MIN, MAGNITUDE_MAX], or shapes that differ.
    lam : float
        The multiplier; where a request is not served, the breakpoint at which the last unit
        reaches its limit. NaN with BAD_INPUT.
    kkt_mw : float
        Largest violation of the optimality conditions: of `out = clip(target + lam * weight)`,
        and of the sum against what can be served. NaN with BAD_INPUT.
    """
    n = target_mw.shape[0]
    shapes = weight.shape[0] == n and lower_mw.shape[0] == n and upper_mw.shape[0] == n
    if not (shapes and out_mw.shape[0] == n):
        return BAD_INPUT, np.nan, np.nan
    lam = lam0 if abs(lam0) <= LAM_MAX else 0.0
    if n >= SAMPLE_MIN:
        lam = _sample(request_mw, lam, target_mw, weight, lower_mw, upper_mw)
    faulty, total, slope = _survey(lam, target_mw, weight, lower_mw, upper_mw)
    if faulty > 0 or not abs(request_mw) <= MAGNITUDE_MAX:
        return BAD_INPUT, np.nan, np.nan

    found = False
    for _ in range(WINDOWS_MAX):
        if found or not slope > 0.0:
            break
        # The window begins at lam, where sum and slope are known, and Newton's point is its
        # middle: [lam, lam + 2 * step].
        middle = lam + (request_mw - total) / slope
        reach = abs(middle - lam) * WIDER
        count = _gather(middle, reach, target_mw, weight, lower_mw, upper_mw, out_mw)
        if count >= 0:
            a, b, c, d = 0, n // 4, 2 * (n // 4), 3 * (n // 4)
            some_target_mw = out_mw[a : a + count]
            some_weight = out_mw[b : b + count]
            some_lower_mw = out_mw[c : c + count]
            some_upper_mw = out_mw[d : d + count]
            part, part_slope, _below, _above = _response(
                lam, some_target_mw, some_weight, some_lower_mw, some_upper_mw
            )
            found, lam, total, slope = _search(
                request_mw, total - part, slope - part_slope, lam,
                middle, middle - reach, middle + reach,
                some_target_mw, some_weight, some_lower_mw, some_upper_mw,
            )  # fmt: skip
        else:
            found, lam, total, slope = _search(
                request_mw, 0.0, 0.0, lam, middle, middle - reach, middle + reach,
                target_mw, weight, lower_mw, upper_mw,
            )  # fmt: skip

    gap = unit = 0.0
    if found:
        lam, gap, unit, found = _write(
            request_mw, lam, slope, target_mw, weight, lower_mw, upper_mw, out_mw
        )
    if not found:
        low, high, lower_sum, upper_sum = _ends(target_mw, weight, lower_mw, upper_mw)
        if request_mw >= upper_sum:
            _copy(upper_mw, out_mw)
            return UNSERVED_UP if request_mw > upper_sum else OK, high, 0.0
        if request_mw <= lower_sum:
            _copy(lower_mw, out_mw)
            return UNSERVED_DOWN if request_mw < lower_sum else OK, low, 0.0
        found, lam, total, slope = _search(
            request_mw, 0.0, 0.0, 0.0, _clip(lam, low, high), low, high,
            target_mw, weight, lower_mw, upper_mw,
        )  # fmt: skip
        lam, gap, unit, found = _write(
            request_mw, lam, slope, target_mw, weight, lower_mw, upper_mw, out_mw
        )
    kkt_mw = _place(gap, unit, lam, target_mw, weight, lower_mw, upper_mw, out_mw)
    return OK, lam, kkt_mw
