"""A draft becomes the very record that its dataclass makes."""

import dataclasses

import pytest

from vppd.core.drafts import draft_of, freeze


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    a: float
    b: float = dataclasses.field(default=2.0, metadata={"missing": 0.0})


Draft = draft_of(Pair)


def drafted(**values):
    """A draft with these fields."""
    draft = Draft()
    for name, value in values.items():
        setattr(draft, name, value)
    return draft


def test_the_same_record():
    made = freeze(drafted(a=1.0, b=3.0), Pair)
    assert type(made) is Pair
    assert made == Pair(1.0, 3.0)
    assert repr(made) == repr(Pair(1.0, 3.0))
    assert dataclasses.replace(made, a=5.0) == Pair(5.0, 3.0)
    assert dataclasses.asdict(made) == {"a": 1.0, "b": 3.0}


def test_it_is_frozen_from_then_on():
    made = freeze(drafted(a=1.0, b=3.0), Pair)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.a = 2.0
    with pytest.raises((AttributeError, TypeError)):
        made.c = 2.0


def test_it_has_no_other_fields():
    with pytest.raises(AttributeError):
        drafted(a=1.0, b=2.0, c=3.0)


def test_no_field_is_made_up():
    """Not even from the default of its dataclass: one that was not set is seen to be missing."""
    with pytest.raises(AttributeError):
        _ = freeze(drafted(a=1.0), Pair).b


def test_no_other_class_can_be_made_of_it():
    with pytest.raises(TypeError):
        freeze(drafted(a=1.0, b=2.0), dict)
