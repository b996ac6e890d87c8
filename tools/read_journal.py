"""Read a segment of a journal: one line of JSON a tick. Uses nothing of vppd.

    python tools/read_journal.py SEGMENT.vppj [COLUMN …] > ticks.jsonl

Written from docs/journal.md, to show that it says enough, and to read what was received, asked,
told and measured without trusting the program that wrote it. Plain Python: some ten ticks of 200
units a second. Columns are named `record.column`; all without any. Checksums are checked, the hash
chain and signatures are not: that is what `tools/verify_journal.py` is for.
"""

import json
import math
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

HOLD, NOISE, SINCE, LIKE, MOVE = "hold", "noise", "since", "like", "move"
WHOLE_MAX = 1 << 52
NAN_BITS = 0x7FF8000000000000
LISTS = {"event_": "k", "past_": "p", "ahead_": "a", "when_": "w", "group_": "g", "promise_": "h"}
SIZE = {"f8": 8, "i8": 8, "u1": 1}


class Bits:
    """The arithmetic decoder. Contexts begin at one half; `key` names one."""

    def __init__(self) -> None:
        self.model: dict[Any, list[int]] = {}

    def begin(self, data: bytes) -> None:
        """Start with a payload."""
        self.data, self.at, self.range = data, 5, 1 << 40
        self.code = int.from_bytes((data[:5] + bytes(5))[:5], "big")

    def _fill(self) -> None:
        while self.range <= 1 << 32:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.code, self.at, self.range = self.code << 8 | byte, self.at + 1, self.range << 8

    def bit(self, *key: Any) -> int:
        """One bit in a context."""
        odds = self.model.setdefault(key, [1 << 15, 1 << 15])
        bound = (self.range >> 17) * (odds[0] + odds[1])
        one = self.code < bound
        if one:
            self.range = bound
            odds[0] += (65536 - odds[0]) >> 4
            odds[1] += (65536 - odds[1]) >> 7
        else:
            self.code, self.range = self.code - bound, self.range - bound
            odds[0] -= odds[0] >> 4
            odds[1] -= odds[1] >> 7
        self._fill()
        return int(one)

    def direct(self, width: int) -> int:
        """Bits that are as likely as any other."""
        self.range >>= width
        value, self.code = divmod(self.code, self.range)
        self._fill()
        return value

    def tree(self, width: int, *key: Any) -> int:
        """Bits, each in the context of those before it."""
        node = 1
        for _ in range(width):
            node = 2 * node + self.bit(*key, node)
        return node - (1 << width)

    def number(self, own: "Own", *key: Any) -> int:
        """A signed whole number."""
        bank = min(own.scale.bit_length(), 23)
        value = 0
        if not self.bit(*key, "zero", bank):
            negative = self.bit(*key, "sign", bank)
            length = self.tree(6, *key, "length", bank)
            value, left, node = 1, length, 0
            while left and node < 3:
                bit = self.bit(*key, "behind", length, node)
                value, left, node = 2 * value + bit, left - 1, 1 + bit if node == 0 else 3
            while left:
                width = min(left, 16)
                value, left = value << width | self.direct(width), left - width
            value = -value if negative else value
        own.scale += ((min(abs(value), 1 << 40) << 4) - own.scale) >> 4
        return value

    def raw(self, *key: Any) -> int:
        """64 bits as they are."""
        value = 0
        for k in range(7, -1, -1):
            value = value << 8 | self.tree(8, *key, "byte", k)
        return value


class Own:
    """What is remembered of a value: whole number, class, size of differences, mean, last move."""

    def __init__(self) -> None:
        self.whole = self.kind = self.scale = self.mean = self.moved = 0


def real(word: int) -> float:
    """Double of 64 bits."""
    return struct.unpack("<d", struct.pack("<Q", word))[0]


def word_of(x: float) -> int:
    """Bits of a double."""
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def signed(word: int) -> int:
    """Integer of 64 bits."""
    return word - (1 << 64) if word >> 63 else word


def bounded(k: int) -> int:
    """Cut to what may be a whole number."""
    return min(max(k, 1 - WHOLE_MAX), WHOLE_MAX - 1)


def sort(own: Own, word: int, steps: float) -> None:
    """Class of a word: 0 a whole number of steps, 1 the usual NaN, 2 any 64 bits."""
    own.kind = 2
    if steps == 0.0:
        if abs(signed(word)) < WHOLE_MAX:
            own.kind, own.whole = 0, signed(word)
    elif word == NAN_BITS:
        own.kind = 1
    elif steps > 0.0 and abs(real(word) * steps) < WHOLE_MAX:
        k = round(real(word) * steps)  # ties to even
        if k / steps == real(word) and (k or word == 0):
            own.kind, own.whole = 0, k


