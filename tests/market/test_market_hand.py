"""Each market against cases computed by hand; the arithmetic stands beside them."""

import math

import numpy as np
import pytest
from market_series import answering, score, tracking

from vppd.market.answers import merged
from vppd.market.record import Form
from vppd.market.rules import caiso, cn_jiangsu, de_afrr, ercot_gredp, gb, gb_dc, gb_dm, gb_dr
from vppd.market.rules import ieee1547_droop as ieee1547


def steps(n: int, *at: tuple[int, float]) -> np.ndarray:
    """A row of n values, each level from its index on."""
    out = np.zeros(n)
    for index, level in at:
        out[index:] = level
    return out


def ramp(n: int, start: int, per_sample: float, target: float) -> np.ndarray:
    """0, then from `start` on straight to the target by `per_sample` a sample."""
    return np.minimum(target, np.maximum(0.0, (np.arange(n) - start) * per_sample))


# --- United States


def test_pjm_2012_pays_by_score_and_mileage():
    n = np.arange(391)
    x = 20.0 * np.sin(n / 5.0)
    found = score("pjm-2012", tracking(x, 0.8 * x, 10.0), capacity_mw=20,
                  rmccp_usd_per_mwh=30, rmpcp_usd_per_mwh=2, mileage_ratio=3)  # fmt: skip
    # correlation 1, delay 1, precision .8: 2.8 / 3; 361 of the 391 samples are scored
    (hour,) = found.intervals
    assert hour.values["score"] == pytest.approx(2.8 / 3.0)
    assert hour.until_s == 3610.0
    # 20 MW x 2.8/3 x (30 + 3 x 2) $/MWh x 3610/3600 h = 673.8667
    assert found.score["credit_usd"] == pytest.approx(673.8667, abs=1e-3)
    assert all(found.passed.values())


def test_pjm_2012_forfeits_a_bad_hour():
    x = 20.0 * np.sin(np.arange(391) / 5.0)
    # a plant that stands still: correlation 0, delay 0, precision 0
    found = score("pjm-2012", tracking(x, np.zeros(391), 10.0), capacity_mw=20,
                  rmccp_usd_per_mwh=30, rmpcp_usd_per_mwh=2)  # fmt: skip
    assert found.score["credit_usd"] == 0.0
    assert not any(found.passed.values())


def test_pjm_2012_takes_finer_steps_for_the_same_samples():
    x = 20.0 * np.sin(np.arange(391) / 5.0)
    fine = np.repeat(x, 5)[: 390 * 5 + 1]
    coarse = score("pjm-2012", tracking(x, 0.9 * x, 10.0), capacity_mw=20)
    assert score("pjm-2012", tracking(fine, 0.9 * fine, 2.0), capacity_mw=20) == coarse


def test_pjm_2025_10():
    # 450 samples of 2 s are 15 min: three intervals, the first two at 10 MW off for half the time
    x = steps(450, (0, 10.0), (300, -10.0))
    y = x.copy()
    y[75:225] = 0.0
    found = score("pjm-2025-10", tracking(x, y, 2.0), capacity_mw=20,
                  rmccp_usd_per_mwh=12, rmpcp_usd_per_mwh=6, mileage_average_mw=40)  # fmt: skip
    # each of the two: mean|y - x| = 75 x 10 / 150 = 5 MW, 1 - 5/20 = .75; the third: 1
    assert [i.values["score"] for i in found.intervals] == pytest.approx([0.75, 0.75, 1.0])
    assert found.score["score"] == pytest.approx(2.5 / 3.0)
    # mileage: 0, 0, and 20 MW into the third interval
    assert [i.values["mileage_mw"] for i in found.intervals] == [0.0, 0.0, 20.0]
    # 20 MW x .75 x 12 / 12 = 15 $, twice; 20 x 1 x (12 + 20/40 x 6) / 12 = 25 $
    assert found.score["credit_usd"] == pytest.approx(15.0 + 15.0 + 25.0)


