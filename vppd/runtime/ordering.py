"""The desk: takes orders from the api process, puts them in force, and records who gave them.

Nothing that the api process says is taken for granted but who has logged in: the order is checked
against the plant again here. It counts as given when it is in the file.
"""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import structlog

from vppd.core.orders import PlanOrder
from vppd.core.types import F8, Params
from vppd.ops.alarms.board import AlarmError
from vppd.ops.orders.book import (
    Book,
    Entry,
    in_words,
    save,
    with_order,
    with_plan,
)
from vppd.ops.orders.form import ABOUT_UNITS, CAPACITY_MAX_MW, Form, OrderError, parse

log = structlog.get_logger()

WHO_MAX, WHY_MAX = 100, 300
NAMES_MAX = 200  # of the units of an order, where orders are listed
STOP = "emergency_stop"


class Floor(Protocol):
    """What the desk needs of the running plant."""

    def in_force(self, book: Book, *, at_once: bool) -> None:
        """Put a book in force."""

    @property
    def setpoint_mw(self) -> F8 | None:
        """Setpoints of the last tick, MW; None before the first."""


class Desk:
    """Orders in force, and those who come to change them."""

    def __init__(
        self,
        floor: Floor,
        params: Params,
        book: Book,
        path: Path,
        utc: Callable[[], float],
        put_event: Callable[..., object],
    ) -> None:
        self.book = book
        self._floor = floor
        self._params = params
        self._path = path
        self._utc = utc
        self._put_event = put_event
        self._writing = asyncio.Lock()
        self._ending: set[asyncio.Future[None]] = set()

    def of_plant(self, params: Params, book: Book) -> None:
        """Go on with the units of another configuration."""
        self._params, self.book = params, book

    async def take(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request; the answer has `ok`, and `error` where it is refused."""
        try:
            if request.get("do") == "propose":
                return await self._propose(request)
            if parse(request.get("order"), self._params).kind == STOP:
                return await self._stop(request)
            return await self._order(request)
        except OrderError as error:
            fields = {"who": _who(request), "why": _why(request), "order": _short(request)}
            self._record("order_refused", **fields, detail=str(error))
            return {"ok": False, "error": str(error)}
        except OSError as error:
            log.exception("orders_not_written")
            return {"ok": False, "error": f"the order could not be written down: {error}"}

    async def _order(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write it down, then put it in force.

        Meanwhile an order may run out, a stop be given, or the fleet become another one: what was
        asked for is read once more then, by the names of its units.
        """
        async with self._writing:
            await self._write(self._with(request)[1])
            try:
                form, book = self._with(request)
            except OrderError:
                await self._write(self.book)  # what was written is not in force
                raise
            self._put(book, at_once=False)
        return self._given(request, form)

    async def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """Put an emergency stop in force: it waits for no disk, and for nobody who does."""
        form = parse(request.get("order"), self._params)
        nowhere = np.full(len(self._params.ids), np.nan)
        who, why = _who(request), _why(request)
        book = with_order(self.book, form, self._params, nowhere, who, why, self._utc())
        self._put(book, at_once=True)
        answer = self._given(request, form)
        try:
            await self._rewrite()
        except OSError as error:
            log.exception("orders_not_written")
            answer["order"] += f" (in force, but a restart will forget it: {error})"
        return answer

    def _with(self, request: dict[str, Any]) -> tuple[Form, Book]:
        """What is asked for, and the book with it. Raises OrderError."""
        form = parse(request.get("order"), self._params)
        setpoint_mw = self._floor.setpoint_mw
        if setpoint_mw is None:
            raise OrderError("the plant has not finished its first tick")
        seen = request.get("seen")
        if seen is not None and seen != self.book.newest:
            raise OrderError(
                f"order {self.book.newest} was given since its effect was shown; look at it again"
            )
        who, why = _who(request), _why(request)
        return form, with_order(self.book, form, self._params, setpoint_mw, who, why, self._utc())

    def _given(self, request: dict[str, Any], form: Form) -> dict[str, Any]:
        """Record that an order is in force; the answer to who gave it."""
        words, number = self.words(form), self.book.newest
        self._record(
            "order_given", who=_who(request), why=_why(request), order=words, number=number,
            kind=form.kind, effect=str(request.get("effect", ""))[:WHY_MAX],
            expires_in_s=form.expires_in_s,
        )  # fmt: skip
        return {"ok": True, "number": number, "order": words}

    async def _propose(self, request: dict[str, Any]) -> dict[str, Any]:
        who, why = _who(request), _why(request)
        async with self._writing:
            order = plan_of(request.get("plan"), self._params)
            await self._write(with_plan(self.book, order, who, why, self._utc()))
            try:
                order = plan_of(request.get("plan"), self._params)  # of the fleet as it is now
            except OrderError:
                await self._write(self.book)
                raise
            number = self.book.next_number
            self.book = with_plan(self.book, order, who, why, self._utc())
        words = in_words(order, self._params)
        self._record("plan_proposed", who=who, why=why, order=words, number=number)
        return {"ok": True, "number": number, "order": words}

    def ended(self, left: Book, over: tuple[Entry, ...]) -> None:
        """Take orders out of force whose time is over."""
        self._put(left, at_once=False)
        for entry in over:
            words = in_words(entry.order, self._params)
            self._record("order_expired", who=entry.who, order=words, number=entry.number)
        writing = asyncio.ensure_future(self._rewrite())
        self._ending.add(writing)
        writing.add_done_callback(self._rewritten)

    async def _rewrite(self) -> None:
        """Write down what is in force when it is this one's turn. Raises OSError."""
        async with self._writing:
            await self._write(self.book)

    async def _write(self, book: Book) -> None:
        """Write a book; one at a time, else two would share the file. Raises OSError."""
        await asyncio.to_thread(save, book, self._params, self._path)

    def _rewritten(self, writing: "asyncio.Future[None]") -> None:
        self._ending.discard(writing)
        if not writing.cancelled() and (error := writing.exception()) is not None:
            log.error("orders_not_written", detail=str(error))

    def words(self, form: Form) -> str:
        """Say what an order is, as it was asked for."""
        if form.kind in ABOUT_UNITS:
            ids = [self._params.ids[unit] for unit in form.units]
            more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
            value = "" if form.p_mw is None else f" at {form.p_mw:g} MW"
            return f"{form.kind} {', '.join(ids[:3])}{more}{value}"
        if form.kind == "mode":
            return f"mode {form.mode.name}"
        if form.kind == "capacity":
            return f"regulation capacity +{form.up_mw:g}/-{form.down_mw:g} MW"
        return form.kind if not form.number else f"{form.kind} {form.number}"

    def rows(self) -> list[dict[str, Any]]:
        """Orders in force, as JSON."""
        return [
            {
                "number": entry.number,
                "order": in_words(entry.order, self._params),
                "units": [
                    self._params.ids[i] for i in getattr(entry.order, "units", ())[:NAMES_MAX]
                ],
                "who": entry.who,
                "why": entry.why,
                "given_utc_s": entry.given_utc_s,
                "until_utc_s": entry.until_utc_s,
            }
            for entry in self.book.entries
        ]

    def plan_rows(self) -> list[dict[str, Any]]:
        """Plans that wait for acceptance, as JSON."""
        return [
            {
                "number": plan.number,
                "plan": in_words(plan.order, self._params),
                "who": plan.who,
                "why": plan.why,
                "proposed_utc_s": plan.proposed_utc_s,
            }
            for plan in self.book.plans
        ]

    def _put(self, book: Book, *, at_once: bool) -> None:
        self.book = book
        self._floor.in_force(book, at_once=at_once)

    def _record(self, event: str, **fields: Any) -> None:
        log.info(event, **fields)
        self._put_event(self._utc(), event, **fields)


class Alarms(Protocol):
    """The alarms, as operators steer them."""

    def acknowledge(self, alarm_id: str, who: str, why: str = "") -> None:
        """Take note of an alarm."""

    def shelve(self, alarm_id: str, who: str, why: str, for_s: float) -> None:
        """Hide it for some time."""

    def unshelve(self, alarm_id: str, who: str, why: str = "") -> None:
        """Show it again."""

    def remove_from_service(self, alarm_id: str, who: str, why: str) -> None:
        """Hide it until it is returned to service."""

    def return_to_service(self, alarm_id: str, who: str, why: str = "") -> None:
        """Show it again."""


def alarm_order(alarms: Alarms, request: dict[str, Any]) -> dict[str, Any]:
    """Acknowledge, shelve and so on; the alarms themselves write it into the journal."""
    alarm_id, who = str(request.get("alarm", "")), str(request.get("who", ""))
    why, for_s = str(request.get("why", "")), request.get("for_s")
    if for_s is not None and not isinstance(for_s, (int, float)):
        return {"ok": False, "error": "for_s must be a number"}
    try:
        match request.get("verb"):
            case "acknowledge":
                alarms.acknowledge(alarm_id, who, why)
            case "shelve":
                alarms.shelve(alarm_id, who, why, float(for_s or 0.0))
            case "unshelve":
                alarms.unshelve(alarm_id, who, why)
            case "remove_from_service":
                alarms.remove_from_service(alarm_id, who, why)
            case "return_to_service":
                alarms.return_to_service(alarm_id, who, why)
            case verb:
                return {"ok": False, "error": f"nothing is known of {verb!r}"}
    except AlarmError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True}


