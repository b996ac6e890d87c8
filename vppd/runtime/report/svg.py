"""Charts as SVG: they need no script, print sharp, and are a few kB each.

A chart is drawn twice as wide as high and scales with the page; text that must stay readable on a
phone (axes, legend) is HTML around it, not part of the drawing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
COLUMNS: Final = 600  # of a line that has more values: the least and the greatest of each are drawn
WIDTH: Final = 1200
HEIGHT: Final = 300
TICKS_Y: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; NaN: a gap in it."""

    name: str
    value: F8
    colour: str
    dashed: bool = False
    width: float = 1.6


def nice_step(span: float, most: int) -> float:
    """Smallest 1, 2, 2.5 or 5 times a power of ten of which `most` cover the span."""
    if not span > 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(k * power for k in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if k * power * most >= span)


def chart(t_s: F8, lines: Sequence[Line], span: tuple[float, float], unit: str) -> str:
    """Lines over time, with their axes and legend. `span`: begin and end of the time axis."""
    values = np.concatenate([line.value[np.isfinite(line.value)] for line in lines])
    if not values.size:
        return '<p class="caption">Nothing was recorded of it.</p>'
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    step = nice_step((high - low) or 1.0, TICKS_Y)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    high = high if high > low else low + step
    labels = [low + step * k for k in range(round((high - low) / step) + 1)]
    grid = "".join(
        f'<line x1="0" x2="{WIDTH}" y1="{_y(v, low, high):.1f}" y2="{_y(v, low, high):.1f}"'
        f' class="{"zero" if abs(v) < 1e-9 else "grid"}"/>'
        for v in labels
    )
    drawn = "".join(_path(t_s, line, span, low, high) for line in lines)
    axis = "".join(
        f'<span style="top:{100.0 * (high - v) / (high - low):.2f}%">{_number(v, step)}</span>'
        for v in labels
    )
    return (
        f'{legend(lines)}<div class="chart"><div class="yaxis">{axis}</div><div class="plot">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(", ".join(line.name for line in lines))}">{grid}{drawn}</svg></div>'
        f'</div>{time_axis(span)}<p class="unit">{escape(unit)}</p>'
    )


def legend(lines: Sequence[Line]) -> str:
    """Names of lines, with their colours."""
    items = "".join(
        f'<span><i style="border-top:{3 if not line.dashed else 2}px'
        f' {"dashed" if line.dashed else "solid"} {line.colour}"></i>{escape(line.name)}</span>'
        for line in lines
    )
    return f'<div class="legend">{items}</div>'


def time_axis(span: tuple[float, float]) -> str:
    """Clock times below a chart, UTC; a phone shows every second one."""
    begin_s, end_s = span
    steps = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400)
    step_s = next((s for s in steps if (end_s - begin_s) / s <= 8.0), steps[-1])
    marks: list[str] = []
    k = math.ceil(begin_s / step_s)
    while k * step_s <= end_s:
        at_s = k * step_s
        place = 100.0 * (at_s - begin_s) / ((end_s - begin_s) or 1.0)
        clock = f"{at_s // 3600 % 24:02.0f}:{at_s // 60 % 60:02.0f}"
        clock += f":{at_s % 60:02.0f}" if step_s < 60 else ""
        side = "first" if place < 3.0 else "last" if place > 97.0 else ""
        odd = "odd" if len(marks) % 2 else ""
        marks.append(f'<span class="{side} {odd}" style="left:{place:.2f}%">{clock}</span>')
        k += 1
    return f'<div class="xaxis">{"".join(marks)}</div>'


def strip(times_s: Sequence[float], span: tuple[float, float], colour: str) -> str:
    """Marks on a time axis, a row high: those that fall together are one."""
    begin_s, end_s = span
    lasts_s = (end_s - begin_s) or 1.0
    places = sorted({round(COLUMNS * (at_s - begin_s) / lasts_s) for at_s in times_s})
    marks = "".join(f'<rect x="{2 * p - 1}" y="2" width="3" height="16"/>' for p in places)
    return (
        f'<svg viewBox="0 0 {2 * COLUMNS} 20" preserveAspectRatio="none" class="strip"'
        f' fill="{colour}" aria-hidden="true">{marks}</svg>'
    )


def _path(t_s: F8, line: Line, span: tuple[float, float], low: float, high: float) -> str:
    begin_s, end_s = span
    x = WIDTH * (t_s - begin_s) / ((end_s - begin_s) or 1.0)
    x, value = thinned(x, line.value)
    known = np.isfinite(value)
    points, pen = [], "M"
    for at, v, is_known in zip(x.tolist(), value.tolist(), known.tolist(), strict=True):
        if is_known:
            points.append(f"{pen}{at:.1f} {_y(v, low, high):.1f}")
        pen = "L" if is_known else "M"
    dash = ' stroke-dasharray="7 5"' if line.dashed else ""
    return (
        f'<path d="{"".join(points)}" fill="none" stroke="{line.colour}"'
        f' stroke-width="{line.width}" vector-effect="non-scaling-stroke"{dash}/>'
    )


def thinned(x: F8, value: F8) -> tuple[F8, F8]:
    """Least and greatest value of each column, in their order, where a line has many more."""
    if x.size <= 4 * COLUMNS:
        return x, value
    column = np.clip((x * COLUMNS / WIDTH).astype(np.int64), 0, COLUMNS - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    keep: list[int] = []
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), x.size], strict=True):
        part = value[first:end]
        if np.isfinite(part).any():
            keep += sorted({first + int(np.nanargmin(part)), first + int(np.nanargmax(part))})
        else:
            keep.append(first)
    at = np.asarray(keep)
    return x[at], value[at]


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT * (high - value) / (high - low)


def _number(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1.0 else 0
    digits = max(digits, 1 if step == 2.5 else 0)
    return f"{value + 0.0:.{digits}f}".replace("-", "−")
