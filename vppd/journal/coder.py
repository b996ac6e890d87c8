"""Entropy coder of ticks: adaptive binary arithmetic coding, columns against predictions.

One function both ways: `code[WAY]` says whether bits go into `data` or come from it, so writer and
reader cannot differ. Whole numbers but for grids and one proportion, single IEEE operations: the
same bytes on every machine. docs/journal.md tells it step by step. Whatever the bytes, decoding
ends, stays within its arrays, and gives words; what no writer can have meant sets `code[BAD]`.
"""

import numpy as np
from numpy.typing import NDArray

from vppd.kernels.jit import F8, I8, IN, IN_I8, IN_U1, OUT, OUT_I8, OUT_U1, U1, i8, kernel
from vppd.kernels.kinds import Array

U2 = NDArray[np.uint16]
OUT_U2 = Array(np.dtype(np.uint16), 1, readonly=False)

# `code`: state of the coder
LOW, RANGE, AT, WAY, BAD, SIZE = 0, 1, 2, 3, 4, 5
CODE_SIZE = 6
TOP, BOTTOM = 1 << 40, 1 << 32  # BOTTOM < range <= TOP
HALF = 1 << 15  # a probability of one half
ONE = np.uint64(1)

# How a column is predicted. The numbers are part of the format: append only.
HOLD, NOISE, SINCE, LIKE, MOVE = range(5)  # over the units
COUNT, NEAR, SHIFT, SAME, SUM, LESS, TIMES, DIRECT = range(5, 13)  # one value

# Contexts of one column, two numbers each
BANKS = 24  # by how large the last numbers were
BANK = 2 + 64  # zero, sign, tree of lengths
NUMBER = BANKS * BANK + 3 * 64  # and for all banks two bits behind the leading one, by length
FLAGS = 64
BYTES = 8 * 256
COLUMN = FLAGS + BYTES + NUMBER
OCTET = 4 + 2 * 256 + 2 * 256  # all the same, the same, tree

WHOLE_MAX = 1 << 52
LENGTH_MAX = 54
GRID, NAN, RAW = 0, 1, 2  # classes of words
NAN_BITS = 0x7FF8000000000000
STEP_US, STEPS_MAX = 10_000, 1 << 40  # of instants
KINDS_MAX = 8


@kernel()
def _renorm(code: I8, data: U1) -> None:
    """Move whole bytes between the state and the data."""
    while code[RANGE] <= BOTTOM:
        at = code[AT]
        if code[WAY]:
            byte = np.int64(data[at]) if at < code[SIZE] else 0
            code[LOW] = (code[LOW] << 8) | byte
        else:
            if at >= code[SIZE]:
                code[BAD] = 1
                return
            data[at] = (code[LOW] >> 32) & 255
            code[LOW] = (code[LOW] & (BOTTOM - 1)) << 8
        code[AT] = at + 1
        code[RANGE] <<= 8


@kernel()
def _add(code: I8, data: U1, value: int) -> None:
    """Add to the lower end; a carry goes into the bytes that are written."""
    code[LOW] += value
    if code[LOW] >= TOP:
        code[LOW] -= TOP
        at = code[AT] - 1
        while at > 0 and data[at] == 255:
            data[at] = 0
            at -= 1
        data[at] += 1


@kernel()
def _bit(code: I8, data: U1, model: U2, at: int, bit: int) -> int:
    """Code one bit in context `at`; the bit."""
    i = np.uint64(2 * at)  # is never below 0: nothing has to look
    fast, slow = int(model[i]), int(model[i + ONE])
    span = code[RANGE]
    bound = (span >> 17) * (fast + slow)  # of a one, 17 bits
    if code[WAY]:
        bit = 1 if code[LOW] < bound else 0
    if bit:
        span = bound
        fast += (65536 - fast) >> 4
        slow += (65536 - slow) >> 7
    else:
        if code[WAY]:
            code[LOW] -= bound
        else:
            _add(code, data, bound)
        span -= bound
        fast -= fast >> 4
        slow -= slow >> 7
    model[i], model[i + ONE] = fast, slow
    code[RANGE] = span
    if span <= BOTTOM:
        _renorm(code, data)
    return bit


