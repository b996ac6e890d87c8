"""Decoders and encoders say what registers say, to the bit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vppd.points.decoder import Decoder, joined, picker
from vppd.points.encoder import Encoder
from vppd.points.register import FORMATS, WORD_ORDERS, Register, Span, Words, plan_reads, widest_gap

KINDS = st.sampled_from(sorted(FORMATS))
WORD = st.integers(0, 0xFFFF)


@st.composite
def registers(draw):
    """Some registers, none over another."""
    found, address = [], 0
    for number in range(draw(st.integers(1, 12))):
        address += draw(st.integers(0, 60))
        kind = draw(KINDS)
        missing = draw(st.sampled_from([None, 0xFFFF, -0x8000, 7]))
        register = Register(
            f"r{number}", address, kind, "MW", draw(st.sampled_from([1.0, 0.1, 1e-3, 1e-4])),
            draw(st.sampled_from([1, -1])), draw(st.sampled_from(WORD_ORDERS)), missing,
        )  # fmt: skip
        found.append(register)
        address += register.count
    return draw(st.permutations(found))


def bits(value: float) -> tuple[bool, float, float]:
    """Value, sign and whether it is one: NaN equals NaN, and -0.0 is not 0.0."""
    return (math.isnan(value), 0.0 if math.isnan(value) else value, math.copysign(1.0, value))


@given(registers(), st.integers(0, 80), st.data())
def test_a_decoder_says_what_its_registers_say(asked, gap_max, data):
    plan = plan_reads(asked, gap_max=gap_max)
    words, seen = [], Words()
    for span in plan:
        answer = data.draw(st.lists(WORD, min_size=span.count, max_size=span.count))
        words = joined(words, span, answer)
        seen.add(span, answer)
    found = Decoder(asked, plan).decode(words)
    expected = [seen.value(register) for register in asked]
    for got, wanted in zip(found, expected, strict=True):
        if not math.isnan(wanted):
            assert bits(got) == bits(wanted)
        assert math.isnan(got) == math.isnan(wanted)


def test_a_picker_gives_words_high_ones_first():
    first = Register("a", 3, "int32", word_order="low_first")
    plan = (Span(3, 2), Span(10, 1))
    pick, count = picker([first, Register("b", 10, "uint16")], plan)
    assert (pick([1, 2, 9]), count) == ((2, 1, 9), 3)
    pick, count = picker([Register("b", 10, "uint16")], plan)
    assert (list(pick([1, 2, 9])), count) == ([9], 1)
    pick, count = picker([], plan)
    assert (list(pick([1, 2, 9])), count) == ([], 0)


def test_a_plan_that_does_not_cover_a_register_is_refused():
    with pytest.raises(KeyError):
        Decoder([Register("a", 5, "int32")], (Span(0, 6),))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_answer_of_another_length_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} registers at 5, expected 2"):
        joined([], Span(5, 2), [0] * count)


def said(encode):
    """Words, or why there are none."""
    try:
        return encode()
    except ValueError as error:
        return str(error)


@given(
    kind=KINDS,
    scale=st.sampled_from([1.0, 0.1, 1e-3, 1e-4, 100.0]),
    sign=st.sampled_from([1, -1]),
    order=st.sampled_from(WORD_ORDERS),
    missing=st.sampled_from([None, 0xFFFF, -0x8000]),
    value=st.one_of(
        st.floats(-5.0, 5.0), st.floats(-1e5, 1e5), st.floats(allow_nan=True, allow_infinity=True)
    ),
    limits=st.one_of(
        st.just((-math.inf, math.inf)),
        st.tuples(st.floats(-5.0, 0.0), st.floats(0.0, 5.0)),
    ),
)
def test_an_encoder_says_what_its_register_says(kind, scale, sign, order, missing, value, limits):
    register = Register("p", 0, kind, "MW", scale, sign, order, missing)
    lower, upper = limits
    encoder = Encoder(register, lower=lower, upper=upper)
    expected = said(lambda: register.encode(value, lower=lower, upper=upper))
    assert said(lambda: encoder.encode(value)) == expected


@pytest.mark.parametrize("value", [3.14159, -3.14159, 3.2, -900.0])
def test_an_encoder_keeps_rounding_within_the_limits(value):
    register = Register("p", 0, "int32", "MW", 1e-4)
    encoder = Encoder(register, lower=-3.14159, upper=3.14159)
    assert encoder.encode(value) == register.encode(value, lower=-3.14159, upper=3.14159)


def at(address: int, kind: str = "uint16") -> Register:
    return Register(f"r{address}", address, kind)


def test_the_widest_gap_that_a_plan_crosses():
    asked = [at(0), at(3), at(10, "int32"), at(40)]
    gaps = [widest_gap(asked, plan_reads(asked, gap_max=gap_max)) for gap_max in (100, 27, 6, 5, 2)]
    assert gaps == [28, 6, 6, 2, 2]
    assert widest_gap(asked, plan_reads(asked)) == 0


def test_answers_know_what_they_cover():
    words = Words([(Span(0, 3), [1, 2, 3]), (Span(10, 2), [4, 5])])
    assert at(2) in words
    assert at(10, "int32") in words
    assert at(2, "int32") not in words
    assert at(9, "int32") not in words
    assert at(5) not in words
