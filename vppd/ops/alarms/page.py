"""Writes `docs/alarms.md` from the catalogue: `python -m vppd.ops.alarms.page docs/alarms.md`."""

import math
import sys
from pathlib import Path

from vppd.ops.alarms.catalogue import CATALOGUE, NO_ALARM, Kind, Priority, Scope
from vppd.ops.alarms.settings import BY_CATALOGUE

_FLOOD = BY_CATALOGUE
_MINUTES = _FLOOD.window_s / 60.0
_SOON = {
    Priority.CRITICAL: "within a minute",
    Priority.HIGH: "within some minutes",
    Priority.MEDIUM: "within the hour",
    Priority.LOW: "within the shift",
}
_OF = {
    Scope.PLANT: "the plant",
    Scope.UNIT: "each unit",
    Scope.LINK: "each link that serves several units",
    Scope.TASK: "each task",
}
_HEAD = f"""\
# Alarms

Written from the catalogue (`vppd/ops/alarms/catalogue.py`); do not edit.

An alarm is something that an operator has to do something about. It is built by the ideas of
ANSI/ISA-18.2-2016: few, each with a priority, a delay, and what to do. `vppd status` shows them,
the most urgent first; each change is one line in the log (`alarm`) and one event in the journal,
with who gave an order and why.

## States

| state | the condition | an operator |
|---|---|---|
| `normal` | is not there | need do nothing |
| `unacknowledged` | is there, for longer than its on-delay | has not taken note |
| `acknowledged` | is there | knows |
| `returned` | is gone, for longer than its off-delay | has not taken note |
| `shelved` | may be there | has hidden it for a time, at most what its kind allows |
| `suppressed` | is there | is shown its cause instead, or there are too many |
| `out_of_service` | may be there | has hidden it until it is returned to service |

One that comes back from `shelved`, `suppressed` or `out_of_service` while its condition is there
asks for attention again. A restart of the daemon forgets acknowledgements and shelves: what is
there is raised anew.

**First out:** of the alarms of a group, the one that came while none of the others was active is
marked: it is nearest to the cause.

**Flood:** of the alarms below HIGH at most {_FLOOD.shown_max} are raised in {_MINUTES:g} minutes.
More are `suppressed` and counted by `alarm_flood`; when {_FLOOD.shown_again} or fewer came in that
time, they are shown, the most urgent and oldest first. CRITICAL and HIGH are never held back.

**Cause:** while `link_lost` is active, the alarms of the units behind that link are suppressed.

**Dead band:** an alarm with a limit ends when its value is below the limit by the dead band.

## Other priorities, delays and limits

What follows is what holds where the configuration says nothing else. It may set priority, delays
and the longest shelving of each alarm, and the limits of the flood control; `vppd check` refuses a
name that is not in the catalogue, and a shelving of what may not be shelved. A reload takes it over
between two ticks, for alarms that are there, too.

```yaml
alarms:
  flood_shown_max: 20
  kinds:
    - {{alarm: unit_lost, priority: medium, on_delay_s: 30}}
    - {{alarm: tick_late, off_delay_s: 120, shelve_max_s: 3600}}
```

## Catalogue
"""


def render() -> str:
    """Give the page, in Markdown."""
    parts = [_HEAD, *_table()]
    for kind in CATALOGUE:
        parts += _section(kind)
    parts += ["## What is no alarm", "", "| line of the log | because |", "|---|---|"]
    parts += [f"| `{name}` | {why} |" for name, why in NO_ALARM.items()]
    return "\n".join(parts) + "\n"


def _table() -> list[str]:
    rows = ["| alarm | priority | of | group |", "|---|---|---|---|"]
    ordered = sorted(CATALOGUE, key=lambda kind: kind.priority)
    return rows + [
        f"| [`{kind.name}`](#{kind.name}) | {kind.priority.name} |"
        f" {_OF[kind.scope]} | {kind.group} |"
        for kind in ordered
    ] + [""]  # fmt: skip


def _section(kind: Kind) -> list[str]:
    shelf_h = kind.shelve_max_s / 3600.0
    shelf = f"for at most {shelf_h:g} h" if shelf_h else "not at all"
    facts = [
        f"- Priority: {kind.priority.name}, to be answered {_SOON[kind.priority]}",
        f"- On-delay {kind.delays.on_s:g} s, off-delay {kind.delays.off_s:g} s",
        f"- May be shelved {shelf}",
    ]
    if not math.isnan(kind.limit):
        facts.append(
            f"- Limit {kind.limit:g} {kind.unit}, dead band {kind.dead_band:g} {kind.unit}"
        )
    return [
        f"### {kind.name}", "", f"{kind.title}.", "", *facts,
        f"- Do: {kind.action}", f"- Runbook: {kind.runbook}", "",
    ]  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