def plan_of(data: object, params: Params) -> PlanOrder:
    """Check a plan. Raises OrderError."""
    if not isinstance(data, dict) or set(data) != {"basepoint_mw", "up_mw", "down_mw"}:
        raise OrderError("a plan has basepoint_mw by unit, up_mw and down_mw")
    by_unit = data["basepoint_mw"]
    if not isinstance(by_unit, dict) or set(by_unit) != set(params.ids):
        raise OrderError("basepoint_mw must name every unit of the fleet, and no other")
    numbers = [*by_unit.values(), data["up_mw"], data["down_mw"]]
    if not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
        for v in numbers
    ):
        raise OrderError("a plan is made of finite numbers")
    if not all(0.0 <= data[key] <= CAPACITY_MAX_MW for key in ("up_mw", "down_mw")):
        raise OrderError("up_mw and down_mw must be at least 0")
    low, high = params.p_min_mw.tolist(), params.p_max_mw.tolist()
    for i, name in enumerate(params.ids):
        if not low[i] <= by_unit[name] <= high[i]:
            raise OrderError(f"{name}: {by_unit[name]:g} MW is not within its rating")
    basepoint_mw = tuple(float(by_unit[name]) for name in params.ids)
    return PlanOrder(basepoint_mw, float(data["up_mw"]), float(data["down_mw"]))


def _who(request: dict[str, Any]) -> str:
    return str(request.get("who", ""))[:WHO_MAX]


def _why(request: dict[str, Any]) -> str:
    return str(request.get("why", ""))[:WHY_MAX]


def _short(request: dict[str, Any]) -> str:
    return str(request.get("order", request.get("do", "")))[:WHY_MAX]
