"""The catalogue is whole: each event of the core and each warning of the daemon is in it."""

import ast
import importlib
from pathlib import Path

import pytest
from py1815.observers import AnomalyCode

from vppd.core.types import EventCode, Mode, Reason, Verdict
from vppd.ops.alarms.catalogue import (
    BY_EVENT,
    BY_LOG,
    BY_MODE,
    BY_REASON,
    CATALOGUE,
    KINDS,
    NO_ALARM,
    REFUSALS,
    Priority,
    Scope,
)
from vppd.ops.alarms.page import render
from vppd.ops.events import LEVEL

ROOT = Path(__file__).parents[2]
WARNS = ("warning", "error", "exception", "critical")
# Calls whose event is no constant, and where their events are found instead.
ELSEWHERE = {
    ("vppd/signals/dnp3_outstation.py", "event"): "calls of note(), and AnomalyCode",
    ("vppd/ops/log.py", "LIBRARY_MESSAGE"): "",
}
IN_NO_SPLIT = {  # limits of a unit that takes part, or out of it for no alarm
    Reason.NONE, Reason.OPERATOR, Reason.RATING, Reason.RAMP, Reason.SOC, Reason.AVAILABLE,
    Reason.CROSSED, Reason.DEAD_BAND, Reason.GUARD, Reason.CAPACITY, Reason.GROUP, Reason.BAND,
    Reason.MIN_TIME, Reason.CYCLES, Reason.MODEL,
}  # fmt: skip


def warned() -> set[str]:
    """Names of all events that the daemon logs at warning and above."""
    names = {name for name, level in LEVEL.items() if level in WARNS} | {"log_lines_dropped"}
    for path in sorted((ROOT / "vppd").rglob("*.py")):
        where = path.relative_to(ROOT)
        module = ".".join(where.with_suffix("").parts)
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
                names |= event_of(call, str(where), module)
    return names


def event_of(call: ast.Call, where: str, module: str) -> set[str]:
    """The event that a call logs; empty: it logs none, or not at this level."""
    first, verb = call.args[0], call.func.attr
    if verb == "note" and isinstance(first, ast.Constant):
        return {first.value}
    if verb not in WARNS or "log" not in ast.unparse(call.func.value):
        return set()
    if isinstance(first, ast.Constant):
        return {first.value}
    constant = getattr(importlib.import_module(module), ast.unparse(first), None)
    if isinstance(constant, str):
        return {constant}
    assert (where, ast.unparse(first)) in ELSEWHERE, f"{where}:{call.lineno}: which event?"
    return set()


def test_every_warning_of_the_daemon_has_an_alarm_or_a_reason_for_none():
    found = warned()
    assert {"task_given_up", "peer_refused", "unit_lost", "subscription_denied"} <= found
    assert found - BY_LOG.keys() - NO_ALARM.keys() == set()
    assert not {code.value for code in AnomalyCode} & BY_LOG.keys()
    # and nothing is listed that is never logged: what the log says of levels is looked up by hand
    by_hand = {"mode_changed", "library_message", "agc_refused", "frequency_refused"}
    assert (BY_LOG.keys() | NO_ALARM.keys()) - found - by_hand == set()


def test_every_event_mode_verdict_and_reason_of_the_core_is_somewhere():
    assert set(BY_EVENT) == set(EventCode)
    assert set(BY_REASON) | IN_NO_SPLIT == set(Reason)
    assert set(BY_MODE) | {Mode.STARTING, Mode.BASEPOINT, Mode.REGULATING, Mode.LOCAL} == set(Mode)
    good = {Verdict.NONE, Verdict.FRESH, Verdict.UNCHANGED}
    assert set(REFUSALS) | good | {Verdict.STALE} == set(Verdict)  # STALE: mode HOLD


def test_every_alarm_that_is_named_is_in_the_catalogue():
    named = {*BY_LOG.values(), *BY_REASON.values(), *BY_MODE.values()}
    named |= {name for names in BY_EVENT.values() for name in names}
    assert named <= KINDS.keys()


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.name)
def test_each_alarm_says_what_it_is_and_what_to_do(kind):
    for words in (kind.title, kind.action, kind.runbook):
        assert len(words.split()) > 3
    assert kind.action.endswith(".")
    assert kind.runbook.endswith(".")
    assert not kind.title.endswith(".")
    assert kind.dead_band < kind.limit or kind.limit != kind.limit
    if kind.scope in (Scope.UNIT, Scope.LINK, Scope.TASK) and kind.name != "task_given_up":
        assert kind.priority > Priority.HIGH  # hundreds of them must not be urgent


def test_few_are_urgent():
    """ISA-18.2 and EEMUA 191 want a pyramid: about 5 % of the highest priority."""
    counts = [sum(kind.priority == each for kind in CATALOGUE) for each in Priority]
    assert counts[0] <= 0.1 * len(CATALOGUE)
    assert counts[0] + counts[1] <= 0.5 * len(CATALOGUE)


def test_the_page_is_written_from_the_catalogue():
    page = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    assert page == render(), "run: make docs"
    for kind in CATALOGUE:
        assert f"### {kind.name}\n" in page
        assert f"- Runbook: {kind.runbook}" in page
