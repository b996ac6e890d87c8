"""Limits of several units together, in words."""

import math
from collections.abc import Iterator

from vppd.journal.explain import Explanation, Unit
from vppd.journal.explain_groups import FREE, UPPER, Group
from vppd.ops.counted import counted
from vppd.ops.status_text import printable
from vppd.runtime.explain_words import ID_WIDTH, line, mw


def group_lines(why: Explanation) -> Iterator[str]:
    """Table of the groups whose limits bind; one line for the rest. Nothing without groups."""
    binding = [group for group in why.groups if group.side != FREE]
    if binding:
        yield (
            f"{'group':{ID_WIDTH}} {'in':{ID_WIDTH}} {'units':>6} {'sum, MW':>10} {'lower, MW':>10}"
            f" {'upper, MW':>10}  bound by"
        )
    for group in binding:
        yield (
            f"{printable(group.id):{ID_WIDTH}} {printable(group.parent) or '-':{ID_WIDTH}}"
            f" {group.units:6} {mw(group.sum_mw):>10} {_limit(group.lower_mw):>10}"
            f" {_limit(group.upper_mw):>10}  {_bound(group)}"
        )
    free = len(why.groups) - len(binding)
    if free:
        yield f"{counted(free, 'group')} within {'its' if free == 1 else 'their'} limits"


def bound_lines(why: Explanation, unit: Unit) -> Iterator[str]:
    """Name the groups that bind a unit, the nearest first."""
    by_id = {group.id: group for group in why.groups}
    for number, name in enumerate(unit.bound_by):
        group = by_id[name]
        yield line(
            "" if number else "group",
            f"{printable(name)}: {counted(group.units, 'unit')} together"
            f" {mw(group.sum_mw)} MW, {_bound(group)}",
        )


def _bound(group: Group) -> str:
    at_mw = group.upper_mw if group.side == UPPER else group.lower_mw
    if group.missed_mw != 0.0:
        return f"its {group.side} limit of {_limit(at_mw)} MW, missed by {mw(abs(group.missed_mw))}"
    return f"its {group.side} limit of {_limit(at_mw)} MW"


def _limit(value_mw: float) -> str:
    return "none" if math.isinf(value_mw) else mw(value_mw)