def test_pjm_2025_10_forfeits_half_an_hour_by_its_mean():
    x = np.full(1800, 10.0)  # an hour
    y = np.where(np.arange(1800) < 900, -6.0, 10.0)  # 16 MW off: 1 - 16/20 = .2, under .25
    found = score("pjm-2025-10", tracking(x, y, 2.0), capacity_mw=20,
                  rmccp_usd_per_mwh=12, rmpcp_usd_per_mwh=6, mileage_average_mw=40)  # fmt: skip
    # the second half hour alone: 6 x 20 MW x 12 / 12 $
    assert found.score["credit_usd"] == pytest.approx(120.0)
    assert found.score["score"] == pytest.approx(0.6)
    assert not found.passed["no_half_hour_forfeited"]


def test_the_rest_that_fills_no_interval_is_told():
    x = np.full(160, 10.0)
    found = score("pjm-2025-10", tracking(x, x, 2.0), capacity_mw=20)
    assert found.notes == ("the last 20 s fill no interval of 300 s: not scored",)


def test_caiso():
    # 225 samples of 4 s: 10 MW for 125 of them, then 30 MW; the plant gives 9 and 27
    x = steps(225, (0, 10.0), (125, 30.0))
    found = score("caiso", tracking(x, 0.9 * x, 4.0), capacity_mw=40,
                  capacity_price_usd_per_mwh=8, mileage_price_usd_per_mw=0.5)  # fmt: skip
    assert found.score["accuracy"] == pytest.approx(0.9)
    # 20 MW of mileage, of which 30 - 27 = 3 MW were missing 4 s later
    assert found.score["mileage_mw"] == pytest.approx(20.0)
    assert found.score["adjusted_mileage_mw"] == pytest.approx(17.0)
    # 40 MW x 8 $/MWh / 4 + 17 MW x .9 x .5 $/MW = 80 + 7.65
    assert found.score["credit_usd"] == pytest.approx(87.65)


def test_caiso_of_a_quarter_hour_that_asks_nothing():
    assert math.isnan(caiso.accuracy(np.zeros(5), np.ones(5)))
    rules = caiso.Rules(capacity_mw=40.0, capacity_price_usd_per_mwh=8.0)
    assert caiso.credit_usd(math.nan, 0.0, rules) == 80.0


def test_ercot_gredp():
    # 4 x 75 samples of 4 s; asked 100, 100, 20, 0 MW; given 102, 104, 22.5, 3 MW
    asked = np.repeat([100.0, 100.0, 20.0, 0.0], 75)
    given = np.repeat([102.0, 104.0, 22.5, 3.0], 75)
    found = score("ercot-gredp", tracking(asked, given, 4.0))
    rows = [i.values for i in found.intervals]
    # 2 % passes; 4 % and 4 MW do not; 12.5 % but 2.5 MW passes; nothing asked and 3 MW does not
    assert [row["passed"] for row in rows] == [1.0, 0.0, 1.0, 0.0]
    assert [row["gredp_mw"] for row in rows] == pytest.approx([2.0, 4.0, 2.5, 3.0])
    assert [row["gredp_pct"] for row in rows[:3]] == pytest.approx([2.0, 4.0, 12.5])
    assert math.isnan(rows[3]["gredp_pct"])
    assert found.score["passed_pct"] == 50.0
    assert found.passed == {"month": False}
    assert ercot_gredp.gredp(-50.0, -45.0) == pytest.approx((10.0, 5.0))


# --- China: Pn = 100 MW; a command of 20 MW at 10 s


