"""The orders in force. Kept in a file, so that a restart forgets none of them.

The file is written anew and moved into place; an order counts as given once it is there.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from vppd.core.orders import (
    CapacityOrder,
    Given,
    Hold,
    ModeOrder,
    PlanOrder,
    Standing,
    StopOrder,
    UnitOrder,
    spread_mw,
    stand,
)
from vppd.core.types import F8, Order, Params
from vppd.ops.orders.form import HOLDS, Form, OrderError

SCHEMA: Final = 1
NAMES_SHOWN: Final = 3
ENTRIES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One order in force: who gave it, when and why."""

    number: int
    who: str
    why: str
    given_utc_s: float
    until_utc_s: float | None  # None: until somebody ends it
    order: Given

    @property
    def of_units(self) -> bool:
        """Whether it holds units."""
        return isinstance(self.order, UnitOrder)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that waits for acceptance."""

    number: int
    who: str
    why: str
    proposed_utc_s: float
    order: PlanOrder


@dataclass(frozen=True, slots=True)
class Book:
    """All that is in force, and what was proposed. Changed by making another one."""

    entries: tuple[Entry, ...] = ()
    plans: tuple[Plan, ...] = ()
    next_number: int = 1
    pardons: tuple[int, ...] = ()  # units to trust again, one a tick; not kept in the file
    # Number of the newest order: who confirms one has seen its effect beside all before it.
    newest: int = field(default=0, compare=False)

    def given(self) -> tuple[Given, ...]:
        """Orders, oldest first."""
        return tuple(entry.order for entry in self.entries)

    def standing(self, base: Standing, params: Params) -> Standing:
        """What stands now; the next pardon is in it."""
        standing = stand(base, self.given(), params)
        return replace(standing, pardon=self.pardons[0] if self.pardons else -1)


def with_order(
    book: Book, form: Form, params: Params, setpoint_mw: F8, who: str, why: str, utc_s: float
) -> Book:
    """Book with one more order, or one less. Raises OrderError.

    Each takes a number, one that ends others, too: the journal names it by that.
    """
    after = _with_order(book, form, params, setpoint_mw, who, why, utc_s)
    return replace(after, next_number=book.next_number + 1, newest=book.next_number)


def _with_order(
    book: Book, form: Form, params: Params, setpoint_mw: F8, who: str, why: str, utc_s: float
) -> Book:
    if form.kind == "cancel":
        return _without(book, form.number)
    if form.kind in ("release", "unbench"):
        return _released(book, form)
    if form.kind == "mode" and form.mode is Order.AUTO:
        return _in_automatic(book)
    entries = tuple(_make_room(book.entries, form))
    if len(entries) >= ENTRIES_MAX:
        raise OrderError(f"{ENTRIES_MAX} orders are in force; end some of them first")
    until_s = None if form.expires_in_s is None else utc_s + form.expires_in_s
    order = _order(book, form, params, setpoint_mw)
    entry = Entry(book.next_number, who, why, utc_s, until_s, order)
    plans = book.plans
    if form.kind == "accept_plan":
        plans = tuple(plan for plan in plans if plan.number != form.number)
    return replace(book, entries=(*entries, entry), plans=plans)


def with_plan(book: Book, order: PlanOrder, who: str, why: str, utc_s: float) -> Book:
    """Book with one more plan to accept; of old ones the newest nine are kept."""
    plan = Plan(book.next_number, who, why, utc_s, order)
    return replace(book, plans=(*book.plans[-9:], plan), next_number=book.next_number + 1)


def expired(book: Book, utc_s: float) -> tuple[Book, tuple[Entry, ...]]:
    """Book without the orders whose time is over, and those orders."""
    over = tuple(e for e in book.entries if e.until_utc_s is not None and e.until_utc_s <= utc_s)
    if not over:
        return book, ()
    return replace(book, entries=tuple(e for e in book.entries if e not in over)), over


def pardoned(book: Book) -> Book:
    """Book after the tick that had its first pardon."""
    return replace(book, pardons=book.pardons[1:])


def _order(book: Book, form: Form, params: Params, setpoint_mw: F8) -> Given:
    if form.kind == "hold":
        p_mw = _setpoints_mw(form, params, setpoint_mw)
        return UnitOrder(Hold.SETPOINT, form.units, p_mw)
    if form.kind in HOLDS:
        return UnitOrder(HOLDS[form.kind], form.units)
    if form.kind == "mode":
        return ModeOrder(form.mode)
    if form.kind == "capacity":
        return CapacityOrder(form.up_mw, form.down_mw)
    if form.kind == "accept_plan":
        plan = next((plan for plan in book.plans if plan.number == form.number), None)
        if plan is None:
            raise OrderError(f"there is no plan {form.number} to accept")
        return plan.order
    return StopOrder()


def _setpoints_mw(form: Form, params: Params, setpoint_mw: F8) -> tuple[float, ...]:
    units = list(form.units)
    if form.p_mw is None:
        here = setpoint_mw[units].tolist()
        for unit, p_mw in zip(units, here, strict=True):
            if p_mw != p_mw:  # NaN: never told
                raise OrderError(f"{params.ids[unit]} has no setpoint yet: say p_mw")
        return tuple(here)
    low_mw, high_mw = params.p_min_mw[units].tolist(), params.p_max_mw[units].tolist()
    try:
        return tuple(spread_mw(form.p_mw, low_mw, high_mw))
    except ValueError as error:
        names = _named(units, params.ids)
        raise OrderError(f"p_mw: {form.p_mw:g} MW is {error}, the rating of {names}") from error


def _make_room(entries: tuple[Entry, ...], form: Form) -> Iterator[Entry]:
    """Orders that the new one leaves in force."""
    replaces = {"mode": ModeOrder, "capacity": CapacityOrder, "emergency_stop": UnitOrder}
    for entry in entries:
        if form.kind == "accept_plan" and isinstance(entry.order, (PlanOrder, CapacityOrder)):
            continue
        kind = replaces.get(form.kind)
        if kind is not None and isinstance(entry.order, kind):
            continue
        if form.kind == "emergency_stop" and isinstance(entry.order, (ModeOrder, StopOrder)):
            continue
        if form.kind == "mode" and isinstance(entry.order, StopOrder):
            raise OrderError("the emergency stop is in force: end it with mode AUTO first")
        yield from _less(entry, frozenset(form.units))


def _less(entry: Entry, units: frozenset[int]) -> Iterator[Entry]:
    """The order without these units; none if none are left."""
    order = entry.order
    if not isinstance(order, UnitOrder) or not units.intersection(order.units):
        yield entry
        return
    kept = [k for k, unit in enumerate(order.units) if unit not in units]
    if kept:
        p_mw = tuple(order.p_mw[k] for k in kept) if order.p_mw else ()
        order = replace(order, units=tuple(order.units[k] for k in kept), p_mw=p_mw)
        yield replace(entry, order=order)


def _released(book: Book, form: Form) -> Book:
    """Units given back. Unbench: from the operator's bench, and trusted again."""
    units = frozenset(form.units)
    entries: list[Entry] = []
    for entry in book.entries:
        benched = isinstance(entry.order, UnitOrder) and entry.order.hold is Hold.BENCH
        touched = form.kind == "release" or benched
        entries.extend(_less(entry, units) if touched else (entry,))
    if form.kind == "release":
        if tuple(entries) == book.entries:
            raise OrderError("no order in force holds these units")
        return replace(book, entries=tuple(entries))
    pardons = (*book.pardons, *(unit for unit in form.units if unit not in book.pardons))
    return replace(book, entries=tuple(entries), pardons=pardons)