@kernel()
def _direct(code: I8, data: U1, width: int, value: int) -> int:
    """Code up to 16 bits that are as likely as any other; the value."""
    share = code[RANGE] >> width
    if code[WAY]:
        value = code[LOW] // share
        if value >> width:  # in the rest of the division, where no writer goes
            code[BAD], code[LOW], value = 1, 0, 0
        code[LOW] -= value * share
    else:
        _add(code, data, value * share)
    code[RANGE] = share
    if code[RANGE] <= BOTTOM:
        _renorm(code, data)
    return value


@kernel()
def _tree(code: I8, data: U1, model: U2, base: int, width: int, value: int) -> int:
    """Code `width` bits, each in the context of those before it; the value."""
    node = 1
    for k in range(width - 1, -1, -1):
        node = 2 * node + _bit(code, data, model, base + node, (value >> k) & 1)
    return node - (1 << width)


@kernel()
def _length(value: int) -> int:
    """Bits of a whole number that is not negative."""
    n = 0
    while value >> n > 0:
        n += 1
    return n


@kernel()
def _number(code: I8, data: U1, model: U2, base: int, scale: I8, at: int, value: int) -> int:
    """Code a signed whole number in the bank of how large the last ones at `at` were; the number.

    Zero, sign, length, two bits behind the leading one, and the rest as it is.
    """
    behind = base + BANKS * BANK
    base += min(_length(scale[at]), BANKS - 1) * BANK
    size = 0
    if not _bit(code, data, model, base, 1 if value == 0 else 0):
        negative = _bit(code, data, model, base + 1, 1 if value < 0 else 0)
        size = -value if value < 0 else value
        length = 0 if code[WAY] else _length(size) - 1
        length = _tree(code, data, model, base + 2, 6, length)
        if length > LENGTH_MAX:
            code[BAD] = 1
            length = 0
        top, left, node = 1, length, 0
        while left > 0 and node < 3:
            bit = _bit(code, data, model, behind + 3 * length + node, (size >> (left - 1)) & 1)
            node = 1 + bit if node == 0 else 3
            top = 2 * top + bit
            left -= 1
        while left > 0:
            width = min(left, 16)
            left -= width
            mask = (1 << width) - 1
            top = (top << width) | _direct(code, data, width, (size >> left) & mask)
        size = top
        value = -size if negative else size
    else:
        value = 0
    scale[at] += ((min(size, 1 << 40) << 4) - scale[at]) >> 4
    return value


@kernel()
def _raw(code: I8, data: U1, model: U2, base: int, value: int) -> int:
    """Code 64 bits, byte by byte from the highest."""
    out = 0
    for k in range(7, -1, -1):
        out = (out << 8) | _tree(code, data, model, base + 256 * k, 8, (value >> (8 * k)) & 255)
    return out


@kernel()
def _bounded(value: int) -> int:
    return min(max(value, 1 - WHOLE_MAX), WHOLE_MAX - 1)


@kernel()
def _sort(words: I8, floats: F8, at: int, per: float, whole: I8, kind: I8, to: int) -> None:
    """Say what a word is: a whole number of steps, the usual NaN, or 64 bits.

    The whole number stays as it is where the word is none. `per`: steps in 1; 0: the word is a
    whole number itself; less: it has no grid.
    """
    word = words[at]
    kind[to] = RAW
    if per == 0.0:
        if -WHOLE_MAX < word < WHOLE_MAX:
            kind[to], whole[to] = GRID, word
    elif word == NAN_BITS:
        kind[to] = NAN
    elif per > 0.0 and abs(floats[at] * per) < WHOLE_MAX:
        steps = np.rint(floats[at] * per)
        if steps / per == floats[at] and (steps != 0.0 or word == 0):
            kind[to], whole[to] = GRID, np.int64(steps)


@kernel()
def _class(code: I8, data: U1, model: U2, base: int, before: int, now: int) -> int:
    """Code a class in the context of the last one."""
    if _bit(code, data, model, base + before, 1 if now == before else 0):
        return before
    first, second = (before + 1) % 3, (before + 2) % 3
    return first if _bit(code, data, model, base + 3 + before, 1 if now == first else 0) else second