def test_cn_north_two_rules():
    signal = steps(3001, (100, 20.0))  # 0.1 s
    power = ramp(3001, 130, 0.05, 20.0)  # 3 s later, .5 MW/s
    found = score("cn-north-two-rules", tracking(signal, power, 0.1), rated_mw=100)
    # T1 = 15 s at 1 MW, T2 = 51 s at 19 MW: 18 MW in 36 s = 30 MW/min
    assert found.score["rate_mw_per_min"] == pytest.approx(30.0)
    # K1 = 2 - 1.5/30 = 1.95, K3 = 2 - 5/60 = 1.917, K2 = 2 - (1 MWs / 249 s): each capped at 1.5
    row = found.intervals[0].values
    assert row["k1"] == pytest.approx(1.95)
    assert row["k3"] == pytest.approx(2.0 - 5.0 / 60.0)
    assert found.score["kp"] == pytest.approx(1.5**3)
    # 20 MW x (ln 3.375 + 1) x 5 CNY/MW = 221.64
    assert found.score["payment_cny"] == pytest.approx(221.6395, abs=1e-3)


def test_cn_guangdong():
    signal = steps(1501, (100, 20.0))  # 0.1 s
    power = ramp(1501, 130, 0.05, 20.0)  # from 13 s, .5 MW/s: .5 MW at 14 s, 19.5 MW at 52 s
    power[720:] = 19.4  # T2 + 20 s = 72 s: .6 MW off from there on
    found = score("cn-guangdong", tracking(signal, power, 0.1), rated_mw=100)
    # v = 19 MW / 38 s = 30 MW/min; k1 = 30 / 1.751 = 17.1, 5 at most
    assert found.score["k1"] == 5.0
    # k2 = 1 - 4/300; k3 = 1 - .6/1.5 = .6
    assert found.score["k2"] == pytest.approx(1.0 - 4.0 / 300.0)
    assert found.score["k3"] == pytest.approx(0.6)
    # (10 + .98667 + .6) / 4
    assert found.score["k"] == pytest.approx(2.896667, abs=1e-6)


def test_cn_guangdong_slow_plant_is_below_the_cap():
    signal = steps(4001, (10, 10.0))  # 1 s
    power = ramp(4001, 10, 0.02, 10.0)  # 1.2 MW/min: k1 = 1.2 / 1.751
    found = score("cn-guangdong", tracking(signal, power, 1.0), rated_mw=100)
    assert found.score["k1"] == pytest.approx(1.2 / 1.751)
    # .5 MW after 25 s
    assert found.score["k2"] == pytest.approx(1.0 - 25.0 / 300.0)


def test_cn_guangdong_wants_the_dead_band_left_for_more_than_4_s():
    signal = steps(2001, (100, 20.0))
    power = ramp(2001, 300, 0.05, 20.0)
    power[150:185] = 0.8  # out for 3.5 s, and back
    found = score("cn-guangdong", tracking(signal, power, 0.1), rated_mw=100)
    # leaves for good at 31 s: 21 s after the command
    assert found.intervals[0].values["response_s"] == pytest.approx(21.0)


def test_cn_guangdong_merges_commands_in_one_direction():
    commands = [(10.0, 5.0), (25.0, 8.0), (44.0, 9.0), (65.0, 12.0), (70.0, 3.0), (75.0, 1.0)]
    # 15 and 19 s apart merge; 21 s do not; the other direction does not, and merges on its own
    assert merged(commands, 0.0, 20.0) == [(10.0, 9.0), (65.0, 12.0), (70.0, 1.0)]


def test_cn_guangdong_cannot_rate_what_is_cut_short():
    signal = steps(1501, (100, 20.0), (600, 0.0))  # next command 8 s after reaching
    power = ramp(1501, 130, 0.05, 20.0)
    power[630:] = 20.0 - ramp(871, 0, 0.1, 20.0)
    found = score("cn-guangdong", tracking(signal, power, 0.1), rated_mw=100)
    assert [i.outcome for i in found.intervals] == ["cut_short", "valid"]
    assert found.notes == ("not rated: 1 cut short",)