def _in_automatic(book: Book) -> Book:
    entries = tuple(e for e in book.entries if not isinstance(e.order, (ModeOrder, StopOrder)))
    if entries == book.entries:
        raise OrderError("the plant is in automatic: there is nothing to end")
    return replace(book, entries=entries)


def _without(book: Book, number: int) -> Book:
    entries = tuple(entry for entry in book.entries if entry.number != number)
    plans = tuple(plan for plan in book.plans if plan.number != number)
    if entries == book.entries and plans == book.plans:
        raise OrderError(f"there is no order or plan {number} in force")
    return replace(book, entries=entries, plans=plans)


def in_words(order: Given, params: Params) -> str:
    """Say what an order is."""
    if isinstance(order, UnitOrder):
        names = _named(order.units, params.ids)
        if order.hold is Hold.LOCK_OUT:
            return f"lock-out of {names}"
        if order.hold is Hold.BENCH:
            return f"bench of {names}"
        return f"{names} held at {sum(order.p_mw):.3f} MW"
    if isinstance(order, ModeOrder):
        return f"mode {order.order.name}"
    if isinstance(order, CapacityOrder):
        return f"regulation capacity +{order.up_mw:g}/-{order.down_mw:g} MW"
    if isinstance(order, PlanOrder):
        base_mw = sum(order.basepoint_mw)
        return f"plan: {base_mw:.3f} MW, regulation +{order.up_mw:g}/-{order.down_mw:g} MW"
    return "EMERGENCY STOP"


def _named(units: tuple[int, ...] | list[int], ids: tuple[str, ...]) -> str:
    shown = ", ".join(ids[unit] for unit in units[:NAMES_SHOWN])
    more = len(units) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


# -- the file -------------------------------------------------------------------------------------


