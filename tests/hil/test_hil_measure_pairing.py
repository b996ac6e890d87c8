"""Writes and the ticks that sent them: at once for most, and the same as one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil.measure.inputs import rows_by_unit
from hil.measure.pairing import HORIZON_S, _pair_unit

IN_FLIGHT_S = 0.020
SLACK_MW = 0.01


def one_by_one(now_s, decided_mw, t_s, left_s, p_mw, newest):
    """The rule, word by word: the newest tick that fits, or the one before it if it has none."""
    paired, last = [], -1
    for at_s, sent_s, value_mw, k in zip(t_s, left_s, p_mw, newest, strict=True):
        fits = [
            j
            for j in range(k, -1, -1)
            if sent_s - now_s[j] <= HORIZON_S and abs(decided_mw[j] - value_mw) <= SLACK_MW
        ][:2]
        choice = fits[0] if fits else -1
        if len(fits) == 2 and fits[1] > last and at_s - now_s[fits[0]] < IN_FLIGHT_S:
            choice = fits[1]
        paired.append(choice)
        last = max(last, choice)
    return paired


# few values, and gaps around the time in flight and the horizon: so that there is much to confuse
GAPS_S = st.sampled_from([0.001, 0.01, 0.019, 0.02, 0.021, 0.1, 1.0, 1.5, 4.5])
VALUES_MW = st.sampled_from([0.0, 0.005, 0.011, 1.0, float("nan")])


@given(
    st.lists(st.tuples(GAPS_S, VALUES_MW), min_size=1, max_size=30),
    st.lists(st.tuples(GAPS_S, VALUES_MW, GAPS_S), max_size=40),
)
def test_pairs_as_the_rule_says(ticks, writes):
    now_s = 1000.0 + np.cumsum([gap for gap, _ in ticks])
    t_s = 1000.0 + np.cumsum([gap for gap, _, _ in writes])
    left_s = t_s - np.array([link_s for _, _, link_s in writes])
    decided_mw = np.array([value for _, value in ticks])
    p_mw = np.array([value for _, value, _ in writes], dtype=np.float64)
    newest = np.searchsorted(now_s, t_s, side="right") - 1
    found = _pair_unit(now_s, decided_mw, t_s, left_s, p_mw, newest, SLACK_MW, IN_FLIGHT_S)
    assert found.tolist() == one_by_one(now_s, decided_mw, t_s, left_s, p_mw, newest.tolist())


def test_a_write_too_young_for_its_tick_belongs_to_the_one_before():
    now_s, decided_mw = np.array([1.0, 2.0]), np.array([5.0, 5.0])
    t_s, p_mw = np.array([2.005, 2.050]), np.array([5.0, 5.0])
    newest = np.array([1, 1])
    found = _pair_unit(now_s, decided_mw, t_s, t_s, p_mw, newest, SLACK_MW, IN_FLIGHT_S)
    assert found.tolist() == [0, 1]


def test_rows_of_each_unit_keep_their_order():
    unit = np.array([2, 0, 2, 3, 0, 2], dtype=np.int32)
    chosen = np.array([True, True, False, True, True, True])
    rows = rows_by_unit(unit, chosen, 5)
    assert [each.tolist() for each in rows] == [[1, 4], [], [0, 5], [3], []]


def test_one_unit_has_all_rows():
    rows = rows_by_unit(np.zeros(3, dtype=np.int32), np.array([True, False, True]), 1)
    assert [each.tolist() for each in rows] == [[0, 2]]
