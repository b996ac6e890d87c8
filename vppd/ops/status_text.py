"""The status for people."""

import math
from collections import Counter
from collections.abc import Iterator

from vppd.ops.alarms.state import HIDDEN
from vppd.ops.counted import counted
from vppd.ops.status import AlarmStatus, Benched, ProductStatus, Status
from vppd.ops.timing import Quantiles

ID_WIDTH = 16


def render(status: Status) -> str:
    """Give the status as lines of text, the most urgent first."""
    return "\n".join(_lines(status)) + "\n"


def _lines(status: Status) -> Iterator[str]:
    shadow = "   SHADOW: nothing is written to devices" if status.shadow else ""
    order = "" if status.order == "AUTO" else f"   order {status.order}"
    yield (
        f"{status.site}   {status.mode} for {duration(status.mode_since_s)}{order}"
        f"   units {status.units_online}/{status.units_total}{shadow}"
    )
    yield from _alarm_lines(status.alarms)
    yield from _power_lines(status)
    yield from _product_lines(status.products)
    yield from _timing_lines(status)
    yield from _journal_lines(status)
    yield (
        f"vppd {status.version}, pid {status.pid}, up {duration(status.uptime_s)}, "
        f"tick {status.tick} at {status.utc}"
    )
    yield from _benched_lines(status.benched)


def _alarm_lines(alarms: tuple[AlarmStatus, ...]) -> Iterator[str]:
    hidden = Counter(alarm.state for alarm in alarms if alarm.state in HIDDEN)
    shown = [alarm for alarm in alarms if alarm.state not in HIDDEN]
    told = [counted(len(shown), "alarm")] if shown else ["none"]
    told += [f"{count} {state.replace('_', ' ')}" for state, count in hidden.items()]
    yield f"alarms    {', '.join(told)}"
    for alarm in shown:
        value = "" if math.isnan(alarm.value) else f" ({_number(alarm.value, 'z.6g')} {alarm.unit})"
        detail = f" {printable(alarm.detail)}" if alarm.detail else ""
        first = "   FIRST" if alarm.first_out else ""
        yield (
            f"  {alarm.priority:<8} {alarm.state:<14} for {duration(alarm.since_s):>8}   "
            f"{alarm.id}{detail}{value}{first}"
        )
        yield f"           {alarm.title}. {alarm.action}"


def _power_lines(status: Status) -> Iterator[str]:
    signal, plan, power, room = status.signal, status.plan, status.power, status.headroom
    age = "never received" if math.isnan(signal.age_s) else f"{duration(signal.age_s)} old"
    yield f"signal    AGC {_number(signal.agc_pu, '+z.3f')} pu, {age}, {signal.verdict}"
    yield (
        f"plan      basepoint {_number(plan.basepoint_mw)} MW, regulation +"
        f"{_number(plan.regulation_capacity_up_mw)}/-"
        f"{_number(plan.regulation_capacity_down_mw)} MW"
    )
    yield (
        f"power     asked {_number(power.request_mw)} MW, set {_number(power.served_mw)} MW, "
        f"measured {_number(power.measured_mw)} MW, unserved {_number(power.unserved_mw)} MW"
    )
    yield (
        f"headroom  +{_number(room.up_mw)}/-{_number(room.down_mw)} MW within a tick, "
        f"+{_number(room.range_up_mw)}/-{_number(room.range_down_mw)} MW in all"
    )
    yield from _promise_lines(status)


def _promise_lines(status: Status) -> Iterator[str]:
    label = "promise"
    for at in status.promise:
        yield (
            f"{label:<10}in {duration(at.s):<12} +{_number(at.up_mw)}/-{_number(at.down_mw)} MW"
            f" around the plan, firm +{_number(at.firm_up_mw)}/-{_number(at.firm_down_mw)} MW"
        )
        label = ""
    if status.award_short:
        yield "          MORE REGULATION WAS SOLD THAN CAN BE PROMISED FOR 15 min"


def _product_lines(products: tuple[ProductStatus, ...]) -> Iterator[str]:
    label = "scores"
    for product in products:
        error = f", {printable(product.error)}" if product.error else ""
        span = f" of {product.since} to {product.until}" if product.since else ""
        yield f"{label:<10}{product.market}: {product.scored_s:.0f} s{span}{error}"
        label = ""
        for figure in product.figures:
            yield (
                f"          {figure.name:<22} so far {_number(figure.so_far, 'z.6g')}, ends with"
                f" {_number(figure.ends_with, 'z.6g')}, last {_number(figure.last, 'z.6g')}"
            )


def _timing_lines(status: Status) -> Iterator[str]:
    timing, io, realtime = status.timing, status.io, status.realtime
    yield (
        f"tick      {timing.tick_s:g} s by {timing.timer or 'no timer yet'}, "
        f"missed {timing.missed_ticks}, early {timing.early_ticks}"
    )
    yield f"          took {_quantiles(timing.tick_us, 'µs')}"
    yield f"          late {_quantiles(timing.lateness_ms, 'ms')}"
    yield (
        f"io        writes {io.writes}, failed {io.failed_writes}, refused {io.refused_writes}, "
        f"setpoints dropped {io.dropped_setpoints}, reads {io.reads}, failed {io.failed_reads}, "
        f"reconnects {io.reconnects}"
    )
    yield f"kernel    {realtime.scheduler}; memory {realtime.memory}; gc {realtime.gc}"
    if status.log_lines_dropped:
        dropped = counted(status.log_lines_dropped, "line")
        yield f"log       {dropped} dropped: its reader is too slow"


def _journal_lines(status: Status) -> Iterator[str]:
    journal = status.journal
    if not journal.path:
        yield "journal   none"
        return
    error = f", ERROR {journal.error}" if journal.error else ""
    ticks = counted(journal.ticks, "tick")
    yield (
        f"journal   {journal.path}: {ticks}, {journal.bytes / 1e6:.1f} MB, "
        f"dropped {journal.dropped}{error}"
    )
    signed = "NOT SIGNED"
    if journal.key_id:
        signed = f"key {journal.key_id}, signed {journal.signed_utc or 'nothing yet'}"
    reserve = "" if journal.reserve else ", NO ROOM LEFT for its reserve"
    yield (
        f"          unsynced for {duration(journal.unsynced_age_s)}; {signed};"
        f" events {journal.events}, lost {journal.events_lost}{reserve}"
    )


def _benched_lines(benched: tuple[Benched, ...]) -> Iterator[str]:
    if not benched:
        yield "benched   none"
        return
    yield f"benched   {len(benched)}:"
    for unit in benched:
        detail = f"   {printable(unit.detail)}" if unit.detail else ""
        yield (
            f"  {unit.id:<{ID_WIDTH}} {unit.kind:<10} {unit.reason:<13} "
            f"for {duration(unit.since_s):>8}   counted as {unit.counted_as} "
            f"{_number(unit.counted_mw)} MW{detail}"
        )


def duration(seconds: float) -> str:
    """Give a time span in its two largest units."""
    if math.isnan(seconds):
        return "-"
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def printable(text: str) -> str:
    """Text from outside, fit for a terminal: a device must not move somebody's cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _number(value: float, form: str = "z.3f") -> str:
    """Give a number; z: what rounds to nothing has no minus."""
    return "-" if math.isnan(value) else format(value, form)


def _quantiles(values: Quantiles, unit: str) -> str:
    return (
        f"p50 {_number(values.p50, '.2f')}, p99 {_number(values.p99, '.2f')}, "
        f"max {_number(values.max, '.2f')} {unit}"
    )