def decode_word(
    bits: Bits, own: Own, key: str, was: int, steps: float, expected: int, *, since: bool = False
) -> int:
    """A word that is not what it was guessed to be."""
    kind = own.kind
    if not bits.bit(key, "class", own.kind):
        first = (own.kind + 1) % 3
        kind = first if bits.bit(key, "other", own.kind) else (own.kind + 2) % 3
    if kind == 1:
        return NAN_BITS
    if kind == 2:
        return was ^ bits.raw(key)
    if not since:
        k = expected + bits.number(own, key)
    elif bits.bit(key, "step"):
        n = ((own.mean + 8) >> 4) + bits.number(own, key)
        own.mean += ((n << 4) - own.mean) >> 2
        k = expected + n * 10_000
    else:
        k = expected + signed(bits.raw(key))
    return k % (1 << 64) if steps == 0.0 else word_of(k / steps)


class Segment:
    """Decodes the ticks of one segment, in their order."""

    def __init__(self, head: dict[str, Any], params: dict[str, Any]) -> None:
        self.bits, self.head = Bits(), head
        self.n = len(params["ids"])
        self.coding = {row[0]: row[1:] for row in head["schema"]["coding"]}
        self.code: dict[str, str] = {}
        self.scalars: list[str] = []
        self.columns: list[str] = []
        self.octets: list[str] = []
        self.lists: list[tuple[str, list[tuple[str, str]]]] = []
        for record in ("meta", "image", "kept"):
            self._places(record, head["schema"][record])
        self.scalars = self._sorted(self.scalars)
        self.columns = self._sorted(self.columns)
        kinds = list(dict.fromkeys(params["kinds"]))
        self.group = [min(kinds.index(k), 7) for k in params["kinds"]]
        self.steps = [s if 0.0 < s < math.inf else -1.0 for s in params["steps_per_mw"]]
        spans = [
            (b - a) * s
            for a, b, s in zip(
                params["p_min_mw"], params["p_max_mw"], params["steps_per_mw"], strict=True
            )
        ]
        self.span = [s if 0.0 < s < math.inf else 0.0 for s in spans]
        self.was: dict[str, list[int]] = {name: [0] * self._size(name) for name in self.code}
        self.own = {k: [Own() for _ in v] for k, v in self.was.items()}

    def _places(self, record: str, columns: list[list[str]]) -> None:
        for start in LISTS.values():
            inside = [(f"{record}.{c}", code) for c, code, per in columns if per == start]
            if inside:
                inside.sort(key=lambda c: c[1] == "u1")
                name = f"{record}.#{inside[0][0].split('.')[1]}"
                self.lists.append((name, inside))
                self.code[name] = "i8"
                self.scalars.append(name)
        for wanted, per, to in (
            (("f8", "i8"), "", self.scalars), (("f8", "i8"), "n", self.columns),
            (("b1",), "", self.octets), (("u1",), "n", self.octets),
        ):  # fmt: skip
            for column, code, its in columns:
                if its == per and code in wanted:
                    self.code[f"{record}.{column}"] = code
                    to.append(f"{record}.{column}")

    def _sorted(self, names: list[str]) -> list[str]:
        named = [c for c in self.coding if c in names]
        return named + [c for c in names if c not in self.coding]

    def _size(self, name: str) -> int:
        return 1 if name in self.scalars or self.code[name] == "b1" else self.n

    def _steps(self, name: str, unit: int = 0) -> float:
        steps = self.coding.get(name, [HOLD, ""])[1]
        if self.code[name] == "i8":
            return 0.0
        return self.steps[unit] if steps == "unit" else float(steps) if steps else -1.0

    def tick(self, payload: bytes) -> dict[str, Any]:
        """All columns of the next tick."""
        self.bits.begin(payload)
        now: dict[str, list[int]] = {}
        self.before_us = self.own["image.now_s"][0].whole
        for name in self.scalars:
            now[name] = [self._scalar(name, now)]
        for name in [c for c in self.octets if not c.startswith("kept.")]:
            now[name] = self._octets(name, now)
        for name in self.columns:
            now[name] = self._column(name, now)
        for name in [c for c in self.octets if c.startswith("kept.")]:
            now[name] = self._octets(name, now)
        self.was = now
        return {**self._values(now), **self._tails(now)}

    def _scalar(self, name: str, now: dict[str, list[int]]) -> int:
        bits, own = self.bits, self.own[name][0]
        how, _, *by = self.coding.get(name, [HOLD, ""])
        was, last, steps = self.was[name][0], own.whole, self._steps(name)
        if how == "direct":
            word = 0
            for _ in range(4):
                word = word << 16 | bits.direct(16)
            return word
        values = [real(now[c][0]) for c in by]
        guess = was
        if how == "sum":
            guess = word_of((values[0] + values[1]) + values[2])
        elif how == "less":
            guess = word_of(values[0] - values[1])
        elif how == "times":
            guess = word_of(values[0] * (values[1] if values[0] >= 0.0 else values[2]))
        elif how == "same":
            guess = now[by[0]][0]
        if bits.bit(name, "guess"):
            word = guess
        else:
            expected = last
            if how in ("count", "shift"):
                expected = bounded(last + (own if how == "count" else self.own[by[0]][0]).moved)
            elif how == "near":
                expected = self.own[by[0]][0].whole
            word = decode_word(bits, own, name, was, steps, expected)
        sort(own, word, steps)
        own.moved = own.whole - last
        return word

    def _octets(self, name: str, now: dict[str, list[int]]) -> list[int]:
        bits, was = self.bits, self.was[name]
        along = self.coding.get(name, [HOLD, ""])[2:]
        if bits.bit(name, "all"):
            return list(was)
        out = []
        for i, old in enumerate(was):
            side = int(bool(along) and now[along[0]][i] != self.was[along[0]][i])
            same = bits.bit(name, "same", side, old)
            out.append(old if same else bits.tree(8, name, "value", side))
        return out

    def _column(self, name: str, now: dict[str, list[int]]) -> list[int]:
        bits, was = self.bits, self.was[name]
        how, _, *by = self.coding.get(name, [HOLD, ""])
        if how == HOLD and bits.bit(name, "all"):
            return list(was)
        out: list[int] = []
        moved, spans, flow = [0.0] * 8, [0.0] * 8, 0
        for i, own in enumerate(self.own[name]):
            expected, side, guess, g = own.whole, 0, was[i], self.group[i]
            if how == NOISE:
                expected = (own.mean + 8) >> 4
            if how in (HOLD, NOISE) and by:
                side = int(now[by[0]][i] != self.was[by[0]][i])
            elif how == SINCE:
                expected = self.before_us
                side = now[by[0]][i] & 3 if by else flow
            elif how == LIKE:
                guess = self.was[by[0]][i]
                side = int(now[by[1]][i] != self.was[by[1]][i])
            elif how == MOVE:
                side = 2 * g + flow
                if spans[g] > 0.0:
                    step = moved[g] / spans[g] * self.span[i]
                    if abs(step) < WHOLE_MAX:
                        expected = bounded(expected + round(step))
            flow = bits.bit(name, "guess", side)
            if flow:
                word = guess
            elif how == LIKE and bits.bit(name, "stays", side):
                word = was[i]
            else:
                since = how == SINCE
                word = decode_word(
                    bits, own, name, was[i], self._steps(name, i), expected, since=since
                )
            last = own.whole
            sort(own, word, self._steps(name, i))
            if how == NOISE and not flow:
                own.mean += ((own.whole << 4) - own.mean) >> 1
            elif how == MOVE and own.whole != last:
                moved[g] += own.whole - last
                spans[g] += self.span[i]
            out.append(word)
        return out

    def _values(self, now: dict[str, list[int]]) -> dict[str, Any]:
        turn: dict[str, Callable[[int], Any]] = {"f8": real, "i8": signed, "u1": int, "b1": bool}
        found = {}
        for name, words in now.items():
            values = [turn[self.code[name]](w) for w in words]
            one = name in self.scalars or self.code[name] == "b1"
            found[name] = values[0] if one else values
        return found

    def _tails(self, now: dict[str, list[int]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, columns in self.lists:
            k = signed(now[name][0])
            for column, code in columns:
                data = bytes(self.bits.tree(8, "tail") for _ in range(k * SIZE[code]))
                shape = {"f8": "d", "i8": "q", "u1": "B"}[code]
                found[column] = list(struct.unpack(f"<{k}{shape}", data))
        return found


def params_of(head: dict[str, Any], packed: bytes) -> dict[str, Any]:
    """Columns over the units of the Params, and the texts."""
    columns, found = head["schema"]["params"], dict(head["text"])
    n = len(found["ids"])
    lists = [
        s for s in LISTS.values() if any(per == s for _, code, per in columns if code != "text")
    ]
    at = 8 * (len(lists) + sum(per == "" and code in ("f8", "i8") for _, code, per in columns))
    for name, code, per in columns:
        if per == "n" and code in ("f8", "i8"):
            shape = "d" if code == "f8" else "q"
            found[name] = list(struct.unpack_from(f"<{n}{shape}", packed, at))
            at += 8 * n
    return found


def ticks(data: bytes) -> Iterator[dict[str, Any]]:
    """The ticks of a segment. ValueError where it does not hold."""
    magic, form, n_json, n_params = struct.unpack_from("<8sIIQ", data)
    if magic != b"VPPDJRNL" or form != 2:
        raise ValueError("not a segment of format 2")
    at = 76
    head = json.loads(data[at : at + n_json])
    at += n_json
    segment = Segment(head, params_of(head, data[at : at + n_params]))
    at += n_params
    while at + 60 <= len(data):
        first, (crc,) = data[at : at + 20], struct.unpack_from("<I", data, at + 56)
        _, kind, _, size, seq = struct.unpack("<4sHHIQ", first)
        payload = data[at + 60 : at + 60 + size]
        if zlib.crc32(first + data[at + 24 : at + 56] + payload) != crc:
            raise ValueError(f"record {seq} at byte {at} does not hold")
        at += 60 + size
        if kind == 1:
            yield segment.tick(payload)


def plain(value: Any) -> Any:
    """As JSON has it: what is not finite is null."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """Print the ticks of the segment that the command line names."""
    path, *wanted = sys.argv[1:]
    with open(path, "rb") as file:  # noqa: PTH123 - the plainest Python
        data = file.read()
    for tick in ticks(data):
        row = {k: plain(v) for k, v in tick.items() if not wanted or k in wanted}
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