@kernel()
def _place(code: I8, words: I8, floats: F8, at: int, per: float, whole: int) -> None:
    """Write a whole number of steps as the word that it is."""
    if not -WHOLE_MAX < whole < WHOLE_MAX:
        code[BAD] = 1
        whole = 0
    if per == 0.0:
        words[at] = whole
    else:
        floats[at] = whole / per


@kernel()
def _since(
    code: I8, data: U1, model: U2, base: int, since: int, scale: I8, mean: I8, to: int
) -> int:
    """Code microseconds, which are nearly always whole steps, and about as many as usual."""
    if _bit(code, data, model, base + 9, 1 if since % STEP_US == 0 else 0):
        usual = (mean[to] + 8) >> 4
        steps = _number(
            code, data, model, base + FLAGS + BYTES, scale, to, since // STEP_US - usual
        )
        steps = min(max(usual + steps, -STEPS_MAX), STEPS_MAX)
        mean[to] += ((steps << 4) - mean[to]) >> 2
        whole_us: int = steps * STEP_US
        return whole_us
    return _raw(code, data, model, base + FLAGS, since)


@kernel()
def _word(
    code: I8, data: U1, model: U2, base: int, words: I8, floats: F8, was: int, at: int,
    per: float, how: int, expected: int, whole: I8, kind: I8, scale: I8, mean: I8, to: int,
) -> None:  # fmt: skip
    """Code a word that is not what was expected; `was`: the one before, for 64 bits as they are."""
    last_kind, last = kind[to], whole[to]
    if not code[WAY]:
        _sort(words, floats, at, per, whole, kind, to)
    found = _class(code, data, model, base, last_kind, kind[to])
    if found == GRID:
        number = whole[to] - expected  # may be twice as large as a whole number
        if how == SINCE:
            number = _since(code, data, model, base, number, scale, mean, to)
        else:
            number = _number(code, data, model, base + FLAGS + BYTES, scale, to, number)
        _place(code, words, floats, at, per, expected + number)
    elif found == NAN:
        words[at] = NAN_BITS
    else:
        words[at] = was ^ _raw(code, data, model, base + FLAGS, words[at] ^ was)
    kind[to], whole[to] = found, last


@kernel()
def _guess(words: I8, floats: F8, how: int, a: int, b: int, c: int, bits: I8, value: F8) -> None:
    """Write what a scalar follows from: into bits[0], which is value[0] as well."""
    if how == SUM:
        value[0] = (floats[a] + floats[b]) + floats[c]
    elif how == LESS:
        value[0] = floats[a] - floats[b]
    elif how == TIMES:
        value[0] = floats[a] * (floats[b] if floats[a] >= 0.0 else floats[c])
    elif how == SAME:
        bits[0] = words[a]


@kernel(
    i8(
        OUT_I8, OUT_U1, OUT_U2, IN_I8, IN, OUT_I8, OUT, IN_I8, OUT_I8, OUT_I8, OUT_I8, OUT_I8,
        OUT_I8, OUT,
    )
)  # fmt: skip
def code_scalars(
    code: I8, data: U1, model: U2, plan: I8, per: F8, words: I8, floats: F8, before: I8,
    whole: I8, kind: I8, scale: I8, moved: I8, guess_bits: I8, guess: F8,
) -> int:  # fmt: skip
    """Code the scalars of a tick. Returns 1 where the data are no tick's.

    Parameters
    ----------
    code, data, model : state, bytes and contexts
    plan : shape (5 s,)
        Of each scalar: its word; how it is predicted; the words a, b, c of that (SHIFT and NEAR: a
        is the number of a scalar that came before).
    per : shape (s,)
        Steps of its grid in 1; 0: a whole number; less: no grid.
    words, floats, before : shape (size,)
        The words of the tick, twice the same bytes, written when decoding; of the tick before.
    whole, kind, scale, moved : shape (s,), written
        Whole number and class of each; how large its last differences were; how far the whole
        number went in the last tick.
    guess_bits, guess : shape (1,), written
        Room, twice the same bytes.
    """
    for j in range(per.shape[0]):
        at, how, a = plan[5 * j], plan[5 * j + 1], plan[5 * j + 2]
        base, last, expected = j * COLUMN, whole[j], whole[j]
        if how == DIRECT:
            word = 0
            for k in range(48, -1, -16):
                word = (word << 16) | _direct(code, data, 16, (words[at] >> k) & 0xFFFF)
            words[at] = word
            continue
        guess_bits[0] = before[at]
        _guess(words, floats, how, a, plan[5 * j + 3], plan[5 * j + 4], guess_bits, guess)
        if _bit(code, data, model, base + 8, 1 if words[at] == guess_bits[0] else 0):
            words[at] = guess_bits[0]
        else:
            if how in (COUNT, SHIFT):
                expected = _bounded(last + moved[j if how == COUNT else a])
            elif how == NEAR:
                expected = whole[a]
            _word(
                code, data, model, base, words, floats, before[at], at, per[j], how, expected,
                whole, kind, scale, scale, j,
            )  # fmt: skip
        _sort(words, floats, at, per[j], whole, kind, j)
        moved[j] = whole[j] - last
    return int(code[BAD])


