"""Line plots of characters: eight dots to a cell (Unicode braille patterns)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

DOT = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column] of a cell


@dataclass(frozen=True, slots=True)
class Series:
    """Points by time. Of series in one cell the later one gives the colour."""

    points: Sequence[tuple[float, float]]
    style: str


class Canvas:
    """Dots on a grid of `width` x `height` characters."""

    def __init__(
        self, width: int, height: int, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.width, self.height = max(1, width), max(1, height)
        self._x, self._y = x, y
        self._bits = [[0] * self.width for _ in range(self.height)]
        self._style = [[""] * self.width for _ in range(self.height)]

    def row(self, y: float) -> int:
        """Row of dots of a value, 0 on top; outside of the canvas where the value is."""
        low, high = self._y
        return round((high - y) / (high - low) * (4 * self.height - 1))

    def line(self, series: Series) -> None:
        """Join the points by straight lines; points that are not finite leave a gap."""
        before: tuple[int, int] | None = None
        for x, y in series.points:
            if not (math.isfinite(x) and math.isfinite(y)):
                before = None
                continue
            low, high = self._x
            here = (round((x - low) / (high - low) * (2 * self.width - 1)), self.row(y))
            self._stroke(before or here, here, series.style)
            before = here

    def _stroke(self, a: tuple[int, int], b: tuple[int, int], style: str) -> None:
        steps = max(abs(b[0] - a[0]), abs(b[1] - a[1]), 1)
        for k in range(steps + 1):
            column = a[0] + round((b[0] - a[0]) * k / steps)
            row = a[1] + round((b[1] - a[1]) * k / steps)
            if 0 <= column < 2 * self.width and 0 <= row < 4 * self.height:
                self._bits[row // 4][column // 2] |= DOT[row % 4][column % 2]
                self._style[row // 4][column // 2] = style

    def rows(self) -> list[Text]:
        """Lines of characters, the top one first."""
        return [
            Text.assemble(
                *(
                    (chr(0x2800 + bits) if bits else " ", style)
                    for bits, style in zip(line, styles, strict=True)
                )
            )
            for line, styles in zip(self._bits, self._style, strict=True)
        ]


def nice_range(values: Sequence[float], least: float) -> tuple[float, float]:
    """Range that holds all finite values, on multiples of a power of ten, `least` wide or more."""
    finite = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low < least:
        middle = (high + low) / 2.0
        low, high = middle - least / 2.0, middle + least / 2.0
    step = 10.0 ** math.floor(math.log10((high - low) / 4.0))
    return math.floor(low / step) * step, math.ceil(high / step) * step


def plot(
    width: int,
    height: int,
    x: tuple[float, float],
    series: Sequence[Series],
    least: float,
) -> list[Text]:
    """Plot series with the range of values written at the left."""
    y = nice_range([v for s in series for _, v in s.points], least)
    labels = {0: f"{y[1]:g}", height - 1: f"{y[0]:g}"}
    margin = max(len(text) for text in labels.values()) + 1
    canvas = Canvas(width - margin - 1, height, x, y)
    for one in series:
        canvas.line(one)
    return [
        Text.assemble((labels.get(k, "").rjust(margin) + "│", "dim"), row)
        for k, row in enumerate(canvas.rows())
    ]
