"""What China's markets share: commands found in the signal, answers measured, rated, summed up."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from vppd.market.answers import Answer, Bands, Outcome, answers, merged, new_commands
from vppd.market.grid import SeriesError, check_grid, check_step, signal_of
from vppd.market.record import Interval, Series

Rated = tuple[Outcome, Mapping[str, float]]


def measured(
    series: Series,
    bands: Bands,
    *,
    least_mw: float,
    scan_s: float,
    step_max_s: float,
    merge_s: float = 0.0,
) -> list[Answer]:
    """Check the series, find its commands and measure their answers. Raises SeriesError."""
    check_step(check_grid(series), at_most_s=step_max_s)
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


def valid_of(intervals: Iterable[Interval], n_commands: int) -> list[Interval]:
    """Commands that were rated. Raises SeriesError, with what became of all, if there is none."""
    rows = list(intervals)
    valid = [row for row in rows if row.outcome == Outcome.VALID.value]
    if not valid:
        counts = Counter(row.outcome.replace("_", " ") for row in rows)
        told = ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
        raise SeriesError(f"no valid command among {n_commands}: {told}")
    return valid


def mean(rows: Sequence[Interval], name: str) -> float:
    """Mean of one figure over commands."""
    return float(np.mean([row.values[name] for row in rows]))


def counts(intervals: Sequence[Interval]) -> dict[str, float]:
    """How many commands there were, and how many of them were rated."""
    valid = sum(1 for row in intervals if row.outcome == Outcome.VALID.value)
    return {"commands": float(len(intervals)), "valid_commands": float(valid)}


def outcomes_note(intervals: Sequence[Interval]) -> tuple[str, ...]:
    """A note on the commands that were not rated, and why; empty if all were."""
    others = Counter(row.outcome for row in intervals if row.outcome != Outcome.VALID.value)
    if not others:
        return ()
    told = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in others.items())
    return (f"not rated: {told}",)
