"""What is no array of the units is refused before anything is computed with it."""

import dataclasses

import numba
import numpy as np
import pytest
from builders import image, params

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Image, Params, State

P = params()
OF_UNITS = [
    (record, field.name)
    for record, example in ((Params, P), (Image, image()), (State, initial_state(P)))
    for field in dataclasses.fields(record)
    if isinstance(getattr(example, field.name), np.ndarray)
    and not field.name.startswith("group_")
    and field.name not in ("past_mw", "when_s", "ahead_price")
]
compiled = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="types and layouts are refused by compiled kernels"
)


def test_all_that_fits_is_let_in():
    assert tick(initial_state(P), image(), P)[1].p_setpoint_mw.shape == (3,)


def names(record, dtype):
    """Arrays of the units of one type, in the order in which the door reads them."""
    example = {Image: image(), State: initial_state(P)}[record]
    return [n for r, n in OF_UNITS if r is record and getattr(example, n).dtype == dtype]


@pytest.mark.parametrize("record", [Image, State])
@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
@pytest.mark.parametrize("units", [2, 4])
def test_several_of_another_number_of_units(record, dtype, units):
    """Any run of arrays that agree with each other, and not with the fleet."""
    fields = names(record, dtype)
    for first in range(len(fields)):
        for end in range(first + 1, len(fields) + 1):
            given = {Image: image(), State: initial_state(P)}
            arrays = {n: np.resize(getattr(given[record], n), units) for n in fields[first:end]}
            given[record] = dataclasses.replace(given[record], **arrays)
            with pytest.raises(ValueError, match=r" is not of 3 units| are not of 3 units"):
                tick(given[State], given[Image], P)


def run(record, name, change):
    """One tick in which one array is another one."""
    given = {Params: P, Image: image(), State: initial_state(P)}
    given[record] = dataclasses.replace(
        given[record], **{name: change(getattr(given[record], name))}
    )
    return tick(given[State], given[Image], given[Params])


@pytest.mark.parametrize(("record", "name"), OF_UNITS)
@pytest.mark.parametrize("units", [0, 2, 4])
def test_another_number_of_units(record, name, units):
    with pytest.raises(ValueError, match=r" is not of 3 units| are not of 3 units|no tree"):
        run(record, name, lambda values: np.resize(values, units))


@compiled
@pytest.mark.parametrize(("record", "name"), OF_UNITS)
@pytest.mark.parametrize(
    "change",
    [
        lambda values: np.repeat(values, 2)[::2],
        lambda values: values.astype(np.float32),
        lambda values: np.stack([values, values]),
        lambda values: np.zeros(values.size, np.int32),
    ],
    ids=["strided", "half as wide", "of two dimensions", "integers"],
)
def test_another_type_or_layout(record, name, change):
    with pytest.raises(TypeError):
        run(record, name, change)


@compiled
@pytest.mark.parametrize("name", ["past_mw", "when_s", "ahead_price"])
def test_what_has_a_length_of_its_own_has_a_type(name):
    with pytest.raises(TypeError):
        run(State, name, lambda values: values.astype(np.float32))


@pytest.mark.parametrize(
    ("unit_group", "parent"),
    [([0, 2, 0], [-1, 0]), ([0, -2, 0], [-1, 0]), ([0, 0, 0], [-1, 1]), ([0, 0, 0], [1, -1])],
)
def test_groups_that_are_no_tree(unit_group, parent):
    p = params(
        unit_group=np.array(unit_group), group_ids=("a", "b"), group_parent=np.array(parent),
        group_lower_mw=np.zeros(2), group_upper_mw=np.ones(2),
    )  # fmt: skip
    with pytest.raises(ValueError, match="no tree"):
        tick(initial_state(P), image(), p)


def test_limits_of_other_groups():
    p = params(group_lower_mw=np.zeros(1))
    with pytest.raises(ValueError, match="no tree"):
        tick(initial_state(P), image(), p)
