"""One unit in one tick, explained in sentences."""

import math
from collections.abc import Iterator

from vppd.journal.explain import Explanation, Side, Unit
from vppd.journal.instant import utc_text
from vppd.ops.status_text import printable
from vppd.runtime.explain_groups_text import bound_lines
from vppd.runtime.explain_words import IN_WORDS, amount, line, mw, since

NOT_WRITTEN = {True: "no: a shadow writes nothing", False: "yes", None: "yes"}


def render_unit(why: Explanation, unit: Unit) -> str:
    """Say it of one unit."""
    return "\n".join(_lines(why, unit))


def _lines(why: Explanation, unit: Unit) -> Iterator[str]:
    tick = why.tick
    yield (
        f"{printable(unit.id)} ({unit.kind})   {tick.site}   tick #{tick.number}"
        f"   {utc_text(tick.utc_s)}   mode {tick.mode}"
    )
    yield from _known(unit)
    yield from _wanted(why, unit)
    yield line("limits", f"{_side(unit.lower)} to {_side(unit.upper)}")
    yield line("got", f"{mw(unit.setpoint_mw)} MW; {_held(unit)}")
    if unit.bound_by:
        yield from bound_lines(why, unit)
    if why.served.points:
        yield line("expected", f"{mw(unit.expected_mw)} MW at +{why.served.points[0].ahead_s:g} s")
    if unit.unserved_mw != 0.0:
        yield line(
            "unserved",
            f"{mw(unit.unserved_mw)} MW of the {mw(why.served.unserved_mw)} MW that the plant"
            " lacks would have come from here",
        )
    yield line("sent", NOT_WRITTEN[tick.shadow] if unit.sent else _not_sent(why, unit))
    proof = why.certificate
    again = "gives the same bits" if proof.bit_exact else f"DIFFERS: {proof.difference}"
    yield line("certified", f"running the tick again {again}")


def _known(unit: Unit) -> Iterator[str]:
    """What was known of the unit when the tick began."""
    link = "" if unit.connected else ", LINK DOWN"
    local = "" if unit.remote else ", in local control"
    store = "" if math.isnan(unit.soc_pu) else f", state of charge {unit.soc_pu:.3f} pu"
    yield line(
        "measured",
        f"{mw(unit.measured_mw)} MW {since(unit.measured_age_s)}, quality {unit.quality}"
        f"{store}{link}{local}",
    )
    if not math.isnan(unit.model_mw):
        yield line("model", f"by its response model it delivers {mw(unit.model_mw)} MW now")
    if math.isnan(unit.accepted_mw):
        accepted = "it has accepted none yet"
    else:
        accepted = f"it accepted {mw(unit.accepted_mw)} MW {since(unit.accepted_age_s)}"
    yield line(
        "before",
        f"its ramp starts from {mw(unit.last_mw)} MW; {accepted};"
        f" answer to the newest write: {unit.write_result}",
    )
    if not math.isnan(unit.operator_mw):
        yield line("operator", f"holds it at {mw(unit.operator_mw)} MW")


def _wanted(why: Explanation, unit: Unit) -> Iterator[str]:
    """What the split wanted of it."""
    yield line("target", f"{mw(unit.target_mw)} MW at price 0 (basepoint {mw(unit.basepoint_mw)})")
    if why.tick.mode == "SAFE":
        yield line("share", f"{mw(unit.would_mw)} MW, its safe value: no request is split")
        return
    if math.isnan(unit.weight):
        yield line("share", f"{mw(unit.would_mw)} MW by {why.tick.policy}, up to its rating")
        return
    prices = [point.used_price for point in why.served.points] or [why.certificate.lam]
    push = " + ".join(
        f"price {amount(price, 'z.5g')} x gain {gain:.3g}"
        for price, gain in zip(prices, unit.gain_pu, strict=True)
    )
    yield line(
        "share",
        f"{mw(unit.would_mw)} MW = target {mw(unit.target_mw)}"
        f" + weight {unit.weight:.4g} x ({push})",
    )
    if not any(unit.gain_pu):
        yield line("", "it is too slow for the look-ahead, so it takes its target")


def _side(side: Side) -> str:
    return f"{mw(side.limit_mw)} MW ({side.reason}, {side.gate})"


def _held(unit: Unit) -> str:
    """What held it, and what that cost."""
    words = IN_WORDS.get(unit.held_by, "")
    held = "free" if unit.held_by == "NONE" else f"held by {unit.held_by} ({unit.gate}): {words}"
    if math.isnan(unit.kept_mw):
        return f"{held}; the split was refused, nobody has a share"
    if unit.kept_mw == 0.0:
        return f"{held}, and this is its share"
    way = "less" if unit.kept_mw > 0.0 else "more"
    return f"{held}, {mw(abs(unit.kept_mw))} MW {way} than its share"


def _not_sent(why: Explanation, unit: Unit) -> str:
    if why.tick.mode == "STARTING":
        return "no: nothing is sent in mode STARTING"
    if not unit.connected:
        return "no: its link is down"
    if not unit.remote:
        return "no: it takes no orders"
    return "no: it was never read, and never accepted a setpoint"