@pytest.mark.parametrize(
    ("kind", "k1"),
    # V = 30 MW/min of 100 MW; storage 100, coal 1.2 (25, capped at 3), gas 4 (7.5), hydro 25
    [("storage", 0.3), ("coal", 3.0), ("gas", 3.0), ("hydro", 1.2)],
)
def test_cn_hunan_2025(kind, k1):
    signal = steps(3001, (100, 20.0))
    power = ramp(3001, 130, 0.05, 20.0)
    power[510:] = 19.5  # from T2 on, .5 MW off
    power[509] = 19.0  # (T2 is at 51 s, on the way from 19 to 19.5)
    found = score("cn-hunan-2025", tracking(signal, power, 0.1), rated_mw=100, kind=kind)
    assert found.score["k1"] == pytest.approx(k1, rel=3e-3)
    # K2 = 1 - 5/60, K3 = 1 - .5/2
    assert found.score["k2"] == pytest.approx(1.0 - 5.0 / 60.0)
    assert found.score["k3"] == pytest.approx(0.75, abs=1e-3)
    expected = 0.4 * found.score["k1"] + 0.3 * 55.0 / 60.0 + 0.3 * found.score["k3"]
    assert found.score["k"] == pytest.approx(expected)


def test_cn_jiangsu():
    signal = steps(601, (10, 20.0))  # 1 s
    power = ramp(601, 10, 0.05, 19.8)  # 3 MW/min; ends .2 MW short: S = .2 %
    found = score("cn-jiangsu", tracking(signal, power, 1.0), rated_mw=100,
                  target_band_pct=0.3, price_cny_per_mw=12)  # fmt: skip
    # Kv = 3/1.5 = 2; Ks = (1.5 - .2)/.5 = 2.6; Kp = 4.6
    assert found.score["kv"] == pytest.approx(2.0)
    assert found.score["ks"] == pytest.approx(2.6)
    assert found.score["kp"] == pytest.approx(4.6)
    # 19.8 MW x 4.6 x 12
    assert found.score["payment_cny"] == pytest.approx(1092.96)


def test_cn_jiangsu_rates_what_was_not_reached_and_has_a_floor():
    signal = steps(121, (10, 20.0))
    power = ramp(121, 10, 0.05, 99.0)  # at 120 s: 5.5 MW, 14.5 % of Pn short
    found = score("cn-jiangsu", tracking(signal, power, 1.0), rated_mw=100)
    # Kv = 2, Ks = (1.5 - 14.5)/.5 = -26: Kp = 0
    assert found.score["kv"] == pytest.approx(2.0)
    assert found.score["ks"] == pytest.approx(-26.0)
    assert found.score["kp"] == 0.0
    assert cn_jiangsu.ks(0.0) == 3.0


def test_zhejiang_field_names_its_denominators():
    signal = steps(3000, (100, 20.0))  # 0.1 s, 300 s
    power = ramp(3000, 130, 0.05, 20.0)
    found = score("zhejiang-field", tracking(signal, power, 0.1), rated_mw=100, capacity_mw=40)
    assert found.score["rate_mw_per_min"] == pytest.approx(30.0)
    # from 19 to 20 MW in 2 s after T2 = 51 s: 1 MWs over 248.9 s, of 100 MW
    assert found.score["regulation_accuracy_pct"] == pytest.approx(
        100.0 - 100.0 / 248.9 / 100.0, abs=1e-4
    )
    # 20 MW for 3 s + the ramp's triangle of 20 MW x 40 s / 2 = 460 MWs, and half a sample (.05 s of
    # the ramp, held: 1 MWs), over 300 s, of 40 MW
    assert found.score["tracking_accuracy_pct"] == pytest.approx(100.0 - 100.0 * 461.0 / 12_000.0)


def test_zhejiang_field_has_accuracy_without_a_command():
    found = score("zhejiang-field", tracking(np.full(100, 5.0), np.full(100, 4.0), 0.1),
                  rated_mw=100, capacity_mw=40)  # fmt: skip
    assert found.score["tracking_accuracy_pct"] == pytest.approx(97.5)
    assert math.isnan(found.score["rate_mw_per_min"])
    assert any("no valid command" in note for note in found.notes)


# --- aFRR


