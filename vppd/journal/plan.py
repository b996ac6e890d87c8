"""Where each column of a tick stands, and how it is predicted: what the coder's kernels are given.

The header's `coding` names columns as `record.column`. What it names is coded first, in its order;
then the rest in the order of the layout, held against the tick before.
"""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from vppd.core.types import Params
from vppd.journal import coder
from vppd.journal.errors import LayoutError
from vppd.journal.layout import Block, Column
from vppd.journal.schema import Coding

ONE_VALUE: Final = {
    "count": coder.COUNT, "near": coder.NEAR, "shift": coder.SHIFT, "same": coder.SAME,
    "sum": coder.SUM, "less": coder.LESS, "times": coder.TIMES, "direct": coder.DIRECT,
}  # fmt: skip
OVER_UNITS: Final = {
    "noise": coder.NOISE, "since": coder.SINCE, "like": coder.LIKE, "move": coder.MOVE,
}  # fmt: skip
TAKES: Final = {  # how many columns
    "hold": (0, 1), "count": (0,), "near": (1,), "shift": (1,), "same": (1,), "sum": (3,),
    "less": (2,), "times": (3,), "direct": (0,), "noise": (1,), "since": (0, 1), "like": (2,),
    "move": (0,),
}  # fmt: skip
HOLD: Final = Coding("", "hold", "", ())
NO_GRID: Final = -1.0
WHOLE: Final = 0.0


class Plan:
    """The arrays that the kernels of `coder` take; see there.

    Parameters
    ----------
    blocks : sequence of Block
        Of Meta, Image and Kept, in the order in which they stand in a tick.
    coding : sequence of Coding
        How columns are predicted.
    params : Params
        Grids, kinds and ranges of the units.

    Raises
    ------
    LayoutError
        `coding` names a column that there is not, or one that cannot be predicted so.
    """

    def __init__(self, blocks: Sequence[Block], coding: Sequence[Coding], params: Params) -> None:
        n = len(params.ids)
        self._word: dict[str, int] = {}  # first word, or octet, of each column
        self._octet: dict[str, int] = {}
        self._code: dict[str, str] = {}
        scalars, columns = self._places(blocks)
        how = {c.column: c for c in coding}
        if len(how) != len(coding) or not set(how) <= {*scalars, *columns, *self._octet}:
            raise LayoutError("schema: coding names no column, or one twice")
        steps = params.steps_per_mw
        self._steps_per_mw = np.where((steps > 0.0) & np.isfinite(steps), steps, NO_GRID)
        self._scalars(self._sorted(scalars, how), how)
        self._columns(self._sorted(columns, how), how, n)
        self._octets(how, columns, n)
        base = self.n_scalars * coder.COLUMN
        self.column_base = base
        base += self.n_columns * coder.COLUMN
        first, second = (plan.size // 3 for plan in self.octets)
        self.octet_base = base, base + first * coder.OCTET
        self.tail_base = base + (first + second) * coder.OCTET
        self.contexts = self.tail_base + 256
        kinds = list(dict.fromkeys(params.kinds))
        self.group = np.array(
            [min(kinds.index(k), coder.KINDS_MAX - 1) for k in params.kinds], np.int64
        )
        with np.errstate(all="ignore"):  # a file may say anything
            span = (params.p_max_mw - params.p_min_mw) * steps
        self.span = np.where(np.isfinite(span) & (span > 0.0), span, 0.0)

    def _places(self, blocks: Sequence[Block]) -> tuple[list[str], list[str]]:
        """Note where each column stands; names of the scalars, and of those over the units."""
        scalars: list[str] = []
        columns: list[str] = []
        word = octet = 0
        for block in blocks:
            for name, column, at in block.places():
                key = f"{block.name.lower()}.{name}"
                self._code[key] = column.code if column is not None else "i8"
                if column is not None and column.code in ("u1", "b1"):
                    self._octet[key] = octet + at
                    continue
                self._word[key] = word + at
                (columns if _is_over_units(column) else scalars).append(key)
            word += block.n_words
            octet += block.n_octets
        return scalars, columns

    @staticmethod
    def _sorted(names: Sequence[str], how: dict[str, Coding]) -> list[str]:
        named = [name for name in how if name in set(names)]
        return named + [name for name in names if name not in how]

    def _scalars(self, names: Sequence[str], how: dict[str, Coding]) -> None:
        rows = []
        for j, name in enumerate(names):
            coding = how.get(name, HOLD)
            kind = _kind(name, coding, ONE_VALUE, () if coding.how == "hold" else names[:j])
            by_number = coding.how in ("near", "shift")
            by = [names.index(a) if by_number else self._word[a] for a in coding.by]
            rows.append([self._word[name], kind, *by, *[0] * (3 - len(by))])
        if "image.now_s" not in names:
            raise LayoutError("schema: there is no image.now_s")
        self.n_scalars = len(names)
        self.now = names.index("image.now_s")
        self.scalars = np.array(rows, np.int64).reshape(-1)
        self.scalar_steps = np.array([self._steps(name, how.get(name, HOLD)) for name in names])

    def _columns(self, names: Sequence[str], how: dict[str, Coding], n: int) -> None:
        rows, steps = [], [np.empty(0)]
        early = {name for name in self._octet if name.startswith("image.")}
        for j, name in enumerate(names):
            coding = how.get(name, HOLD)
            before = early if coding.how == "since" else {*names[:j]}
            if coding.how == "like":  # the first is that of the tick before
                before |= set(names)
            kind = _kind(name, coding, OVER_UNITS, before)
            place = self._octet if coding.how == "since" else self._word
            by = [place[a] for a in coding.by]
            rows.append([self._word[name], kind, *by, *[-1] * (2 - len(by))])
            per_unit = coding.steps == "unit"
            own = self._steps_per_mw if per_unit else np.full(n, self._steps(name, coding))
            steps.append(own)
        self.n_columns = len(names)
        self.columns = np.array(rows, np.int64).reshape(-1)
        self.column_steps = np.concatenate(steps)

    def _octets(self, how: dict[str, Coding], columns: Sequence[str], n: int) -> None:
        """Octets of the image before the words, those of the decision after them."""
        rows: tuple[list[list[int]], list[list[int]]] = ([], [])
        for name, at in self._octet.items():
            coding = how.get(name, HOLD)
            late = name.startswith("kept.")
            if coding.how != "hold" or len(coding.by) > late or not {*coding.by} <= {*columns}:
                raise LayoutError(f"schema: coding of {name}")
            along = self._word[coding.by[0]] if coding.by else -1
            rows[late].append([at, n if self._code[name] == "u1" else 1, along])
        self.octets = tuple(np.array(r, np.int64).reshape(-1) for r in rows)

    def _steps(self, name: str, coding: Coding) -> float:
        if self._code[name] == "i8":
            return WHOLE
        return float(coding.steps) if coding.steps and coding.steps != "unit" else NO_GRID


def _kind(name: str, coding: Coding, known: dict[str, int], before: Collection[str]) -> int:
    """Number of a prediction that takes what it needs from before."""
    kind = known.get(coding.how, coder.HOLD)
    fits = coding.how == "hold" or kind != coder.HOLD
    if not fits or len(coding.by) not in TAKES[coding.how] or not {*coding.by} <= {*before}:
        raise LayoutError(f"schema: coding of {name}: {coding.how} by {', '.join(coding.by)}")
    return kind


def _is_over_units(column: Column | None) -> bool:
    return column is not None and column.per == "n"
