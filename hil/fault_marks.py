"""Marks in one lane of the plot of faults: lines from begin to end, points where there is none."""

import numpy as np
from numpy.typing import NDArray

Objects = NDArray[np.object_]
Mark = tuple[float, float, str]  # since s, until s, unit

POINTS_MAX = 1000  # in one lane; beyond that those of a second, or of a column, are drawn as one
NAMES_MAX = 4  # of units at one point
CROWDED = f"Of more than {POINTS_MAX:,}, one mark stands for those of a second, or of a column."


def drawn(marks: list[Mark]) -> tuple[Objects, Objects]:
    """Instants and texts of the line that draws the marks of one lane; None lifts the pen."""
    points = [mark for mark in marks if mark[0] == mark[1]]
    lines = [mark for mark in marks if mark[0] != mark[1]]
    if is_crowded(marks):
        points = _by_column(points)
    x = [v for since, until, _ in lines for v in (since, until, None)]
    text = [v for _, _, told in lines for v in (told, told, None)]
    x += [v for since, _, _ in points for v in (since, None)]
    text += [v for _, _, told in points for v in (told, None)]
    return np.array(x, dtype=object), np.array(text, dtype=object)


def is_crowded(marks: list[Mark]) -> bool:
    """Say whether there are too many points to draw each one."""
    return sum(since == until for since, until, _ in marks) > POINTS_MAX


def _by_column(points: list[Mark]) -> list[Mark]:
    """One point, at the first, for those of each second, or of more where a run is long."""
    width_s = max(1.0, max(since_s for since_s, _, _ in points) / POINTS_MAX)
    columns: dict[int, list[Mark]] = {}
    for mark in points:
        columns.setdefault(int(mark[0] / width_s), []).append(mark)
    return [(*marks[0][:2], _names([name for _, _, name in marks])) for marks in columns.values()]


def _names(names: list[str]) -> str:
    """Name the first few."""
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")