def test_de_afrr_of_a_step():
    setpoint = steps(1000, (100, 27.0))
    limits = de_afrr.acceptance_limits(setpoint, np.zeros(1000, dtype=np.bool_))
    # upper: at once. Lower: stays for 31 s, then by 27/270 = .1 MW/s; there 270 s after
    assert limits.upper_mw[99] == 0.0
    assert limits.upper_mw[100] == 27.0
    assert limits.lower_mw[130] == 0.0
    assert limits.lower_mw[131] == pytest.approx(0.1)
    assert limits.lower_mw[230] == pytest.approx(10.0)
    assert limits.lower_mw[399] == pytest.approx(26.9)
    assert limits.lower_mw[400] == pytest.approx(27.0)


def test_de_afrr_charges_what_is_missing_for_long():
    setpoint = steps(2200, (400, 27.0))
    found = score("de-afrr", tracking(setpoint, np.zeros(2200), 1.0),
                  price_pos_eur_per_mwh=100, price_neg_eur_per_mwh=0,
                  penalty_eur_per_mwh=10)  # fmt: skip
    # inner tolerance limit: .95 of the lower limit. It rises by .1 MW/s for 270 s, from 431 on:
    # .95 x .1 x (1 + ... + 270) = 3475.575 MWs; then 1499 s (701 to 2199) x 25.65 MW = 38449.35
    assert found.score["under_pos_mwh"] == pytest.approx((3475.575 + 38_449.35) / 3600.0, abs=1e-4)
    # not charged in the first 15 s of it (5 % of 300): .095 x (1 + ... + 15) = 11.4 MWs
    charged = (3475.575 + 38_449.35 - 11.4) / 3600.0
    assert found.score["alloc_under_pos_mwh"] == pytest.approx(charged, abs=1e-4)
    assert found.score["credit_eur"] == pytest.approx(-10.0 * charged, abs=1e-3)
    assert not found.passed["nothing_charged"]
    assert [i.until_s for i in found.intervals] == [900.0, 1800.0, 2200.0]
    total = math.fsum(i.values["under_pos_mwh"] for i in found.intervals)
    assert total == pytest.approx(found.score["under_pos_mwh"])


def test_de_afrr_does_not_pay_overshoot_or_the_wrong_way():
    setpoint = steps(400, (0, 10.0))
    found = score("de-afrr", tracking(setpoint, np.full(400, 12.0), 1.0)).score
    # seconds 2 to 399: 10 MW allocable, 2 MW over
    assert found["acc_pos_mwh"] == pytest.approx(398 * 10.0 / 3600.0)
    assert found["over_pos_mwh"] == pytest.approx(398 * 2.0 / 3600.0)
    wrong = score("de-afrr", tracking(setpoint, np.full(400, -3.0), 1.0)).score
    assert wrong["acc_pos_mwh"] == 0.0
    assert wrong["over_neg_mwh"] == pytest.approx(398 * 3.0 / 3600.0)


def test_de_afrr_is_the_same_both_ways():
    rng = np.random.default_rng(4)
    setpoint = np.repeat(rng.uniform(-30.0, 30.0, 20), 90)
    response = np.concatenate((np.zeros(50), setpoint[:-50]))
    up = score("de-afrr", tracking(setpoint, response, 1.0)).score
    down = score("de-afrr", tracking(-setpoint, -response, 1.0)).score
    for name in ("acc", "under", "alloc_under", "over", "asked"):
        assert up[f"{name}_pos_mwh"] == pytest.approx(down[f"{name}_neg_mwh"], abs=1e-12)


def test_a_product_change_lets_the_old_product_ramp_out():
    # -8 MW until 20 s before the change, then on the way to 0 in 60 s
    setpoint = np.concatenate((np.full(280, -8.0), np.linspace(-8.0, 0.0, 60), np.zeros(60)))
    t_s = 14_100.0 + np.arange(400.0)
    ramps = de_afrr.product_ramps(t_s, setpoint, 0.0)
    # the change is at index 300; the ramp lasts until the setpoint is 0, at index 339
    assert np.flatnonzero(ramps).tolist() == list(range(301, 340))
    assert not de_afrr.product_ramps(t_s, setpoint, math.nan).any()
    limits = de_afrr.acceptance_limits(setpoint, ramps)
    assert (limits.upper_mw[ramps] >= 0.0).all()


