"""Registers: formats, word order, scale, sign; reads and writes joined into few transactions."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.points.register import Register, Span, Words, join_writes, plan_reads

# (register, value in our unit, raw words): typed by hand
BY_HAND = [
    (Register("p", 0, "int16", "kW"), -2.0, [0xFFFE]),
    (Register("p", 0, "uint16", "kW"), 40000.0, [40000]),
    (Register("p", 0, "int32", "kW"), -2.0, [0xFFFF, 0xFFFE]),
    (Register("p", 0, "int32", "kW", word_order="low_first"), -2.0, [0xFFFE, 0xFFFF]),
    (Register("p", 0, "uint32", "s"), 65546.0, [1, 10]),
    (Register("p", 0, "uint32", "s", word_order="low_first"), 65546.0, [10, 1]),
    (Register("e", 0, "uint64", "MWh", 1e-6), 4294.967297, [0, 1, 0, 1]),  # Wh
    (Register("p", 0, "float32", "kW"), 1.5, [0x3FC0, 0]),
    (Register("p", 0, "float32", "kW", word_order="low_first"), 1.5, [0, 0x3FC0]),
    (Register("p", 0, "float32", "MW", 1e-3, -1), -0.0015, [0x3FC0, 0]),
    (Register("p", 0, "int32", "MW", 1e-4, -1), -0.15, [0, 1500]),  # 150 kW of load, in 0.1 kW
    (Register("p", 0, "int32", "MW", 1e-4, -1), 0.15, [0xFFFF, 0xFA24]),
    (Register("p", 0, "int16", "pu", 1e-4), 0.5, [5000]),
]


@pytest.mark.parametrize(("register", "value", "words"), BY_HAND)
def test_values_and_words_by_hand(register, value, words):
    assert register.encode(value) == words
    assert register.decode(words) == pytest.approx(value, rel=1e-7)
    assert register.count == len(words)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int16", 32768.0),
        ("int16", -32769.0),
        ("uint16", -1.0),
        ("uint16", 65536.0),
        ("int32", 2.0**31),
        ("uint32", -0.6),
        ("uint32", 2.0**32),
        ("float32", 1e39),
        ("int16", math.nan),
        ("int32", math.inf),
        ("float32", -math.inf),
    ],
)
def test_what_does_not_fit_is_refused_and_never_clipped(kind, value):
    with pytest.raises(ValueError, match="p_setpoint"):
        Register("p_setpoint", 0, kind, "kW").encode(value)


@pytest.mark.parametrize("kind", ["int16", "uint32", "float32"])
def test_a_value_whose_steps_are_beyond_all_numbers_does_not_fit(kind):
    with pytest.raises(ValueError, match=r"p_setpoint: 1e\+306 MW does not fit"):
        Register("p_setpoint", 0, kind, "MW", 1e-3).encode(1e306)


def test_a_value_that_would_mean_not_implemented_is_refused():
    register = Register("p", 0, "int16", missing=-0x8000)
    assert math.isnan(register.decode([0x8000]))
    assert register.decode([0x8001]) == -32767.0
    with pytest.raises(ValueError, match="not implemented"):
        register.encode(-32768.0)


def test_zero_has_no_sign_on_the_wire():
    register = Register("p", 0, "float32", "MW", 1e-3, -1)
    assert register.encode(0.0) == [0, 0]
    assert math.copysign(1.0, register.decode([0, 0])) == 1.0


@pytest.mark.parametrize("words", [[], [1], [1, 2, 3]])
def test_a_wrong_number_of_words_is_refused(words):
    with pytest.raises(ValueError, match="expected 2"):
        Register("p", 0, "int32").decode(words)


@given(
    kind=st.sampled_from(["int16", "uint16", "int32", "uint32"]),
    sign=st.sampled_from([1, -1]),
    order=st.sampled_from(["high_first", "low_first"]),
    scale=st.sampled_from([1.0, 0.1, 1e-3, 1e-4, 10.0]),
    data=st.data(),
)
def test_every_raw_value_survives_the_way_in_and_out(kind, sign, order, scale, data):
    register = Register("p", 0, kind, "MW", scale, sign, order)
    words = data.draw(st.lists(st.integers(0, 65535), min_size=register.count, max_size=2))
    words = words[: register.count]
    assert register.encode(register.decode(words)) == words


@given(st.floats(-3000.0, 3000.0), st.sampled_from([1, -1]))
def test_rounding_is_to_the_nearest_step(value, sign):
    register = Register("p", 0, "int32", "kW", 0.1, sign)
    assert abs(register.decode(register.encode(value)) - value) <= 0.05 + 1e-9


@pytest.mark.parametrize("sign", [1, -1])
@given(value=st.floats(0.0, 1.0), low=st.floats(-50.0, 50.0), width=st.floats(0.2, 50.0))
def test_rounding_never_crosses_a_limit(sign, value, low, width):
    """3.14159 MW of rating in steps of 100 W: 3.1416 MW would be 10 W too many."""
    register = Register("p", 0, "int32", "kW", 0.1, sign)
    wanted = low + value * width
    sent = register.decode(register.encode(wanted, lower=low, upper=low + width))
    assert low - 1e-6 <= sent <= low + width + 1e-6
    assert abs(sent - wanted) <= 0.1 + 1e-6


def test_a_limit_on_the_grid_is_reached():
    register = Register("p", 0, "int32", "MW", 10.0**-4)
    assert register.encode(4.2857, lower=-4.2857, upper=4.2857) == [0, 42857]
    assert register.encode(-4.2857, lower=-4.2857, upper=4.2857) == [0xFFFF, 0x10000 - 42857]


def test_a_limit_off_the_grid_is_not_passed():
    register = Register("p", 0, "int32", "MW", 10.0**-4)
    assert register.encode(3.14159, upper=3.14159) == [0, 31415]
    assert register.encode(-3.14159, lower=-3.14159) == [0xFFFF, 0x10000 - 31415]


def at(address: int, kind: str = "uint16") -> Register:
    return Register(f"r{address}", address, kind)


def test_neighbours_are_read_together():
    assert plan_reads([at(3), at(0, "int32"), at(2)]) == (Span(0, 4),)


def test_a_gap_is_crossed_only_as_far_as_allowed():
    registers = [at(0), at(10)]
    assert plan_reads(registers) == (Span(0, 1), Span(10, 1))
    assert plan_reads(registers, gap_max=8) == (Span(0, 1), Span(10, 1))
    assert plan_reads(registers, gap_max=9) == (Span(0, 11),)


def test_one_transaction_reads_125_registers_and_no_more():
    assert plan_reads([at(0), at(124)], gap_max=200) == (Span(0, 125),)
    assert plan_reads([at(0), at(125)], gap_max=200) == (Span(0, 1), Span(125, 1))
    assert plan_reads([at(0), at(124, "int32")], gap_max=200) == (Span(0, 1), Span(124, 2))


@given(
    st.lists(st.tuples(st.integers(0, 600), st.booleans()), min_size=1, max_size=40),
    st.integers(0, 150),
)
def test_a_plan_covers_everything_within_its_limits(places, gap_max):
    registers = [at(address, "int32" if wide else "uint16") for address, wide in places]
    plan = plan_reads(registers, gap_max=gap_max)
    asked = {a for r in registers for a in range(r.address, r.address + r.count)}
    read = [a for span in plan for a in range(span.address, span.address + span.count)]
    assert asked <= set(read)
    assert all(1 <= span.count <= 125 for span in plan)
    for span in plan:
        inside = sorted(a for a in asked if span.address <= a < span.address + span.count)
        assert inside[0] == span.address
        assert all(b - a - 1 <= gap_max for a, b in pairwise(inside))


def test_the_fewest_transactions_by_exhaustion():
    """Against every way to cut a sorted list into spans."""
    registers = [at(a) for a in (0, 20, 60, 110, 124, 130, 200, 249, 255)]
    plan = plan_reads(registers, gap_max=60)

    def fits(group):
        spread = group[-1].address + 1 - group[0].address
        gaps = [b.address - a.address - 1 for a, b in pairwise(group)]
        return spread <= 125 and all(gap <= 60 for gap in gaps)

    best = len(registers)
    for cuts in range(1 << (len(registers) - 1)):
        groups, group = [], [registers[0]]
        for i, register in enumerate(registers[1:]):
            if cuts >> i & 1:
                groups.append(group)
                group = []
            group.append(register)
        groups.append(group)
        if all(fits(g) for g in groups):
            best = min(best, len(groups))
    assert len(plan) == best


def test_answers_are_found_by_address():
    words = Words()
    words.add(Span(10, 3), [1, 0xFFFF, 0xFFFE])
    assert words.value(at(11, "int32")) == -2.0
    assert words.value(at(10)) == 1.0
    with pytest.raises(KeyError):
        words.value(at(12, "int32"))  # half of it was not read
    with pytest.raises(ValueError, match="2 registers at 0, expected 3"):
        words.add(Span(0, 3), [1, 2])


def test_writes_join_true_neighbours_in_the_order_given():
    values = [(at(100, "int32"), [1, 2]), (at(102), [3]), (at(104), [4])]
    assert join_writes(values) == [(100, [1, 2, 3]), (104, [4])]
    assert join_writes(reversed(values)) == [(104, [4]), (102, [3]), (100, [1, 2])]
