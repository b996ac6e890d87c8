"""A series as a market wants it: complete, finite, in even steps. What is not, is refused.

Every refusal names the column, the row (from 0) and the instant, so that it can be found.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vppd.market.record import Series

F8 = NDArray[np.float64]
EVEN = 1e-6  # of a step: what rounding of a time column may be off by; 1 us is always allowed
JITTER_S = 1e-6


class SeriesError(ValueError):
    """A series that cannot be scored: what is wrong, and where.

    `at_s` is the instant of it, on the series' own clock; None where there is no such instant.
    """

    def __init__(self, message: str, at_s: float | None = None) -> None:
        super().__init__(message)
        self.at_s = at_s


def signal_of(series: Series) -> F8:
    """Give the signal, or refuse a series without one."""
    if series.signal_mw is None:
        raise SeriesError("there is no signal_mw: this market scores the answer to a signal")
    return series.signal_mw


def frequency_of(series: Series) -> F8:
    """Give the frequency, or refuse a series without one."""
    if series.frequency_hz is None:
        raise SeriesError("there is no frequency_hz: this market scores the answer to frequency")
    return series.frequency_hz


def check_grid(series: Series) -> float:
    """Check lengths, values and steps; return the step, s.

    Raises
    ------
    SeriesError
        Columns of unequal length, less than two rows, a value that is not finite, time that does
        not rise, a gap, or steps that differ.
    """
    columns = series.columns()
    sizes = {name: column.shape for name, column in columns.items()}
    if any(column.ndim != 1 for column in columns.values()) or len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in sizes.items())
        raise SeriesError(f"columns must have one length, have {told}")
    if series.t_s.size < 2:
        raise SeriesError(f"{series.t_s.size} rows: at least 2 are needed")
    for name, column in columns.items():
        _check_finite(name, column, series.t_s)
    return _even_step_s(series.t_s)


def _check_finite(name: str, column: F8, t_s: F8) -> None:
    bad = np.flatnonzero(~np.isfinite(column))
    if bad.size:
        row = int(bad[0])
        more = f" ({bad.size} rows in all)" if bad.size > 1 else ""
        if name == "t_s":
            raise SeriesError(f"t_s is not finite in row {row}{more}")
        at_s = float(t_s[row])
        raise SeriesError(f"{name} is not finite in row {row}, t_s {at_s:.10g}{more}", at_s)


def _even_step_s(t_s: F8) -> float:
    """Step of an even time column, from its ends: exact where the column is rounded."""
    steps = np.diff(t_s)
    falls = np.flatnonzero(~(steps > 0.0))
    if falls.size:
        row = int(falls[0])
        raise SeriesError(
            f"t_s does not rise after row {row}: {t_s[row]:.10g}, then {t_s[row + 1]:.10g}"
        )
    usual_s = float(np.median(steps))
    off = np.flatnonzero(np.abs(steps - usual_s) > max(JITTER_S, EVEN * usual_s) + _ulps(t_s))
    if off.size:
        row = int(off[0])
        what = "a gap" if steps[row] > usual_s else "an uneven step"
        raise SeriesError(
            f"{what} after row {row}: t_s goes from {t_s[row]:.10g} to {t_s[row + 1]:.10g},"
            f" the usual step is {usual_s:.6g} s ({off.size} such in all)"
        )
    return float((t_s[-1] - t_s[0]) / (t_s.size - 1))


def _ulps(t_s: F8) -> float:
    """What the last bits of the largest instant may make a difference off by, s."""
    return 4.0 * float(np.spacing(max(abs(t_s[0]), abs(t_s[-1]))))


def check_step(step_s: float, *, exactly_s: float = 0.0, divides_s: float = 0.0,
               at_most_s: float = np.inf) -> None:  # fmt: skip
    """Refuse a step that the rule has no use for. Each condition is left out by its default."""
    if exactly_s and abs(step_s - exactly_s) > EVEN * exactly_s:
        raise SeriesError(f"the step is {step_s:.6g} s, and must be {exactly_s:g} s")
    if step_s > at_most_s * (1.0 + EVEN):
        raise SeriesError(f"the step is {step_s:.6g} s, and may be {at_most_s:g} s at most")
    if divides_s:
        parts = divides_s / step_s
        if parts < 1.0 - EVEN or abs(parts - round(parts)) > EVEN * parts:
            raise SeriesError(
                f"the step is {step_s:.6g} s, and must be {divides_s:g} s or a whole part of it"
            )


def every(values: F8, step_s: float, sample_s: float) -> F8:
    """Point samples `sample_s` apart, from the first row on; `step_s` divides it."""
    return np.ascontiguousarray(values[:: max(1, round(sample_s / step_s))])


def whole_blocks(
    t_s: F8, step_s: float, block_s: float, *, unfinished: bool = False
) -> Iterator[slice]:
    """Blocks of rows of `block_s`, counted from the first row. What is left over is in none.

    An `unfinished` series has its last block as far as it goes.

    Raises
    ------
    SeriesError
        Not even one block is full.
    """
    rows = round(block_s / step_s)
    if unfinished:
        yield from blocks(t_s, step_s, block_s)
        return
    if t_s.size < rows:
        raise SeriesError(
            f"the series covers {t_s.size * step_s:.6g} s: one interval takes {block_s:g} s"
        )
    yield from (slice(k, k + rows) for k in range(0, t_s.size - rows + 1, rows))


def blocks(t_s: F8, step_s: float, block_s: float) -> Iterator[slice]:
    """Blocks of rows of `block_s`, counted from the first row; the last one may be shorter."""
    rows = round(block_s / step_s)
    yield from (slice(k, min(k + rows, t_s.size)) for k in range(0, t_s.size, rows))


def left_over(t_s: F8, step_s: float, block_s: float) -> tuple[str, ...]:
    """A note on the rest that fills no block; empty where there is none."""
    rest = t_s.size % round(block_s / step_s)
    if rest == 0:
        return ()
    return (f"the last {rest * step_s:.6g} s fill no interval of {block_s:g} s: not scored",)
