"""The effect of an order in sentences, for who is about to confirm it."""

from collections.abc import Iterator

from vppd.core.effect import Effect
from vppd.core.types import Mode
from vppd.ops.counted import counted

NOTHING_MW = 5e-4  # less rounds to 0.000


def effect_words(effect: Effect) -> list[str]:
    """Say what will happen."""
    return list(_lines(effect))


def _lines(effect: Effect) -> Iterator[str]:
    if effect.units:
        yield (
            f"{counted(effect.units, 'unit')}: from {effect.now_mw:.3f} MW to"
            f" {effect.then_mw:.3f} MW, within their ramps; {effect.moved_mw:.3f} MW are moved."
        )
    if effect.unreached:
        yield (
            f"{counted(effect.unreached, 'unit')} of them cannot be told now; the order stands for"
            " when they are back."
        )
    if abs(effect.others_mw) > NOTHING_MW:
        yield f"The others change by {effect.others_mw:+.3f} MW in the next tick."
    elif effect.units:
        yield "The others stay as they are in the next tick."
    if abs(effect.request_change_mw) > NOTHING_MW:
        yield (f"The request becomes {effect.request_mw:.3f} MW ({effect.request_change_mw:+.3f}).")
    yield (
        f"Not served in the next tick: {_plain(effect.unserved_mw, 3)} MW"
        f" ({_change(effect.unserved_change_mw, 3)})."
    )
    up, down = effect.promise_up_change_mw, -effect.promise_down_change_mw
    yield (
        f"Promised for 15 min: +{effect.promise_up_mw:.1f}/-{effect.promise_down_mw:.1f} MW"
        f" ({_change(up, 1)}/{_change(down, 1)}), of"
        f" +{effect.capacity_up_mw:g}/-{effect.capacity_down_mw:g} MW sold."
    )
    yield f"Mode: {Mode(effect.mode).name}."


def _plain(mw: float, digits: int) -> str:
    """Round, without the sign of a zero."""
    return f"{round(mw, digits) + 0.0:.{digits}f}"


def _change(mw: float, digits: int) -> str:
    """Round, with a sign: `+0.4`; of what rounds to nothing `±0`."""
    return f"{mw:+.{digits}f}" if round(mw, digits) else "±0"