def save(book: Book, params: Params, path: Path) -> None:
    """Write the book. Raises OSError."""
    document = to_document(book, params)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(document, file, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(params: Params, path: Path) -> tuple[Book, tuple[str, ...]]:
    """Read the book; second, what could not be taken over from it, in words.

    No file: an empty book. A file that cannot be read is no reason not to run the plant, but
    somebody has to know. Raises OSError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Book(), ()
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            return Book(), (f"{path}: not of schema {SCHEMA}; its orders are not in force",)
        return from_document(document, params)
    except (ValueError, KeyError, TypeError) as error:
        return Book(), (f"{path}: cannot be read ({error}); its orders are not in force",)


def to_document(book: Book, params: Params) -> dict[str, Any]:
    """Give the book as JSON takes it; units by name, for the fleet may be another one next time."""
    return {
        "schema": SCHEMA,
        "next_number": book.next_number,
        "entries": [asdict(e) | {"order": _to_json(e.order, params)} for e in book.entries],
        "plans": [asdict(p) | {"order": _to_json(p.order, params)} for p in book.plans],
    }


def from_document(document: dict[str, Any], params: Params) -> tuple[Book, tuple[str, ...]]:
    """Give the book of a document; second, what could not be taken over from it, in words.

    Raises ValueError, KeyError or TypeError for what is no such document.
    """
    lost: list[str] = []
    rows = [_entry(row, params, lost) for row in document["entries"]]
    entries = tuple(row for row in rows if row is not None)
    plans = [_plan(row, params, lost) for row in document["plans"]]
    kept = tuple(plan for plan in plans if plan is not None)
    return Book(entries, kept, int(document["next_number"])), tuple(lost)


def rekeyed(book: Book, before: Params, after: Params) -> tuple[Book, tuple[str, ...]]:
    """Book for another fleet, units found by name; second, what could not be taken over."""
    lost: list[str] = []

    def moved(order: Given) -> Given | None:
        return _from_json(_to_json(order, before), after, lost)

    entries = tuple(
        replace(entry, order=order) for entry in book.entries if (order := moved(entry.order))
    )
    plans = tuple(
        replace(plan, order=order)
        for plan in book.plans
        if isinstance(order := moved(plan.order), PlanOrder)
    )
    return replace(book, entries=entries, plans=plans, pardons=()), tuple(lost)


def _to_json(order: Given, params: Params) -> dict[str, Any]:
    if isinstance(order, UnitOrder):
        units = [params.ids[i] for i in order.units]
        return {"kind": "units", "hold": order.hold.name, "units": units, "p_mw": order.p_mw}
    if isinstance(order, ModeOrder):
        return {"kind": "mode", "mode": order.order.name}
    if isinstance(order, CapacityOrder):
        return {"kind": "capacity", "up_mw": order.up_mw, "down_mw": order.down_mw}
    if isinstance(order, PlanOrder):
        by_unit = dict(zip(params.ids, order.basepoint_mw, strict=True))
        both = {"up_mw": order.up_mw, "down_mw": order.down_mw}
        return {"kind": "plan", "basepoint_mw": by_unit, **both}
    return {"kind": "stop"}


def _from_json(row: dict[str, Any], params: Params, lost: list[str]) -> Given | None:
    kind = row["kind"]
    if kind == "units":
        at = {name: i for i, name in enumerate(params.ids)}
        gone = [name for name in row["units"] if name not in at]
        lost.extend(f"an order about {name}, which is not in the fleet any more" for name in gone)
        kept = [k for k, name in enumerate(row["units"]) if name in at]
        units = tuple(at[row["units"][k]] for k in kept)
        p_mw = tuple(float(row["p_mw"][k]) for k in kept) if row["p_mw"] else ()
        return UnitOrder(Hold[row["hold"]], units, p_mw) if units else None
    if kind == "mode":
        return ModeOrder(Order[row["mode"]])
    if kind == "capacity":
        return CapacityOrder(float(row["up_mw"]), float(row["down_mw"]))
    if kind == "plan":
        by_unit = row["basepoint_mw"]
        if set(by_unit) != set(params.ids):
            lost.append("a plan for another fleet")
            return None
        basepoint_mw = tuple(float(by_unit[name]) for name in params.ids)
        return PlanOrder(basepoint_mw, float(row["up_mw"]), float(row["down_mw"]))
    if kind == "stop":
        return StopOrder()
    raise ValueError(f"no order of kind {kind!r}")


def _entry(row: dict[str, Any], params: Params, lost: list[str]) -> Entry | None:
    order = _from_json(row["order"], params, lost)
    if order is None:
        return None
    until = row["until_utc_s"]
    until_s = None if until is None else float(until)
    number, given_s = int(row["number"]), float(row["given_utc_s"])
    return Entry(number, str(row["who"]), str(row["why"]), given_s, until_s, order)


def _plan(row: dict[str, Any], params: Params, lost: list[str]) -> Plan | None:
    order = _from_json(row["order"], params, lost)
    if not isinstance(order, PlanOrder):
        return None
    number, proposed_s = int(row["number"]), float(row["proposed_utc_s"])
    return Plan(number, str(row["who"]), str(row["why"]), proposed_s, order)
