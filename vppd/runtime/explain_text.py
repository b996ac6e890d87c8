"""An explanation of one tick, for people."""

import math
from collections.abc import Iterator
from typing import Final

from vppd.journal.explain import Explanation, HeldBy, Point, Unit
from vppd.journal.instant import utc_text
from vppd.ops.counted import counted
from vppd.ops.status_text import printable
from vppd.runtime.explain_groups_text import group_lines
from vppd.runtime.explain_words import ID_WIDTH, IN_WORDS, amount, line, listed, mw, since

UNITS_SHOWN: Final = 40
UNSERVED_MIN_MW: Final = 5e-4  # what the tables show
PRICE_APART: Final = 1e-6
PASSING: Final = ("NONE", "LATE", "RAMP", "DEAD_BAND", "FITTED")  # that hold no longer than a while


def render(why: Explanation) -> str:
    """Say it of the whole tick: request, what was not served, the reasons, the units held most."""
    groups = list(group_lines(why))
    parts = [heading(why), _verdict(why), _reasons(why), *([groups] if groups else []), _units(why)]
    return "\n\n".join("\n".join(part) for part in parts)


def heading(why: Explanation) -> Iterator[str]:
    """Tell the tick, its signal, its request, what is expected, and the certificate."""
    tick, request = why.tick, why.request
    shadow = "   SHADOW: nothing is written to devices" if tick.shadow else ""
    order = "" if tick.order == "AUTO" else f", order {tick.order}"
    yield (
        f"{tick.site}   tick #{tick.number}   {utc_text(tick.utc_s)}"
        f"   +{tick.since_start_s:.3f} s{shadow}"
    )
    yield line(
        "mode",
        f"{tick.mode}{order}, policy {tick.policy}, tick by {tick.trigger},"
        f" {tick.dt_s:.3f} s after the last",
    )
    yield line("signal", _signal(why))
    yield line(
        "request",
        f"{mw(request.request_mw)} MW = basepoints {mw(request.basepoint_sum_mw)}"
        f" + regulation {mw(request.regulation_mw)} + droop {mw(request.droop_mw)}"
        f"{_hertz(why.signal.freq_hz)}",
    )
    yield from _served_lines(why)
    yield from _certificate_lines(why)


def _hertz(freq_hz: float) -> str:
    return "" if math.isnan(freq_hz) else f" (frequency {freq_hz:.3f} Hz)"


def _signal(why: Explanation) -> str:
    signal = why.signal
    return (
        f"AGC {amount(signal.agc_pu, '+z.4f')} pu received {since(signal.age_s)},"
        f" quality {signal.quality}, {signal.verdict};"
        f" in force {amount(signal.in_force_pu, '+z.4f')} pu"
        f" of +{signal.capacity_up_mw:g}/-{signal.capacity_down_mw:g} MW"
    )


def _served_lines(why: Explanation) -> Iterator[str]:
    served = why.served
    for point in served.points:
        yield line(
            f"at +{point.ahead_s:g} s",
            f"wanted {mw(point.wanted_mw)} MW, expected {mw(point.expected_mw)} MW,"
            f" price {_price(point)}",
        )
    yield line(
        "setpoints",
        f"sum {mw(served.setpoints_mw)} MW; of it units out of the split are counted with"
        f" {mw(served.counted_mw)} MW",
    )
    yield line("unserved", f"{mw(served.unserved_mw)} MW = request - {mw(served.served_mw)} MW")


def _price(point: Point) -> str:
    told = amount(point.used_price, "z.6g")
    if abs(point.price - point.used_price) > PRICE_APART * abs(point.used_price):
        return f"beyond {told}: all units that count there stand at a limit"
    return told


def _certificate_lines(why: Explanation) -> Iterator[str]:
    proof = why.certificate
    same = "the same bits" if proof.bit_exact else f"NOT the same: {proof.difference}"
    yield line(
        "certified",
        f"split {proof.status}, lam {amount(proof.lam, 'z.6g')}, optimality violated by at most"
        f" {amount(proof.kkt_mw, '.1e')} MW; run again: {same}",
    )
    if proof.unexplained_mw > 0.0:
        yield line("", f"a free unit is {mw(proof.unexplained_mw)} MW off its share: not explained")
    if why.tick.age_s > 0.0:
        yield line("in force", f"for {why.tick.age_s:.3f} s at the instant asked for")


def _verdict(why: Explanation) -> Iterator[str]:
    """Say in sentences what was not served, and for what."""
    unserved_mw, state = why.served.unserved_mw, why.certificate.status
    if state in ("bad_input", "mismatch"):
        yield f"The split was refused ({state}): every unit keeps its last setpoint."
        return
    if not abs(unserved_mw) >= UNSERVED_MIN_MW:
        yield "The request is served."
        return
    way = "more" if unserved_mw > 0.0 else "less"
    by = f"delivered at +{why.served.points[0].ahead_s:g} s" if why.served.points else "served"
    yield f"{mw(abs(unserved_mw))} MW {way} were asked for than will be {by}."
    if state.startswith("unserved"):
        yield _limits_verdict(why, "upper" if unserved_mw > 0.0 else "lower")
    if why.served.points:
        yield from _response_verdict(why, way)