def test_elia_afrr():
    # 900 steps of 4 s = 1 h: asked +20 MW for 450, then -20; given +16 and -25, award 30
    asked = steps(900, (0, 20.0), (450, -20.0))
    given = steps(900, (0, 16.0), (450, -25.0))
    found = score("elia-afrr", tracking(asked, given, 4.0), capacity_mw=30,
                  price_pos_eur_per_mwh=90, price_neg_eur_per_mwh=40)  # fmt: skip
    assert found.score["asked_pos_mwh"] == pytest.approx(10.0)
    assert found.score["delivered_pos_mwh"] == pytest.approx(8.0)
    assert found.score["delivered_neg_mwh"] == pytest.approx(10.0)
    assert found.score["missing_mwh"] == pytest.approx(2.0)
    assert found.score["excess_mwh"] == pytest.approx(2.5)
    # tolerance .15 x 30 = 4.5 MW: 4 MW off is compliant, 5 MW is not
    assert found.score["compliant_pct"] == 50.0
    # 8 MWh x 90 + 10 MWh x 40
    assert found.score["credit_eur"] == pytest.approx(1120.0)
    assert len(found.intervals) == 4


# --- frequency


def frequency(freq_hz: np.ndarray, response_mw: np.ndarray, step_s: float):
    return answering(freq_hz, response_mw, step_s, Form.FREQUENCY)


@pytest.mark.parametrize(
    ("service", "points"),
    [
        # .35 Hz down: halfway from 5 % at .2 to 100 % at .5 Hz
        (gb_dc, {50.0: 0.0, 49.985: 0.0, 49.8: 0.05, 49.65: 0.525, 49.5: 1.0, 49.0: 1.0}),
        # .15 Hz down: halfway from 5 % at .1 to 100 % at .2 Hz
        (gb_dm, {50.0: 0.0, 49.985: 0.0, 49.9: 0.05, 49.85: 0.525, 49.8: 1.0, 49.0: 1.0}),
        # straight from .015 to .2 Hz: .1075 Hz is the middle
        (gb_dr, {50.0: 0.0, 49.985: 0.0, 49.8925: 0.5, 49.8: 1.0, 49.0: 1.0}),
    ],
)
def test_gb_curves(service, points):
    freq_hz, wanted = np.array(list(points)), np.array(list(points.values()))
    assert gb.wanted_pu(freq_hz, service.SERVICE, "low") == pytest.approx(wanted)
    mirrored = 100.0 - freq_hz
    assert gb.wanted_pu(mirrored, service.SERVICE, "high") == pytest.approx(-wanted)
    both = gb.wanted_pu(np.concatenate((freq_hz, mirrored)), service.SERVICE, "both")
    assert both == pytest.approx(np.concatenate((wanted, -wanted)))


def dip(samples: int) -> np.ndarray:
    """50 Hz, and from 10 s on 49.5 Hz, at 20 Hz."""
    return np.where(np.arange(samples) < 200, 50.0, 49.5)


def test_gb_dc_bounds_of_a_step():
    lower, upper = gb.bounds(dip(400), gb_dc.SERVICE, "low")
    # upper: from .2 s (4 samples) on, by 4 pu/s = .2 a sample
    assert upper[203] == 0.0
    assert upper[204:209] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    # lower: from .55 s (11 samples) on, by 2 pu/s = .1 a sample; full .5 s later
    assert lower[210] == 0.0
    assert lower[211:221] == pytest.approx(np.arange(1, 11) / 10.0)


