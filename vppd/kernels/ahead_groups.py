"""The search for the prices of `ahead.split_ahead` where units stand in groups.

Each trial's prices give every unit a centre; `tree` projects the fleet on the limits of units
and groups; `evaluate_groups` takes the gaps and the Jacobian of that, and
`ahead_search.advance` decides as for a fleet without groups.

A group that is held at a limit passes on no change of prices: what its free units would move
together is taken back, in proportion to their weights. So it takes from the Jacobian
`(sum weight gain_k) (sum weight gain_m) / sum weight`, over its free units without those of a
group below it that is held too.
"""

import numpy as np

from vppd.kernels import ahead_search, tree
from vppd.kernels.jit import F8, I8, IN, IN_2D, IN_I8, OUT, OUT_2D, entry, f8, kernel, void

ROUNDS_MAX = 1000
POLISH_ROUNDS = 3
U8 = np.uint64
BLOCK = U8(64)
LANE = U8(16)

# Rows of `state` in `ahead_search` and of `room` in `tree`, typed again: Numba's cache does not
# see a change there. A test compares them.
STEP = 1
TRIAL = 2
GAP = 3
JACOBIAN = 6
MORE = 30
ANCHOR = 31
DIAGONAL = 32
HELD = 34
VALUE = 0
STIFF = 4
GO_ON = 0
LOW = 0
HIGH = 1
NU = 4
SIDE = 6
SUM = 8
# Rows of `pull`, one number for each group.
NEAR = 0  # itself, or the next group above, that is held at a limit; -1 if none is
FREE = 1  # weight of the free units that it is the next held group of
REST = 2  # what its sum lacks, MW
GAIN = 3  # 8 rows: FREE, times the gain of each point
PULL_ROWS = 11


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


@kernel(void(IN_2D, IN, IN, OUT_2D, OUT, OUT))
def set_centres(gain: F8, target_mw: F8, weight: F8, state: F8, block: F8, centre_mw: F8) -> None:
    """Write where each unit would go for the prices of the trial, MW."""
    n = U8(target_mw.shape[0])
    values = block[0:64]
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        _pay(first, end, gain, state[TRIAL], values)
        for j in range(end - first):
            centre_mw[first + j] = target_mw[first + j] + weight[first + j] * values[j]
        first = end


@kernel()
def _find_near(parent: I8, room: F8, pull: F8) -> None:
    for g in range(parent.shape[0]):
        above = pull[NEAR, parent[g]] if parent[g] >= 0 else -1.0
        pull[NEAR, g] = float(g) if room[SIDE, g] != 0.0 else above
        for r in range(FREE, PULL_ROWS):
            pull[r, g] = 0.0


@kernel()
def _add_pull(
    first: np.uint64, end: np.uint64, gain: F8, unit_group: I8, some_weight: F8, pull: F8
) -> None:
    """Add the free units of a block to their held groups."""
    for j in range(end - first):
        g = unit_group[first + j]
        near = int(pull[NEAR, g]) if g >= 0 else -1
        if near >= 0 and some_weight[j] > 0.0:
            pull[FREE, near] += some_weight[j]
            for k in range(gain.shape[0]):
                pull[GAIN + k, near] += some_weight[j] * gain[k, first + j]


@kernel()
def _close_sums(wanted_mw: F8, softness: F8, room: F8, pull: F8, state: F8, lost: F8) -> None:
    """Make gaps of the sums that the units give; what groups and points change in Jacobian."""
    stiff = state[MORE, STIFF]
    for k in range(wanted_mw.shape[0]):
        price = state[TRIAL, k]
        hard = softness[k] == 0.0
        soft = softness[k] * price
        held = stiff * (price - state[ANCHOR, k]) if hard else 0.0
        state[GAP, k] = ((state[GAP, k] - wanted_mw[k]) + lost[k]) + (soft + held)
        state[JACOBIAN + k, k] += stiff if hard else softness[k]
        state[DIAGONAL, k] = state[JACOBIAN + k, k]
        state[MORE, VALUE] += 0.5 * soft * price - wanted_mw[k] * price
        state[MORE, VALUE] += 0.5 * held * (price - state[ANCHOR, k])
        state[HELD, k] = 0.0
        for g in range(pull.shape[1]):
            state[HELD, k] += abs(pull[GAIN + k, g]) * abs(room[NU, g])
        for m in range(k + 1):
            for g in range(pull.shape[1]):
                if pull[FREE, g] > 0.0:
                    part = pull[GAIN + k, g] * (pull[GAIN + m, g] / pull[FREE, g])
                    state[JACOBIAN + k, m] -= part


