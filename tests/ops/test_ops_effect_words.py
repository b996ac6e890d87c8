"""The effect of an order in sentences."""

import dataclasses

import pytest

from vppd.core.effect import Effect
from vppd.ops.api.effect_words import effect_words

NOTHING = Effect(**dict.fromkeys((f.name for f in dataclasses.fields(Effect)), 0))


def test_what_does_not_change_is_told_as_such():
    """Not "-0.000": nobody may wonder what a negative nothing is."""
    effect = dataclasses.replace(
        NOTHING, unserved_mw=-1e-9, unserved_change_mw=-1e-9, promise_up_mw=90.3,
        promise_down_mw=108.3, promise_up_change_mw=0.04, promise_down_change_mw=0.0,
        capacity_up_mw=80.0, capacity_down_mw=80.0,
    )  # fmt: skip
    assert effect_words(effect)[:2] == [
        "Not served in the next tick: 0.000 MW (±0).",
        "Promised for 15 min: +90.3/-108.3 MW (±0/±0), of +80/-80 MW sold.",
    ]


@pytest.mark.parametrize(("change_mw", "told"), [(0.5, "(+0.500)"), (-2.0, "(-2.000)")])
def test_what_changes_has_its_sign(change_mw, told):
    effect = dataclasses.replace(NOTHING, unserved_change_mw=change_mw)
    assert told in effect_words(effect)[0]