@pytest.mark.parametrize("late", [11, 12, 13, 16])
def test_gb_dc_error_grows_by_a_tenth_a_sample_late(late):
    response = 50.0 * ramp(400, 200 + late - 1, 0.1, 1.0)
    found = score("gb-dc", frequency(dip(400), response, 0.05), capacity_mw=50,
                  price_gbp_per_mw_h=3)  # fmt: skip
    # on the lower bound with 11 samples, .1 pu below with each more, for longer than 4 samples
    error = 0.1 * (late - 11)
    assert found.score["error"] == pytest.approx(error, abs=1e-12)
    factor = 1.0 if error < 0.03 else 0.0
    assert found.score["pay_factor"] == factor
    # 50 MW x 3 GBP x 20 s
    assert found.score["payment_gbp"] == pytest.approx(factor * 50.0 * 3.0 * 20.0 / 3600.0)


def test_three_bad_samples_are_forgiven_and_four_are_not():
    response = np.zeros(400)
    response[100:103] = 10.0
    steady = np.full(400, 50.0)
    assert score("gb-dc", frequency(steady, response, 0.05), capacity_mw=50).score["error"] == 0.0
    response[103] = 10.0
    found = score("gb-dc", frequency(steady, response, 0.05), capacity_mw=50)
    assert found.score["error"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("error", "factor"), [(0.0, 1.0), (0.03, 1.0), (0.05, 0.5), (0.06, 0.25), (0.07, 0.0), (1, 0)]
)
def test_gb_pay_factor(error, factor):
    assert gb.pay_factor(error) == pytest.approx(factor)


