"""Each baseline against cases computed by hand; the arithmetic stands beside them."""

from datetime import timedelta

import numpy as np
import pytest
from baseline_history import NOBODY, baseline, flat, history, on

from vppd.market.baseline.errors import back_test, errors_of
from vppd.market.baseline.record import BaselineError, Calendar, Event, History
from vppd.market.baseline.registry import METHODS, UnknownMethodError, method
from vppd.market.parameters import ParameterError, rules_from

# Monday 1 June to Sunday 14 June; loads of Monday to Friday, Saturday, Sunday, twice.
WEEKS = (10.0, 12.0, 14.0, 11.0, 13.0, 4.0, 5.0, 15.0, 16.0, 17.0, 18.0, 19.0, 6.0, 7.0)


# --- PJM


def test_pjm_takes_the_four_highest_of_five_weekdays():
    # Monday the 8th: the weekdays before are 13, 11, 14, 12, 10 MW. Without the lowest, 10:
    # (13 + 11 + 14 + 12) / 4 = 12.5 MW of load
    found = baseline("pjm-cbl", history(flat(*WEEKS)), Event(on(7), 14, 16), adjusted="false")
    assert found.p_mw.tolist() == [-12.5, -12.5]
    assert found.days == (on(4), on(3), on(2), on(1))


def test_pjm_adds_what_the_morning_was_off_by():
    p_mw = flat(*WEEKS)
    # 10, 11 and 12 o'clock are the three hours before 14:00, after skipping 13
    p_mw[7, 10:13] = [-16.0, -17.0, -18.0]
    p_mw[7, 13] = -99.0  # is not looked at: who knows of the event cannot gain by it
    found = baseline("pjm-cbl", history(p_mw), Event(on(7), 14, 16))
    # (-16 - 17 - 18) / 3 + 12.5 = -4.5 MW: -12.5 - 4.5 = -17
    assert found.unadjusted_mw.tolist() == [-12.5, -12.5]
    assert found.p_mw == pytest.approx([-17.0, -17.0])
    # and down alike: a morning of 2 MW is 10.5 MW less
    p_mw[7, 10:13] = -2.0
    found = baseline("pjm-cbl", history(p_mw), Event(on(7), 14, 16))
    assert found.p_mw == pytest.approx([-2.0, -2.0])


def test_pjm_keeps_the_shape_of_the_hours():
    p_mw = flat(*WEEKS)
    p_mw[1:5, 15] -= 8.0  # 15 o'clock is 8 MW higher on Tuesday to Friday
    found = baseline("pjm-cbl", history(p_mw), Event(on(7), 14, 16), adjusted="false")
    assert found.p_mw.tolist() == [-12.5, -20.5]


def test_pjm_passes_over_event_days_and_holidays():
    calendar = Calendar(events=frozenset({on(9)}), holidays=frozenset({on(8)}))
    # Friday the 12th: 18, (17: event), (16: holiday), 15, then 13, 11, 14 of the week before.
    # The five: 18, 15, 13, 11, 14, without 11: (18 + 15 + 13 + 14) / 4 = 15
    found = baseline(
        "pjm-cbl", history(flat(*WEEKS)), Event(on(11), 14, 15), calendar, adjusted="false"
    )
    assert found.p_mw.tolist() == [-15.0]


def test_pjm_of_a_saturday_and_of_a_holiday():
    third = (*WEEKS, 20.0, 20.0, 20.0, 20.0, 20.0, 9.0, 9.0, 21.0, 21.0, 21.0, 21.0, 21.0, 8.0, 8.0)
    given = history(flat(*third))
    # the Saturdays before are 9, 6, 4 MW: the two highest of three are (9 + 6) / 2
    found = baseline("pjm-cbl", given, Event(on(26), 14, 15), adjusted="false")
    assert found.p_mw.tolist() == [-7.5]
    # a holiday on Friday: Sundays, (9 + 7) / 2
    holiday = Calendar(holidays=frozenset({on(25)}))
    found = baseline("pjm-cbl", given, Event(on(25), 14, 15), holiday, adjusted="false")
    assert found.p_mw.tolist() == [-8.0]


def test_pjm_replaces_a_day_of_low_usage():
    loads = list(WEEKS)
    loads[0], loads[4] = 30.0, 2.0  # Friday stood still
    given, event = history(flat(*loads)), Event(on(8), 14, 15)
    # Tuesday the 9th: 15, 2, 11, 14, 12 have a mean of 10.8; 2 is under a quarter of it, and the
    # Monday before comes for it: (15 + 14 + 12 + 30) / 4 = 17.75
    found = baseline("pjm-cbl", given, event, adjusted="false")
    assert found.p_mw.tolist() == [-17.75]
    # without the rule: (15 + 11 + 14 + 12) / 4 = 13
    found = baseline("pjm-cbl", given, event, adjusted="false", low_usage_pu=0)
    assert found.p_mw.tolist() == [-13.0]


