"""What the figures of a run must be, and by how much they are not."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hil.measure.response import EVENT_S

NO_REASON = "no reason given"


@dataclass(frozen=True, slots=True)
class Other:
    """A second figure that a limit may be met by."""

    key: str
    maximum: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure of the result must be, `unless` another one is small enough."""

    minimum: float | None = None
    maximum: float | None = None
    equals: bool | None = None
    unless: Other | None = None

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            return [("minimum", f"{self.minimum:g} is over maximum, {self.maximum:g}")]
        return []


def figure(result: dict[str, Any], dotted: str) -> Any:
    """Value at a dotted key of `result.json`, places in lists by number; None if there is none."""
    value: Any = result
    for key in dotted.split("."):
        if isinstance(value, list):
            value = value[int(key)] if key.isdigit() and int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


class HasLimits(Protocol):
    """A scenario."""

    @property
    def acceptance(self) -> dict[str, Limit]:
        """Limits by the key of the figure."""


def applicable(scenario: HasLimits, result: dict[str, Any]) -> dict[str, Limit]:
    """Limits that a run can meet or miss.

    In virtual time the daemon is no process; in the open loop nobody moves the frequency's nadir; a
    run that ends less than `EVENT_S` after its event does not see how it ends.
    """
    return {
        key: limit
        for key, limit in scenario.acceptance.items()
        if not any(key.startswith(begin) and key.endswith(end) for begin, end in _left_out(result))
    }


def _left_out(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield begin and end of the keys that no run of this kind can meet or miss."""
    event = result.get("frequency_event") or {}
    if result.get("clock") == "virtual":
        yield "process.", ""
    if event.get("closed_loop") is False:
        yield "frequency_event.", "nadir_hz"
    if event and result["duration_s"] - (event["event_s"] or 0.0) < EVENT_S:
        yield "frequency_event.", "overshoot_pct"
        yield "frequency_event.", "recovery_off_pct"


def missed(scenario: HasLimits, result: dict[str, Any]) -> list[str]:
    """Say which acceptance limits a result does not meet, and by how much."""
    found = (shortfall(result, key, limit) for key, limit in applicable(scenario, result).items())
    return [text for text in found if text]


def shortfall(result: dict[str, Any], key: str, limit: Limit) -> str:
    """Say how a figure does not meet its limit; an empty text if it does."""
    value = figure(result, key)
    if value is None and not _known(result, key):
        return f"{key}: there is no such figure in result.json{_near(result, key)}"
    if value is None:
        return f"{key}: could not be measured ({_reason(result.get('notes') or {}, key)})"
    if not isinstance(value, int | float):
        return f"{key}: is no figure, it holds several; name one of them"
    if limit.equals is not None and value is not limit.equals:
        return f"{key}: is {value}, must be {limit.equals}"
    if limit.maximum is not None and value > limit.maximum:
        over = f"{key}: {value:g} is over its limit {limit.maximum:g} by {value - limit.maximum:g}"
        return _unless(result, limit.unless, over)
    if limit.minimum is not None and value < limit.minimum:
        under = limit.minimum - value
        return f"{key}: {value:g} is under its limit {limit.minimum:g} by {under:g}"
    return ""


def in_words(limit: Limit) -> str:
    """Say what a limit asks for."""
    if limit.equals is not None:
        return str(limit.equals).lower()
    parts = [f"≥ {limit.minimum:g}"] if limit.minimum is not None else []
    parts += [f"≤ {limit.maximum:g}"] if limit.maximum is not None else []
    words = " and ".join(parts)
    if limit.unless is not None:
        words += f", or {limit.unless.key.rpartition('.')[2]} ≤ {limit.unless.maximum:g}"
    return words


def _unless(result: dict[str, Any], other: Other | None, told: str) -> str:
    """Give `told`, and what the other figure says; an empty text if that one is small enough."""
    if other is None:
        return told
    also = shortfall(result, other.key, Limit(maximum=other.maximum))
    return f"{told}, and {also}" if also else ""


def _known(result: dict[str, Any], key: str) -> bool:
    """Whether a result has a place for a figure, or says why it has none.

    What is part of something that was not measured, or that did not happen, may be one.
    """
    notes = result.get("notes") or {}
    if _reason(notes, key) != NO_REASON:
        return True
    before, _, last = key.rpartition(".")
    part = figure(result, before) if before else result
    if isinstance(part, dict) and part:
        return last in part
    return last.isdigit() or (bool(before) and _known(result, before))


def _near(result: dict[str, Any], key: str) -> str:
    """Name the figure that may be meant, of those beside where it would stand."""
    before, _, last = key.rpartition(".")
    part = figure(result, before) if before else result
    near = difflib.get_close_matches(last, part, 1) if isinstance(part, dict) else []
    return f"; did you mean {before}{'.' if before else ''}{near[0]}?" if near else ""


def _reason(notes: dict[str, str], key: str) -> str:
    """Find the note on a figure, or on what it is part of."""
    while key:
        if key in notes:
            return notes[key]
        key = key.rpartition(".")[0]
    return NO_REASON
