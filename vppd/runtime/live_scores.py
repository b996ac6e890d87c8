"""The score of each sold product while its interval runs.

A tick leaves one row here, and nothing else. Once a second a task of its own scores what there is,
with the market's code: in the daemon in a thread, so that a score that takes long holds up no tick.
An interval that is over goes to the log and the journal as one event; it equals what `vppd score`
gives for the same stretch of the journal.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from vppd.config.schema import Config
from vppd.core.types import Params
from vppd.journal.instant import utc_text
from vppd.market.parameters import as_mapping
from vppd.market.product import Outlook, Product, outlook, product
from vppd.ops.status import FigureStatus, ProductStatus
from vppd.runtime.live_rows import LiveRows
from vppd.runtime.loop import Done
from vppd.runtime.offload import Offload, here
from vppd.runtime.score_journal import F8, Ticks, row_of, series_of

INTERVAL_SCORED: Final = "interval_scored"
AFTER_S: Final = 0.3  # after a whole second: its tick is over by then
PARAM: Final = "param_"  # before the name of a parameter that it was scored by
NOTHING: Final = Outlook({}, {}, 0, "no interval has run yet")


class Record(Protocol):
    """Takes an event for the journal."""

    def __call__(self, utc_s: float, event: str, **fields: Any) -> object:
        """Record it; must return at once."""


@dataclass(slots=True)
class _Running:
    """A product, its interval, and the newest figures of that."""

    product: Product
    begin_s: float = math.nan
    now: Outlook = NOTHING
    last: Mapping[str, float] = field(default_factory=dict)  # of the interval before

    @property
    def end_s(self) -> float:
        return self.begin_s + self.product.market.live_s


class LiveScores:
    """Scores products second by second.

    Parameters
    ----------
    utc : callable
        Wall clock, s since 1970: intervals begin at whole multiples of their length.
    record : callable
        Takes the event at an interval's end.
    offload : callable
        Awaits a function with its arguments: `asyncio.to_thread`, or `here`.
    """

    def __init__(
        self,
        products: Sequence[Product],
        params: Params,
        *,
        utc: Callable[[], float],
        record: Record,
        offload: Offload = here,
    ) -> None:
        self._running = [_Running(product) for product in products]
        self._rows = LiveRows(params.tick_s)
        self._age_max_s = params.telemetry_age_max_s
        self._utc = utc
        self._record = record
        self._offload = offload
        self._log = structlog.get_logger()

    def of_units(self, params: Params) -> None:
        """Go on with other units."""
        self._age_max_s = params.telemetry_age_max_s

    def add(self, done: Done) -> None:
        """Leave what a tick told. All that is done on the tick's path."""
        self._rows.add(row_of(done.meta.utc_s, done.image, done.decision, self._age_max_s))

    async def run(self) -> None:
        """Score for ever, shortly after each whole second."""
        while True:
            await asyncio.sleep(1.0 - (self._utc() - AFTER_S) % 1.0)
            await self.update()

    async def update(self) -> None:
        """Score what there is now, and end the intervals that are over."""
        now_s = self._utc()
        for running in self._running:
            await self._update(running, now_s)
        begins = [running.begin_s for running in self._running]
        self._rows.drop_before(min(begins, default=now_s))

    async def _update(self, running: _Running, now_s: float) -> None:
        begin_s = now_s - now_s % running.product.market.live_s
        if not math.isnan(running.begin_s) and begin_s > running.begin_s:
            await self._end(running)
        running.begin_s = begin_s
        running.now = await self._outlook(running, min(math.floor(now_s) + 1.0, running.end_s))

    async def _outlook(self, running: _Running, until_s: float) -> Outlook:
        at_s = self._rows.grid_s(running.begin_s, until_s)
        found: Outlook = await self._offload(
            _scored, running.product, self._rows.ticks(), at_s, running.end_s
        )
        return found

    async def _end(self, running: _Running) -> None:
        """Tell the score of an interval that is over, as far as it is known."""
        found = await self._outlook(running, running.end_s)
        running.last = found.so_far
        about: dict[str, Any] = {
            "market": running.product.market.name,
            "since": utc_text(running.begin_s),
            "until": utc_text(running.end_s),
            "scored_s": float(found.rows),
            "whole": found.rows >= running.product.market.live_s,
            **_given(running.product),
        }
        if found.error:
            about["error"] = found.error
        about |= {f"score_{name}": _known(value) for name, value in found.so_far.items()}
        self._log.info(INTERVAL_SCORED, **about)
        self._record(self._utc(), INTERVAL_SCORED, **about)

    def status(self) -> tuple[ProductStatus, ...]:
        """Every product, as of the last second."""
        return tuple(_status(running) for running in self._running)


def products_of(config: Config) -> tuple[Product, ...]:
    """Products of a configuration that was checked."""
    plan = config.plan
    up_mw, down_mw = plan.regulation_capacity_up_mw, plan.regulation_capacity_down_mw
    capacity_mw = up_mw if up_mw == down_mw else math.nan
    return tuple(product(sold.market, sold.params, capacity_mw) for sold in plan.products)


def _scored(running: Product, ticks: Ticks, at_s: F8, end_s: float) -> Outlook:
    if not at_s.size:
        return NOTHING
    return outlook(running, series_of(ticks, running.market.form, at_s), end_s)


def _given(running: Product) -> dict[str, Any]:
    """The parameters by which a product is scored; those that nobody gave are left out."""
    given = as_mapping(running.rules)
    known = {k: v for k, v in given.items() if not isinstance(v, float) or math.isfinite(v)}
    return {f"{PARAM}{name}": value for name, value in known.items()}


def _status(running: _Running) -> ProductStatus:
    now = running.now
    names = dict.fromkeys((*now.so_far, *now.ends_with, *running.last))
    figures = tuple(
        FigureStatus(
            name, now.so_far.get(name, math.nan), now.ends_with.get(name, math.nan),
            running.last.get(name, math.nan),
        )
        for name in names
    )  # fmt: skip
    since, until = (
        "" if math.isnan(at_s) else utc_text(at_s) for at_s in (running.begin_s, running.end_s)
    )
    return ProductStatus(
        running.product.market.name, since, until, float(now.rows), figures, now.error
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