def test_pjm_of_days_that_are_equally_high_takes_the_newer():
    found = baseline("pjm-cbl", history(flat(*[5.0] * 8)), Event(on(7), 14, 15))
    assert found.days == (on(4), on(3), on(2), on(1))


def test_pjm_of_a_generator_has_no_day_of_low_usage():
    found = baseline("pjm-cbl", history(-flat(*WEEKS)), Event(on(7), 14, 15), adjusted="false")
    # the highest usage is the lowest generation: 10, 11, 12, 13 MW
    assert found.p_mw.tolist() == [11.5]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p[3:], "days of the type weekday before 2026-06-08: 2, 5 are needed"),
        (lambda p: _gap(p, 2, 14), "no power is known for 2026-06-03 14:00"),
        (lambda p: _gap(p, 2, 11), "no power is known for 2026-06-03 11:00"),
        (lambda p: _gap(p, 7, 12), "no power is known for 2026-06-08 12:00"),
        (lambda p: p[:7], "2026-06-08 is not in the history"),
    ],
)
def test_pjm_refuses_what_it_cannot_compute(change, says):
    changed = change(flat(*WEEKS))
    first = on(3) if len(changed) == 11 else on(0)
    with pytest.raises(BaselineError, match=says):
        baseline("pjm-cbl", history(changed, first), Event(on(7), 14, 15))


def _gap(p_mw: np.ndarray, day: int, hour: int) -> np.ndarray:
    p_mw[day, hour] = np.nan
    return p_mw


def test_a_day_that_is_excluded_may_have_gaps():
    p_mw = _gap(flat(*WEEKS), 8, 14)
    event, calendar = Event(on(9), 14, 15), Calendar(excluded=frozenset({on(8)}))
    with pytest.raises(BaselineError, match="exclude the day"):
        baseline("pjm-cbl", history(p_mw), event)
    found = baseline("pjm-cbl", history(p_mw), event, calendar, adjusted="false")
    # 15, 13, 11, 14, 12 without 11
    assert found.p_mw.tolist() == [-13.5]


def test_the_morning_of_an_early_event_is_the_evening_before():
    p_mw = flat(*WEEKS)
    p_mw[7, :] = -15.0
    p_mw[6, 22:] = -17.0  # Sunday evening
    # event at 02:00: the window is 22, 23 and 0 o'clock. Basis days 2 to 5 June, each with the
    # evening before it: 22 and 23 of 11, 14, 12, 10 and 0 of 13, 11, 14, 12
    # day means: (2 x 11.75 + 12.5) / 3 = 12; today (17 + 17 + 15) / 3 = 16.3333; 4.3333 more
    found = baseline("pjm-cbl", history(p_mw), Event(on(7), 2, 3))
    assert found.p_mw == pytest.approx([-12.5 - 13.0 / 3.0])
    events = Calendar(events=frozenset({on(6)}))
    with pytest.raises(BaselineError, match="begins on 2026-06-07, an event day"):
        baseline("pjm-cbl", history(p_mw), Event(on(7), 2, 3), events)


# --- CAISO


def test_caiso_is_the_mean_of_ten_days_scaled_by_the_morning():
    p_mw = flat(*WEEKS, 14.5)  # Monday the 15th
    # the ten weekdays: 10 + 12 + 14 + 11 + 13 + 15 + 16 + 17 + 18 + 19 = 145, mean 14.5
    event = Event(on(14), 14, 16)
    found = baseline("caiso-10-of-10", history(p_mw), event)
    assert found.p_mw.tolist() == [-14.5, -14.5]
    assert len(found.days) == 10
    p_mw[14, 10:13] = -15.95  # 10 % more
    found = baseline("caiso-10-of-10", history(p_mw), event)
    assert found.p_mw == pytest.approx([-15.95, -15.95])


def test_caiso_limits_the_factor():
    p_mw = flat(*WEEKS, 29.0)  # twice the load
    found = baseline("caiso-10-of-10", history(p_mw), Event(on(14), 14, 15))
    assert found.p_mw == pytest.approx([-14.5 * 1.2])
    assert found.notes == ("adjusted by 1.2, limited from 2",)
    p_mw[14] = -1.45
    found = baseline("caiso-10-of-10", history(p_mw), Event(on(14), 14, 15))
    assert found.p_mw == pytest.approx([-14.5 * 0.8])
    found = baseline(
        "caiso-10-of-10", history(p_mw), Event(on(14), 14, 15), adjustment_limit_pu=0.4
    )
    assert found.p_mw == pytest.approx([-14.5 * 0.6])


