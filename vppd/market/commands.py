"""What China's markets share: commands found in the signal, answers measured, rated, summed up."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from vppd.market.answers import Answer, Bands, Outcome, answers, merged, new_commands
from vppd.market.grid import SeriesError, check_grid, check_step, signal_of
from vppd.market.record import Interval, Scored, Series

Rated = tuple[Outcome, Mapping[str, float]]


def measured(
    series: Series,
    bands: Bands,
    *,
    least_mw: float,
    scan_s: float,
    merge_s: float = 0.0,
) -> list[Answer]:
    """Check the series, find its commands and measure their answers. Raises SeriesError."""
    check_step(check_grid(series), at_most_s=scan_s)
    signal_mw = signal_of(series)
    found = new_commands(series.t_s, signal_mw, least_mw, scan_s)
    if merge_s > 0.0:
        found = merged(found, float(signal_mw[0]), merge_s)
    if not found:
        raise SeriesError(
            f"no command: the signal never changes by {least_mw:g} MW or more against the last one"
        )
    return list(answers(found, series.t_s, series.response_mw, bands))


def intervals_of(found: Sequence[Answer], rate: Callable[[Answer], Rated]) -> tuple[Interval, ...]:
    """Give each command as an interval, with what the rule says of it."""
    rows = []
    for answer in found:
        outcome, rated = rate(answer)
        values = {"p0_mw": answer.p0_mw, "p_cmd_mw": answer.p_cmd_mw, **rated}
        rows.append(Interval(answer.t0_s, answer.t3_s, values, outcome.value))
    return tuple(rows)


def scored(
    intervals: tuple[Interval, ...],
    quality: Callable[[Sequence[Interval]], Mapping[str, float]],
    price_cny_per_mw: float,
) -> Scored:
    """Sum up commands: quality, rate, mileage, and pay by mileage x quality x price.

    `quality` gives figures of the commands that were rated; the last one is what is paid by. A
    price of NaN pays nothing out. Raises SeriesError if no command was rated.
    """
    valid = _valid_of(intervals)
    figures = dict(quality(valid))
    paid_by = list(figures.values())[-1]
    figures["rate_mw_per_min"] = mean(valid, "rate_mw_per_min")
    figures["mileage_mw"] = math.fsum(row.values["mileage_mw"] for row in valid)
    if not math.isnan(price_cny_per_mw):
        figures["payment_cny"] = figures["mileage_mw"] * paid_by * price_cny_per_mw
    figures["commands"], figures["valid_commands"] = float(len(intervals)), float(len(valid))
    return Scored(figures, intervals, {}, _outcomes_note(intervals))


def _valid_of(intervals: Sequence[Interval]) -> list[Interval]:
    """Commands that were rated. Raises SeriesError, with what became of all, if there is none."""
    valid = [row for row in intervals if row.outcome == Outcome.VALID.value]
    if not valid:
        told = _told(row.outcome for row in intervals)
        raise SeriesError(f"no valid command among {len(intervals)}: {told}")
    return valid


def mean(rows: Sequence[Interval], name: str) -> float:
    """Mean of one figure over commands."""
    return float(np.mean([row.values[name] for row in rows]))


def _outcomes_note(intervals: Sequence[Interval]) -> tuple[str, ...]:
    """A note on the commands that were not rated, and why; empty if all were."""
    others = [row.outcome for row in intervals if row.outcome != Outcome.VALID.value]
    return (f"not rated: {_told(others)}",) if others else ()


def _told(outcomes: Iterable[str]) -> str:
    """How many commands ended how."""
    counts = Counter(outcome.replace("_", " ") for outcome in outcomes)
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
