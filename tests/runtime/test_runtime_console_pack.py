"""What goes to the api process comes out as it went in, and is never code."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders import at, image, params, standing

from vppd.core.orders import Hold, ModeOrder, PlanOrder, UnitOrder
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Order
from vppd.journal.errors import LayoutError
from vppd.ops.api.hello import Hello, Inputs, Settings
from vppd.ops.orders.book import Book, Entry, Plan
from vppd.runtime.console_pack import pack_hello, pack_inputs, unpack_hello, unpack_inputs

ROOT = Path(__file__).parents[2]
N = 3
PARAMS = params(N, energy_mwh=np.array([10.0, np.nan, np.nan]))


def same(a, b):
    """Bit for bit: NaN is NaN, -0.0 is not 0.0, and types are the same."""
    if dataclasses.is_dataclass(a):
        pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)]
        return type(a) is type(b) and all(same(*pair) for pair in pairs)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    return a == b


def hello():
    settings = Settings(
        "127.0.0.1", 8470, "/etc/vppd/users", None, None, "viewer", ("wall", "10.0.0.7"), 60.0
    )
    return Hello("Zhèjiāng", "1.2.3", PARAMS, ("a", "b", "b"), settings, "/var/lib/vppd/journal")


def inputs():
    seen = image(N, 1, 101.0, agc_pu=0.3, p_meas_mw=at(np.full(N, np.nan), 1, -0.0))
    before, _ = tick(initial_state(PARAMS), image(N, 0, 100.0), PARAMS)
    after, decision = tick(before, seen, PARAMS)
    book = Book(
        entries=(
            Entry(4, "otto", "smoke", 1e9 + 0.1, None, UnitOrder(Hold.SETPOINT, (0, 2), (0.1, -2))),
            Entry(5, "elsa", "", 2.0, 3.5, ModeOrder(Order.LOCAL)),
        ),
        plans=(Plan(6, "elsa", "tomorrow", 7.0, PlanOrder((0.1, 0.2, 0.3), 4.0, 5.0)),),
        next_number=9,
        pardons=(2, 0),
        newest=8,
    )
    return Inputs(1e9, before, seen, after, decision, standing(N, pardon=1), book)


def test_a_hello_comes_out_as_it_went_in():
    assert same(unpack_hello(pack_hello(hello())), hello())


def test_inputs_come_out_as_they_went_in():
    went = inputs()
    came = unpack_inputs(pack_inputs(went, PARAMS), PARAMS)
    for field in dataclasses.fields(Inputs):
        assert same(getattr(came, field.name), getattr(went, field.name)), field.name
    assert came.book.newest == 8  # which is not compared
    assert came.book.pardons == (2, 0)


def test_a_tick_of_what_came_out_gives_the_same_bits():
    came = unpack_inputs(pack_inputs(inputs(), PARAMS), PARAMS)
    plant = unpack_hello(pack_hello(hello())).params
    assert same(tick(came.before, came.image, plant)[1], came.decision)


@pytest.mark.parametrize("left", [0, 3, 40, -1])
def test_what_is_cut_short_is_refused(left):
    with pytest.raises(LayoutError):
        unpack_inputs(pack_inputs(inputs(), PARAMS)[:left], PARAMS)


def test_another_plant_is_refused():
    with pytest.raises(LayoutError):
        unpack_inputs(pack_inputs(inputs(), PARAMS), params(N + 1))


def test_nothing_is_pickled():
    """What is unpickled may be code. `git grep` exits 1 when it finds nothing."""
    found = subprocess.run(
        ["git", "grep", "-nE", r"^\s*(import|from) (pickle|marshal|shelve|dill)\b", "--",
         "vppd", "hil", "benchmarks", "tools"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (1, "")