def test_caiso_takes_fewer_days_but_five_at_least():
    # Monday the 8th: five weekdays, mean 12
    found = baseline(
        "caiso-10-of-10", history(flat(*WEEKS)), Event(on(7), 14, 15), adjusted="false"
    )
    assert found.p_mw.tolist() == [-12.0]
    assert found.notes == ("5 days where 10 are wanted",)
    with pytest.raises(BaselineError, match="weekdays before 2026-06-05: 4, 5 are needed"):
        baseline("caiso-10-of-10", history(flat(*WEEKS)), Event(on(4), 14, 15))
    with pytest.raises(BaselineError, match="weekend days and holidays before 2026-06-14: 3, 4"):
        baseline("caiso-10-of-10", history(flat(*WEEKS)), Event(on(13), 14, 15))


def test_caiso_of_a_weekend():
    # Saturday the 20th: the weekend days 7, 6, 5, 4
    given = history(flat(*WEEKS, *[20.0] * 6))
    found = baseline("caiso-10-of-10", given, Event(on(19), 14, 15), adjusted="false")
    assert found.p_mw.tolist() == [-5.5]


@pytest.mark.parametrize("morning_mw", [0.0, 3.0])
def test_caiso_does_not_scale_by_nothing_or_by_the_other_sign(morning_mw):
    p_mw = flat(*WEEKS, 14.5)
    p_mw[14, 10:13] = morning_mw
    with pytest.raises(BaselineError, match="the adjustment has no factor"):
        baseline("caiso-10-of-10", history(p_mw), Event(on(14), 14, 15))


# --- meter before, meter after; nomination


def test_meter_before_holds_what_was_before():
    p_mw = flat(10.0)
    p_mw[0, 12:14] = [-14.0, -16.0]
    given = history(p_mw)
    assert baseline("meter-before-after", given, Event(on(0), 14, 16)).p_mw.tolist() == [-16.0] * 2
    found = baseline("meter-before-after", given, Event(on(0), 14, 16), before_s=7200)
    assert found.p_mw.tolist() == [-15.0, -15.0]
    found = baseline("meter-before-after", given, Event(on(0), 14, 16), skip_s=3600)
    assert found.p_mw.tolist() == [-14.0, -14.0]
    with pytest.raises(BaselineError, match="no power is known for 2026-05-31 23:00"):
        baseline("meter-before-after", given, Event(on(0), 0, 2))
    with pytest.raises(BaselineError, match="900 s are no whole number of intervals of 3600 s"):
        baseline("meter-before-after", given, Event(on(0), 14, 16), before_s=900)


def nominated(p_mw: float = -9.0, ahead_s: float = 60.0) -> History:
    shape = (1, 24)
    return history(flat(10.0), nominated_mw=np.full(shape, p_mw), ahead_s=np.full(shape, ahead_s))


def test_a_nomination_counts_if_it_came_in_time():
    event = Event(on(0), 14, 16)
    assert baseline("elia-nomination", nominated(), event).p_mw.tolist() == [-9.0, -9.0]
    with pytest.raises(BaselineError, match="2026-06-01 14:00 was sent too late"):
        baseline("elia-nomination", nominated(ahead_s=59.0), event)
    with pytest.raises(BaselineError, match="14:00 was sent too late"):
        baseline("elia-nomination", nominated(ahead_s=np.nan), event)
    with pytest.raises(BaselineError, match="14:00 is missing"):
        baseline("elia-nomination", nominated(p_mw=np.nan), event)
    with pytest.raises(BaselineError, match="nothing was nominated"):
        baseline("elia-nomination", history(flat(10.0)), event)


# --- errors


def test_errors_of_a_baseline():
    # off by +1, -3, +2, -4: bias -1, rmse sqrt(30 / 4) = 2.7386; mean |truth| = 10
    truth = np.array([-10.0, -8.0, -12.0, -10.0])
    found = errors_of(truth + np.array([1.0, -3.0, 2.0, -4.0]), truth)
    assert (found.n, found.bias_mw, found.bias_pct) == (4, -1.0, -10.0)
    assert found.rmse_mw == pytest.approx(7.5**0.5)
    assert found.rrmse_pct == pytest.approx(10.0 * 7.5**0.5)
    assert np.isnan(errors_of(np.ones(2), np.zeros(2)).bias_pct)  # per cent of nothing
    for bad in (np.array([np.nan]), np.zeros(0), np.zeros(2)):
        with pytest.raises(BaselineError):
            errors_of(bad, np.ones(1))