@kernel(
    void(IN, IN, IN_2D, IN, IN, IN, IN, IN_I8, IN_I8, IN, IN_2D, IN, OUT_2D, OUT_2D, OUT)
)  # fmt: skip
def evaluate_groups(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    unit_group: I8, parent: I8, centre_mw: F8, room: F8, out_mw: F8, pull: F8, state: F8, block: F8,
) -> None:  # fmt: skip
    """Gaps and Jacobian at the trial, and the value of the dual, of the answer in `out_mw`."""
    n = U8(target_mw.shape[0])
    values, some_weight, spare = block[0:64], block[64:128], block[128:192]
    lost, ones, gap = block[192:200], block[200:264], state[GAP]
    value = value_lost = 0.0
    for k in range(gain.shape[0]):
        gap[k] = lost[k] = 0.0
        for m in range(k + 1):
            state[JACOBIAN + k, m] = 0.0
    _find_near(parent, room, pull)
    first = U8(0)
    while first < n:
        end = min(first + BLOCK, n)
        _pay(first, end, gain, state[TRIAL], spare)
        for j in range(end - first):
            i = first + j
            g = unit_group[i]
            y = centre_mw[i] + weight[i] * (room[NU, g] if g >= 0 else 0.0)
            x = out_mw[i]
            values[j] = x
            some_weight[j] = weight[i] if lower_mw[i] <= y and y <= upper_mw[i] else 0.0
            off = x - target_mw[i]
            spare[j] = spare[j] * x - 0.5 * off * off / weight[i]
        part = _dot(ones, U8(0), end - first, spare)
        value_lost += _lost(value, part)
        value += part
        _products(first, end, gain, values, some_weight, spare, gap, lost, state[JACOBIAN:])
        _add_pull(first, end, gain, unit_group, some_weight, pull)
        first = end
    state[MORE, VALUE] = value + value_lost
    _close_sums(wanted_mw, softness, room, pull, state, lost)


@kernel()
def _find_rests(unit_group: I8, parent: I8, out_mw: F8, room: F8, pull: F8) -> None:
    """What the sums of the held groups lack, if those below them lack nothing."""
    groups = parent.shape[0]
    for g in range(groups):
        room[SUM, g] = 0.0
    for i in range(unit_group.shape[0]):
        if unit_group[i] >= 0:
            room[SUM, unit_group[i]] += out_mw[i]
    for back in range(groups):
        g = groups - 1 - back
        total = room[SUM, g]
        if room[SIDE, g] != 0.0:
            limit = room[HIGH, g] if room[SIDE, g] > 0.0 else room[LOW, g]
            pull[REST, g] = limit - total
            total = limit
        if parent[g] >= 0:
            room[SUM, parent[g]] += total


@kernel(f8(IN_2D, IN, IN, IN, IN_I8, IN_I8, IN, OUT_2D, OUT, OUT_2D, OUT_2D))
def move_groups(
    gain: F8, weight: F8, lower_mw: F8, upper_mw: F8, unit_group: I8, parent: I8, centre_mw: F8,
    room: F8, out_mw: F8, pull: F8, state: F8,
) -> float:  # fmt: skip
    """Move the free units by STEP, which is too small to be added to prices, and by what the
    sums of their held groups lack; the largest move, MW.
    """
    points = gain.shape[0]
    largest = 0.0
    _find_rests(unit_group, parent, out_mw, room, pull)
    for i in range(weight.shape[0]):
        g = unit_group[i]
        y = centre_mw[i] + weight[i] * (room[NU, g] if g >= 0 else 0.0)
        if not (lower_mw[i] <= y and y <= upper_mw[i]):
            continue
        pay = 0.0
        for k in range(points):
            pay += gain[k, i] * state[STEP, k]
        near = int(pull[NEAR, g]) if g >= 0 else -1
        if near >= 0:
            taken = -pull[REST, near]
            for k in range(points):
                taken += pull[GAIN + k, near] * state[STEP, k]
            pay -= taken / pull[FREE, near]
        before = out_mw[i]
        out_mw[i] = _clip(before + weight[i] * pay, lower_mw[i], upper_mw[i])
        largest = max(largest, abs(out_mw[i] - before))
    return largest


_set_centres, _evaluate_groups = entry(set_centres), entry(evaluate_groups)
_move_groups, _answer_groups = entry(move_groups), entry(tree.answer_groups)
_advance, _correct = entry(ahead_search.advance), entry(ahead_search.correct)


def search_prices_of_groups(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    unit_group: I8, parent: I8, centre_mw: F8, room: F8, out_mw: F8, pull: F8, state: F8, block: F8,
) -> int:  # fmt: skip
    """Find the prices of a fleet with groups; how many rounds it took."""
    what = GO_ON
    rounds = 0
    while what == GO_ON and rounds < ROUNDS_MAX:
        _set_centres(gain, target_mw, weight, state, block, centre_mw)
        _answer_groups(unit_group, parent, centre_mw, weight, lower_mw, upper_mw, room, out_mw)
        _evaluate_groups(
            wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, unit_group, parent,
            centre_mw, room, out_mw, pull, state, block,
        )  # fmt: skip
        rounds += 1
        what = _advance(softness, state)
    return rounds


def polish(
    wanted_mw: F8, softness: F8, gain: F8, target_mw: F8, weight: F8, lower_mw: F8, upper_mw: F8,
    unit_group: I8, parent: I8, centre_mw: F8, room: F8, out_mw: F8, pull: F8, state: F8, block: F8,
) -> float:  # fmt: skip
    """Put what rounding has left on free units, where it is worth it; how far they moved, MW."""
    moved_mw = 0.0
    for _ in range(POLISH_ROUNDS):
        if not _correct(softness, state):
            break
        _set_centres(gain, target_mw, weight, state, block, centre_mw)
        moved_mw += _move_groups(
            gain, weight, lower_mw, upper_mw, unit_group, parent, centre_mw, room, out_mw, pull,
            state,
        )  # fmt: skip
        _evaluate_groups(
            wanted_mw, softness, gain, target_mw, weight, lower_mw, upper_mw, unit_group, parent,
            centre_mw, room, out_mw, pull, state, block,
        )  # fmt: skip
    return moved_mw
