"""`vppd settle`: a journal, and prices, into a settlement: the same bytes each time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vppd.journal.instant import utc_text
from vppd.journal.reader import read
from vppd.journal.scan import Progress
from vppd.market.parameters import ParameterError, rules_from
from vppd.market.record import AnyMarket, Scored
from vppd.market.settlement.record import Plant, Prices, Row
from vppd.market.settlement.settle import Settlement, settle
from vppd.ops.counted import counted
from vppd.runtime.score import Input
from vppd.runtime.score_journal import GRID_S, TickLog, input_of
from vppd.runtime.settle_journal import SettleLog


def read_both(
    path: Path,
    market: AnyMarket,
    since: str | None,
    until: str | None,
    progress: Progress | None = None,
) -> tuple[Input, Plant]:
    """Read what is scored, and what is settled beside it, at one go.

    Raises as `read_journal` and `read_plant`.
    """
    scored, settled_ = TickLog(), SettleLog()
    for record in read(path, progress=progress):
        scored.add(record)
        settled_.add(record)
    return input_of(scored.ticks(), market.form, since, until), settled_.plant()


def settled(
    market: AnyMarket, given: Input, plant: Plant, prices: Prices, words: Sequence[str]
) -> Settlement:
    """Settle a series with what a journal tells beside it.

    Raises
    ------
    ParameterError
        As `rules_from`; a parameter that prices give, too.
    SeriesError, SettlementError
        As `settle`.
    """
    words = list(words)
    told = {word.partition("=")[0] for word in words}
    twice = sorted(told & set(prices.rows[0])) if prices.rows else []
    if twice:
        raise ParameterError(f"{twice[0]} is given twice: by --param and by --prices")
    if "capacity_mw" in market.needs and "capacity_mw" not in told and given.capacity_mw > 0.0:
        words.append(f"capacity_mw={given.capacity_mw!r}")

    def score(at: Mapping[str, float]) -> Scored:
        prices_told = [f"{name}={value!r}" for name, value in at.items()]
        return market.score(given.series, rules_from(market, [*words, *prices_told]))

    t_s = given.series.t_s
    return settle(market, plant, score, prices, float(t_s[0]), float(t_s[-1]) + GRID_S)


def render(found: Settlement, out: Path, notes: Sequence[str]) -> str:
    """Say what was written, and the total, for people."""
    total = found.rows[-1]
    span = f"{_instant(total['since_utc'])} to {_instant(total['until_utc'])}"
    lines = [
        f"{out}: {counted(len(found.rows), 'row')}, {counted(found.n_intervals, 'interval')}",
        f"{total['market']}, {span}",
        "",
        *(f"{name:20} {_number(total[name])}" for name in _told(total)),
    ]
    return "\n".join([*lines, *(f"note  {note}" for note in (*found.notes, *notes))])


def as_json(found: Settlement, out: Path, notes: Sequence[str]) -> dict[str, object]:
    """One JSON document: the total, and where the rows are."""
    return {
        "out": str(out),
        "rows": len(found.rows),
        "intervals": found.n_intervals,
        "total": dict(found.rows[-1]),
        "notes": [*found.notes, *notes],
    }


def _told(total: Row) -> list[str]:
    hidden = {"since_utc", "until_utc", "level", "unit", "market", "figures"}
    return [name for name, value in total.items() if name not in hidden and value is not None]


def _instant(value: object) -> str:
    return utc_text(value) if isinstance(value, float) else "?"


def _number(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