def test_the_history_tells_the_error_of_a_method():
    p_mw = flat(*WEEKS)
    p_mw[7, 20] = np.nan  # not in these hours
    p_mw[9, 15] = np.nan
    rules = rules_from(method("meter-before-after"), [])
    calendar = Calendar(events=frozenset({on(0)}), excluded=frozenset({on(1)}))
    p_mw[3, 14] -= 2.0
    found = back_test(history(p_mw), calendar, 14, 16, method("meter-before-after"), rules)
    # 14 days less event, excluded and the gap: 11; one hour of 22 is 2 MW off
    assert found.n_days == 11
    assert found.errors.n == 22
    assert found.errors.bias_mw == pytest.approx(2.0 / 22.0)
    assert found.errors.rmse_mw == pytest.approx((4.0 / 22.0) ** 0.5)
    assert found.refused == (("2026-06-10", "the meter has a gap in these hours"),)


def test_a_history_without_a_day_to_test_has_no_error():
    found = back_test(history(flat(*WEEKS[:3])), NOBODY, 14, 16, method("pjm-cbl"),
                      rules_from(method("pjm-cbl"), []))  # fmt: skip
    assert found.errors is None
    assert len(found.refused) == 3


# --- laws


@pytest.mark.parametrize("name", ["pjm-cbl", "caiso-10-of-10", "meter-before-after"])
def test_a_customer_that_never_changes_has_its_load_as_baseline(name):
    given = history(flat(*[7.25] * 20))
    assert baseline(name, given, Event(on(15), 14, 18)).p_mw.tolist() == [-7.25] * 4


@pytest.mark.parametrize("name", ["pjm-cbl", "caiso-10-of-10", "meter-before-after"])
def test_what_is_done_in_the_event_and_after_does_not_matter(name):
    p_mw = -10.0 - np.random.default_rng(4).random((20, 24))
    event = Event(on(15), 14, 18)
    before = baseline(name, history(p_mw), event)
    p_mw[15, 14:] = 0.0
    p_mw[16:] = 3.0
    assert baseline(name, history(p_mw), event) .p_mw.tolist() == before.p_mw.tolist()  # fmt: skip


@pytest.mark.parametrize("name", ["pjm-cbl", "caiso-10-of-10", "meter-before-after"])
def test_twice_the_load_is_twice_the_baseline(name):
    p_mw = -10.0 - np.random.default_rng(5).random((20, 24))
    event = Event(on(15), 14, 18)
    once, twice = (baseline(name, history(k * p_mw), event).p_mw for k in (1.0, 2.0))
    assert twice == pytest.approx(2.0 * once, rel=1e-12)


# --- what is refused before anything is computed


def test_events_and_histories_that_are_none():
    for first, stop in ((-1, 2), (3, 3), (4, 2)):
        with pytest.raises(BaselineError, match="is none"):
            Event(on(0), first, stop)
    for shape in ((0, 24), (2, 7)):
        with pytest.raises(BaselineError, match="equal intervals"):
            history(np.zeros(shape))
    with pytest.raises(BaselineError, match="one shape"):
        history(np.zeros((2, 24)), nominated_mw=np.zeros((1, 24)))
    with pytest.raises(BaselineError, match="a day has 24 intervals"):
        baseline("meter-before-after", history(flat(1.0)), Event(on(0), 20, 25))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("pjm-cbl", "weekdays_x=6"),
        ("pjm-cbl", "weekdays_y=4.5"),
        ("pjm-cbl", "look_back_days=0"),
        ("caiso-10-of-10", "adjustment_limit_pu=1"),
        ("caiso-10-of-10", "weekdays=2.5"),
        ("elia-nomination", "lead_s=-1"),
        ("elia-nomination", "nothing=1"),
    ],
)
def test_parameters_that_are_none_are_refused(name, word):
    with pytest.raises(ParameterError):
        rules_from(method(name), [word])


def test_methods_by_name():
    assert list(METHODS) == ["pjm-cbl", "caiso-10-of-10", "meter-before-after", "elia-nomination"]
    with pytest.raises(UnknownMethodError, match="did you mean pjm-cbl"):
        method("pjm-cbi")


def test_days_before_the_look_back_do_not_count():
    given = history(flat(*[7.0] * 60))
    day = on(56)  # a Monday
    with pytest.raises(BaselineError, match="type weekday before 2026-07-27: 4, 5 are"):
        baseline("pjm-cbl", given, Event(day, 14, 15), look_back_days=6)
    found = baseline("pjm-cbl", given, Event(day, 14, 15), look_back_days=7)
    assert min(found.days) == day - timedelta(days=6)