@kernel(
    i8(OUT_I8, OUT_U1, OUT_U2, IN_I8, i8, OUT_U1, IN_U1, IN_I8, IN_I8)
)  # fmt: skip
def code_octets(
    code: I8, data: U1, model: U2, plan: I8, base: int, octets: U1, before: U1, words: I8,
    words_before: I8,
) -> int:  # fmt: skip
    """Code the columns of octets of a tick. Returns 1 where the data are no tick's.

    Parameters
    ----------
    plan : shape (3 c,)
        Of each column: its first octet, its length, and the first word of the column of words
        whose changes it goes with, or -1.
    base : int
        Context of the first.
    octets, before : shape (size,)
        Of the tick, written when decoding, and of the tick before.
    """
    for j in range(plan.shape[0] // 3):
        start, length, along = plan[3 * j], plan[3 * j + 1], plan[3 * j + 2]
        own = base + j * OCTET
        same = 1
        for i in range(start, start + length):
            same = same if octets[i] == before[i] else 0
        if _bit(code, data, model, own, same):
            for i in range(start, start + length):
                octets[i] = before[i]
            continue
        for i in range(length):
            was = int(before[start + i])
            side = 1 if along >= 0 and words[along + i] != words_before[along + i] else 0
            value = int(octets[start + i])
            if _bit(code, data, model, own + 4 + 256 * side + was, 1 if value == was else 0):
                octets[start + i] = np.uint8(was)
            else:
                octets[start + i] = np.uint8(
                    _tree(code, data, model, own + 516 + 256 * side, 8, value)
                )
    return int(code[BAD])


@kernel(
    i8(
        OUT_I8, OUT_U1, OUT_U2, IN_I8, i8, IN, OUT_I8, OUT, IN_I8, OUT_U1, OUT_I8, OUT_I8, OUT_I8,
        OUT_I8, i8, IN_I8, IN, OUT,
    )
)  # fmt: skip
def code_units(
    code: I8, data: U1, model: U2, plan: I8, base: int, per: F8, words: I8, floats: F8,
    before: I8, octets: U1, whole: I8, kind: I8, scale: I8, mean: I8, before_us: int,
    group: I8, span: F8, trend: F8,
) -> int:  # fmt: skip
    """Code the columns of words over n units. Returns 1 where the data are no tick's.

    Parameters
    ----------
    plan : shape (4 c,)
        Of each column: its first word; how it is predicted; two first words or octets for that.
    base : int
        Context of the first.
    per : shape (c n,)
        Steps of each grid in 1; 0: a whole number; less: no grid.
    words, floats, before, octets
        As in `code_scalars` and `code_octets`.
    whole, kind, scale, mean : shape (c n,), written
        Whole number and class of each; how large its last differences were; running mean.
    before_us : int
        Instant of the tick before.
    group, span : shape (n,)
        Which units move alike, 0 … KINDS_MAX - 1; how far each can, in steps.
    trend : shape (2 KINDS_MAX,), written
        Room: sums of the moves of this tick, and of the spans of those that moved.
    """
    n = group.shape[0]
    for j in range(plan.shape[0] // 4):
        start, how, a, b = plan[4 * j], plan[4 * j + 1], plan[4 * j + 2], plan[4 * j + 3]
        own = base + j * COLUMN
        if how == HOLD:
            same = 1
            for i in range(start, start + n):
                same = same if words[i] == before[i] else 0
            if _bit(code, data, model, own + 10, same):
                for i in range(start, start + n):
                    words[i] = before[i]
                continue
        for k in range(2 * KINDS_MAX):
            trend[k] = 0.0
        flow = 0
        for i in range(n):
            at, to = start + i, j * n + i
            expected, side, guess = whole[to], 0, before[at]
            if how == NOISE:
                expected = (mean[to] + 8) >> 4
            if how in (HOLD, NOISE) and a >= 0:
                side = 1 if words[a + i] != before[a + i] else 0
            elif how == SINCE:
                expected = before_us
                side = int(octets[a + i]) & 3 if a >= 0 else flow
            elif how == LIKE:
                guess = before[a + i]
                side = 1 if words[b + i] != before[b + i] else 0
            elif how == MOVE:
                g = group[i]
                side = 2 * g + flow
                if trend[2 * g + 1] > 0.0:
                    share = trend[2 * g] / trend[2 * g + 1]
                    step = np.rint(share * span[i])
                    if abs(step) < WHOLE_MAX:
                        expected = _bounded(expected + np.int64(step))
            hit = _bit(code, data, model, own + 16 + side, 1 if words[at] == guess else 0)
            flow = hit
            if hit:
                words[at] = guess
                known = guess == before[at]
            elif how == LIKE and _bit(
                code, data, model, own + 12 + side, 1 if words[at] == before[at] else 0
            ):
                words[at] = before[at]
                known = True
            else:
                _word(
                    code, data, model, own, words, floats, before[at], at, per[to], how, expected,
                    whole, kind, scale, mean, to,
                )  # fmt: skip
                known = False
            if known and (kind[to] != GRID or per[to] >= 0.0):
                continue  # the word, and so what it is, was there a tick ago; but for the first 0
            last = whole[to]
            _sort(words, floats, at, per[to], whole, kind, to)
            if how == NOISE and not hit:
                mean[to] += ((whole[to] << 4) - mean[to]) >> 1
            elif how == MOVE and whole[to] != last:
                trend[2 * group[i]] += whole[to] - last
                trend[2 * group[i] + 1] += span[i]
    return int(code[BAD])


@kernel(i8(OUT_I8, OUT_U1, OUT_U2, i8, OUT_U1))
def code_bytes(code: I8, data: U1, model: U2, base: int, tail: U1) -> int:
    """Code bytes of no known meaning."""
    for i in range(tail.shape[0]):
        tail[i] = np.uint8(_tree(code, data, model, base, 8, int(tail[i])))
    return int(code[BAD])


@kernel(i8(OUT_I8, OUT_U1, i8))
def begin(code: I8, data: U1, decoding: int) -> int:
    """Set up for a payload in data[: code[SIZE]], or one to be written there."""
    code[LOW], code[RANGE], code[AT], code[WAY], code[BAD] = 0, TOP, 0, decoding, 0
    if decoding:
        for k in range(5):
            code[LOW] = (code[LOW] << 8) | (np.int64(data[k]) if k < code[SIZE] else 0)
        code[AT] = 5
    return 0


@kernel(i8(OUT_I8, OUT_U1))
def end(code: I8, data: U1) -> int:
    """Finish a payload. Writing: its length. Reading: 0, or 1 where the data are no tick's."""
    if code[WAY]:
        size = int(code[SIZE])
        extra = size > code[AT] - 4 or (size > 0 and data[size - 1] == 0)
        return 1 if extra or code[BAD] else 0
    _add(code, data, BOTTOM - 1)
    if code[AT] >= code[SIZE]:
        code[BAD] = 1
        return 0
    data[code[AT]] = code[LOW] >> 32
    size = int(code[AT]) + 1
    while size > 0 and data[size - 1] == 0:
        size -= 1
    return size