def test_gb_stored_energy_falls_with_delivery_and_comes_back_three_periods_later():
    # full: 10 MWh. 5 delivered in period 0: recovered from period 3 on, 2 a period
    floors = gb.stored_floor_mwh([5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 10.0)
    assert floors == pytest.approx([10.0, 5.0, 5.0, 5.0, 7.0, 9.0, 10.0])


def test_gb_high_service_is_the_low_one_mirrored():
    response = 50.0 * ramp(400, 214, 0.1, 1.0)
    low = score("gb-dm", frequency(dip(400), response, 0.05), capacity_mw=50)
    high = score("gb-dm", frequency(100.0 - dip(400), -response, 0.05), capacity_mw=50, side="high")
    assert high.score == pytest.approx(low.score)


def test_gb_dr_has_ten_seconds():
    # full within 10 s: 2 s to begin, then 1/8 pu/s
    freq_hz = np.where(np.arange(600) < 200, 50.0, 49.8)
    response = 50.0 * ramp(600, 239, 0.05 / 8.0, 1.0)
    assert score("gb-dr", frequency(freq_hz, response, 0.05), capacity_mw=50).score["error"] == (
        pytest.approx(0.0, abs=1e-9)
    )
    late = 50.0 * ramp(600, 255, 0.05 / 8.0, 1.0)  # .8 s later: .1 pu below
    found = score("gb-dr", frequency(freq_hz, late, 0.05), capacity_mw=50)
    assert found.score["error"] == pytest.approx(0.1, abs=1e-9)


def test_ce_fcr():
    # -.1 Hz from 10 s on, 1 s steps: half of 20 MW
    freq_hz = np.where(np.arange(100) < 10, 50.0, 49.9)
    right = ramp(100, 11, 1.0, 10.0)
    found = score("ce-fcr", frequency(freq_hz, right, 1.0), capacity_mw=20, price_eur_per_mw_h=12)
    assert found.score["inside_pct"] == 100.0
    assert found.score["payment_eur"] == pytest.approx(20.0 * 12.0 * 100.0 / 3600.0)
    # 12 MW are 120 %: a freedom. 14 MW are .1 pu beyond it, less .05 of tolerance
    assert score("ce-fcr", frequency(freq_hz, 1.2 * right, 1.0), capacity_mw=20).passed["inside"]
    much = score("ce-fcr", frequency(freq_hz, 1.4 * right, 1.0), capacity_mw=20)
    assert much.score["error_max_pu"] == pytest.approx(0.05)
    # nothing at all: .5 pu missing in the end, less .05
    none = score("ce-fcr", frequency(freq_hz, np.zeros(100), 1.0), capacity_mw=20)
    assert none.score["error_max_pu"] == pytest.approx(0.45)
    # the lower bound, 0 for 2 s (samples 10 and 11), then by 1/28 a second, is .05 above 0 from the
    # second sample of its rise: samples 13 to 99 are short
    assert none.score["short_pct"] == pytest.approx(87.0)


@pytest.mark.parametrize("freq_hz", [49.991, 50.009])
def test_ce_fcr_dead_band_is_a_right(freq_hz):
    row = np.full(100, freq_hz)
    wanted = (50.0 - freq_hz) / 0.2 * 20.0
    for response_mw in (0.0, wanted):
        series = frequency(row, np.full(100, response_mw), 1.0)
        assert score("ce-fcr", series, capacity_mw=20, tolerance_pu=0.0).passed["inside"]


def test_nordic_fcr_d():
    # to 49.7 Hz at 10 s: half of 20 MW. .86/7.5 pu/s: .5 pu take 4.36 s
    freq_hz = np.where(np.arange(600) < 100, 50.0, 49.7)
    right = 20.0 * ramp(600, 99, 0.1 * 0.86 / 7.5, 0.5)
    found = score("nordic-fcr-d", frequency(freq_hz, right, 0.1), capacity_mw=20, tolerance_pu=0)
    assert found.score["error_max_pu"] == pytest.approx(0.0, abs=1e-9)
    # 20 MW for 20 min
    assert found.score["stored_least_mwh"] == pytest.approx(20.0 / 3.0)
    late = 20.0 * ramp(600, 109, 0.1 * 0.86 / 7.5, 0.5)  # 1 s later: .1147 pu below
    short = score("nordic-fcr-d", frequency(freq_hz, late, 0.1), capacity_mw=20, tolerance_pu=0)
    assert short.score["error_max_pu"] == pytest.approx(0.86 / 7.5)
    down = score("nordic-fcr-d", frequency(100.0 - freq_hz, -late, 0.1), capacity_mw=20,
                 tolerance_pu=0, side="down")  # fmt: skip
    assert down.score["error_max_pu"] == pytest.approx(0.86 / 7.5)


def test_ieee1547_droop_curve():
    rules = ieee1547.Rules(rated_mw=10.0, room_up_pu=0.4)
    # .036 Hz of dead band, then 1 pu for 5 % of 60 Hz = 3 Hz: .636 Hz down is .2 pu
    freq_hz = np.array([60.0, 59.964, 59.364, 60.636, 58.0, 64.0])
    expected = [0.0, 0.0, 0.2, -0.2, 0.4, -1.0]  # .6547 is more than the room of .4
    assert ieee1547.wanted_pu(freq_hz, rules) == pytest.approx(expected, abs=1e-12)


def test_ieee1547_droop_may_take_five_seconds_to_ninety_percent():
    # .2 pu of 10 MW asked from 10 s on
    freq_hz = np.where(np.arange(300) < 100, 60.0, 59.364)
    wanted = np.where(np.arange(300) < 100, 0.0, 2.0)
    slowest = 10.0 * ieee1547.lagged_pu(wanted / 10.0, 0.1, 5.0 / math.log(10.0))
    assert slowest[150] == pytest.approx(0.9 * 2.0)  # 5 s after the step
    for right in (wanted, slowest, 0.5 * (wanted + slowest)):
        found = score("ieee1547-droop", frequency(freq_hz, right, 0.1), rated_mw=10, tolerance_pu=0)
        assert found.score["error_max_pu"] < 1e-12
    late = np.concatenate((np.zeros(50), wanted[:250]))
    # 5 s late: .9 x .2 pu missing at the end, less 5 % of rated power
    found = score("ieee1547-droop", frequency(freq_hz, late, 0.1), rated_mw=10)
    missing = 0.2 * (1.0 - 10.0 ** (-4.9 / 5.0))
    assert found.score["error_max_pu"] == pytest.approx(missing - 0.05)
