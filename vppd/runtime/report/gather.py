"""Gather what the page of a day tells: one pass through the ticks, and what the journal proves."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from vppd.journal.find import span_s
from vppd.journal.instant import InstantError, utc_text
from vppd.journal.reader import read
from vppd.journal.rerun import WholeTick, rerun
from vppd.journal.scan import Progress
from vppd.journal.verify import VerifyReport, verify
from vppd.market.blame import Blame
from vppd.market.grid import SeriesError
from vppd.market.parameters import ParameterError
from vppd.market.record import AnyMarket, Scored
from vppd.market.registry import market as market_of
from vppd.runtime.attribute import LossLog
from vppd.runtime.report.day import Day, DayLog
from vppd.runtime.report.energy import EnergyLog, KindEnergy, by_kind
from vppd.runtime.score import report as score_report
from vppd.runtime.score_journal import GRID_S, TickLog, Ticks, asked_utc_s, input_of, longest_input

DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Scoring:
    """One product as its market scores it, or why it does not."""

    market: str
    scored: Scored | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page."""

    day: Day
    span: tuple[float, float]  # UTC
    scorings: Sequence[Scoring]
    blame: Blame
    energy: Sequence[KindEnergy]
    verified: VerifyReport


def span_of(
    journal: Path, day: str | None, since: str | None, until: str | None
) -> tuple[float, float]:
    """Begin and end of what is asked for, UTC; `day`: YYYY-MM-DD, UTC. Raises InstantError."""
    first_s, last_s = span_s(journal, skip_damaged=True)
    since_s = asked_utc_s(since, first_s, last_s, first_s)
    until_s = asked_utc_s(until, first_s, last_s, last_s)
    if day is not None:
        begin_s = asked_utc_s(f"{day}T00:00:00Z", first_s, last_s, first_s)
        since_s, until_s = max(since_s, begin_s), min(until_s, begin_s + DAY_S)
    since_s, until_s = max(since_s, first_s), min(until_s, last_s)
    if not since_s < until_s:
        raise InstantError(
            f"nothing of the journal lies there: it goes from {utc_text(first_s)}"
            f" to {utc_text(last_s)}"
        )
    return since_s, until_s


def made(
    journal: Path, span: tuple[float, float], markets: Sequence[str], words: Sequence[str],
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    """Gather everything. `markets`: what to score; none: what was scored while it ran.

    A damaged segment is told of as far as it can be read, and so are those behind it.

    Raises
    ------
    UnknownMarketError, ParameterError
        As `market.registry.market`, `rules_from`.
    JournalError
        As `journal.rerun.rerun`.
    """
    named = {name: _parameters_of(market_of(name), words) for name in markets}
    losses, log, scores, energy = LossLog(*span), DayLog(*span), TickLog(), EnergyLog()
    for record in rerun(read(journal, skip_damaged=True, progress=progress), losses.tick):
        losses.add(record)
        log.add(record)
        plain = record.record if isinstance(record, WholeTick) else record
        scores.add(plain)
        energy.add(plain)
    day = log.day()
    asked = named or {
        name: {**given, **_parameters_of(market_of(name), words)}
        for name, given in day.markets.items()
    }
    _check_words(asked, words)
    since, until = (utc_text(at_s) for at_s in span)
    ticks = scores.ticks()
    return Report(
        day,
        span,
        [
            _scored(ticks, market_of(name), given, (since, until), named=name in named)
            for name, given in asked.items()
        ],
        losses.attribution().blame,
        by_kind(energy.parts(*span), {unit.id: unit.kind for unit in day.units}),
        verify(journal, progress=progress),
    )


def _parameters_of(market: AnyMarket, words: Sequence[str]) -> dict[str, str]:
    """A market's own of the parameters that were given."""
    known = {field.name for field in fields(market.rules)}
    pairs = [word.partition("=") for word in words]
    return {key: value for key, _, value in pairs if key in known}


def _check_words(asked: Mapping[str, Mapping[str, str]], words: Sequence[str]) -> None:
    """Raise ParameterError for a word that is no market's."""
    for word in words:
        if not any(word.partition("=")[0] in given for given in asked.values()):
            raise ParameterError(f"{word}: no market of this page has such a parameter")


def _scored(
    ticks: Ticks, market: AnyMarket, given: Mapping[str, str], span: tuple[str, str], *, named: bool
) -> Scoring:
    """Score a stretch; where it cannot be scored whole, the longest part that can be.

    Raises ParameterError where the market was `named` by who asks.
    """
    words = [f"{key}={value}" for key, value in given.items()]
    try:
        return Scoring(
            market.name, score_report(market, input_of(ticks, market.form, *span), words).scored
        )
    except ParameterError as error:
        if named:
            raise
        return Scoring(market.name, None, str(error))
    except InstantError as error:
        return Scoring(market.name, None, str(error))
    except SeriesError as error:
        return _scored_in_part(ticks, market, words, span, str(error))


def _scored_in_part(
    ticks: Ticks, market: AnyMarket, words: Sequence[str], span: tuple[str, str], why: str
) -> Scoring:
    try:
        part = longest_input(ticks, market.form, *span)
    except InstantError as error:
        return Scoring(market.name, None, f"{why}; {error}")
    since, until = utc_text(part.series.t_s[0]), utc_text(part.series.t_s[-1] + GRID_S)
    try:
        scored = score_report(market, part, words).scored
    except SeriesError as error:
        more = "" if str(error) == why else f"; from {since} to {until}: {error}"
        return Scoring(market.name, None, f"{why}{more}")
    note = f"scored from {since} to {until}, the longest part that can be: {why}"
    return Scoring(market.name, dataclasses.replace(scored, notes=(note, *scored.notes)))