def _limits_verdict(why: Explanation, limit: str) -> str:
    """Account for all of it by limits: each below the ratings by its reason, then the ratings."""
    parts = []
    for reason in why.reasons:
        units = [u for u in why.units if u.held_by == reason.reason and u.unserved_mw != 0.0]
        if abs(reason.unserved_mw) >= UNSERVED_MIN_MW:
            count = counted(len(units), "unit")
            parts.append(f"{reason.reason} holds {mw(abs(reason.unserved_mw))} MW ({count})")
    beyond_mw = abs(why.served.beyond_ratings_mw)
    if beyond_mw >= UNSERVED_MIN_MW:
        parts.append(f"{mw(beyond_mw)} MW are beyond their ratings")
    return f"{_in_time(why)} at the {limit} limit. Of what is missing, {listed(parts)}."


def _in_time(why: Explanation) -> str:
    count = sum(1 for unit in why.units if unit.gain_pu[0] > 0.0)
    if count == len(why.units):
        return "Every unit stands"
    if count == 0:
        return "No unit answers by then; each stands"
    return f"Each of the {counted(count, 'unit')} that answer by then stands"


def _response_verdict(why: Explanation, way: str) -> Iterator[str]:
    """Account for it by response: what the setpoints lack, and what is still on its way."""
    lacking_mw = why.request.request_mw - why.served.setpoints_mw
    on_its_way_mw = why.served.unserved_mw - lacking_mw
    kinds: dict[str, float] = {}
    for unit in why.units:
        moving_mw = unit.setpoint_mw - unit.expected_mw
        kinds[unit.kind] = kinds.get(unit.kind, 0.0) + moving_mw
    most = sorted(kinds.items(), key=lambda kind: -abs(kind[1]))
    by_kind = ", ".join(f"{kind} {mw(some)}" for kind, some in most if abs(some) >= 5e-4)
    beyond = lacking_mw * why.served.unserved_mw < 0.0
    lacking = f"{mw(abs(lacking_mw))} MW {'beyond' if beyond else 'short of'} the request"
    yield (
        f"The setpoints are {lacking}; {mw(abs(on_its_way_mw))} MW of them are still on their way"
        f" then{f' ({by_kind})' if by_kind else ''}."
    )
    late = [unit for unit in why.units if not unit.gain_pu[0] > 0.0]
    if late:
        room_mw = sum(unit.room_mw for unit in late if unit.held_by in PASSING)
        yield (
            f"{counted(len(late), 'unit')} {'answers' if len(late) == 1 else 'answer'} later, and"
            f" may be told {mw(room_mw)} MW {way} in time."
        )


def _reasons(why: Explanation) -> Iterator[str]:
    """Table by reason: units, MW kept from them and forced on them, part of the unserved."""
    yield (
        f"{'held by':14} {'gate':10} {'units':>6} {'kept, MW':>10} {'forced, MW':>11}"
        f" {'unserved, MW':>13} {'room, MW':>10} {'on way, MW':>11}"
    )
    for reason in why.reasons:
        yield f"{_row(reason, reason.reason)}  {IN_WORDS.get(reason.reason, '')}".rstrip()
    if abs(why.served.beyond_ratings_mw) >= UNSERVED_MIN_MW:
        yield (
            f"{'(ratings)':14} {'physics':10} {'':6} {'':10} {'':11}"
            f" {mw(why.served.beyond_ratings_mw):>13} {'':10} {'':11}  more than all that answer"
            " in time can give"
        )
    for gate in why.gates:
        yield _row(gate, "all of gate")
    yield ("kept: more that they would have got without their limits, at this price; forced: less;")
    yield (
        "unserved: their part of what is missing; room: behind what holds them; on way: setpoint"
        " not delivered yet"
    )


def _row(reason: HeldBy, name: str) -> str:
    return (
        f"{name:14} {reason.gate:10} {reason.units:6} {mw(reason.kept_up_mw):>10}"
        f" {mw(reason.kept_down_mw):>11} {mw(reason.unserved_mw):>13} {mw(reason.room_mw):>10}"
        f" {mw(reason.on_its_way_mw):>11}"
    )


def _units(why: Explanation) -> Iterator[str]:
    """Table of the units, those held most first."""
    ranked = sorted(why.units, key=_rank)
    yield (
        f"{'unit':{ID_WIDTH}} {'kind':10} {'got, MW':>9} {'would, MW':>10} {'kept, MW':>9}"
        f" {'unserved, MW':>13} {'on way, MW':>11} {'lower, MW':>10} {'upper, MW':>10}"
        f"  {'held by':14} {'gate':10} sent"
    )
    for unit in ranked[:UNITS_SHOWN]:
        yield (
            f"{printable(unit.id):{ID_WIDTH}} {unit.kind:10} {mw(unit.setpoint_mw):>9}"
            f" {mw(unit.would_mw):>10} {mw(unit.kept_mw):>9} {mw(unit.unserved_mw):>13}"
            f" {mw(unit.setpoint_mw - unit.expected_mw):>11}"
            f" {mw(unit.lower.limit_mw):>10} {mw(unit.upper.limit_mw):>10}"
            f"  {unit.held_by:14} {unit.gate:10} {'yes' if unit.sent else 'no'}"
        )
    if len(ranked) > UNITS_SHOWN:
        yield f"and {counted(len(ranked) - UNITS_SHOWN, 'unit')} more (--json has all, --der one)"


def _rank(unit: Unit) -> tuple[float, bool, float, bool, float]:
    """Held most first: what is missing, then what is out, kept, at its limit, and on its way."""
    kept_mw = 0.0 if math.isnan(unit.kept_mw) else abs(unit.kept_mw)
    on_its_way_mw = abs(unit.setpoint_mw - unit.expected_mw)
    is_free = unit.held_by in ("NONE", "LATE")
    return -abs(unit.unserved_mw), unit.gate != "operations", -kept_mw, is_free, -on_its_way_mw
