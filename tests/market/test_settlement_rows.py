"""Rows of a settlement, hand-computed: products, performance, amounts, and what is refused."""

import json
import math

import numpy as np
import pytest

from vppd.market.grid import SeriesError
from vppd.market.parameters import rules_from
from vppd.market.record import Form, Interval, Scored, Series
from vppd.market.registry import market
from vppd.market.settlement.energy import UnitSeries
from vppd.market.settlement.intervals import edges_of, energies_of, mileage_mw
from vppd.market.settlement.record import Plant, Prices, SettlementError, Steps, Unit
from vppd.market.settlement.settle import settle

PJM = market("pjm-2025-10")
END_S = 660.0


def steps(*pairs: tuple[float, float]) -> Steps:
    t_s, value = np.asarray(pairs, dtype=np.float64).reshape(-1, 2).T
    return Steps(t_s, value)


def unit(name: str, p_mw: float, base_mw: float, range_mw: float) -> Unit:
    t_s = np.arange(0.0, END_S + 1.0)
    readings = UnitSeries(t_s, np.full(t_s.size, p_mw), np.zeros(0), np.zeros(0), 0.0, 0.0, 10.0)
    return Unit(name, readings, steps((-1.0, base_mw)), range_mw)


def plant(**changes: object) -> Plant:
    """Two units at 8 and -2 MW over plans of 3 and -1: 4 MW beside it, 1 MW of it droop."""
    given = {
        "units": (unit("a", 8.0, 3.0, 30.0), unit("b", -2.0, -1.0, 10.0)),
        "regulation_mw": steps((-1.0, 5.0)),
        "droop_mw": steps((-1.0, 1.0)),
        "signal_mw": steps((-1.0, 5.0)),
        "capacity_up_mw": steps((-1.0, 20.0)),
        "capacity_down_mw": steps((-1.0, 20.0)),
    }
    return Plant(**(given | changes))


def pjm_at(prices=None, response_mw: float = 3.0, words=("capacity_mw=20",)):
    t_s = np.arange(0.0, END_S)
    series = Series(t_s, np.full(t_s.size, response_mw), signal_mw=np.full(t_s.size, 5.0))
    given = [*words, *(f"{k}={v}" for k, v in (prices or {}).items())]
    return PJM.score(series, rules_from(PJM, given))


def settled(prices: Prices = Prices(), **changes: object) -> list[dict]:  # noqa: B008
    found = settle(PJM, plant(**changes), pjm_at, prices, 0.0, END_S)
    return list(found.rows)


def rows_of(rows: list[dict], level: str) -> list[dict]:
    return [row for row in rows if row["level"] == level]


def test_products_of_units_and_plant():
    rows = settled()
    # 5 min, 5 min, and what is left: 60 s
    assert [row["until_utc"] for row in rows_of(rows, "plant")] == [300.0, 600.0, 660.0]
    a, b = rows_of(rows, "unit")[:2]
    # a: 8 MW x 300 s = .66667 MWh over a plan of .25; of the droop, 1 MW, it has 30 / 40 parts
    assert (a["unit"], b["unit"]) == ("a", "b")
    assert a["metered_mwh"] == pytest.approx(8 / 12)
    assert a["baseline_mwh"] == pytest.approx(3 / 12)
    assert a["droop_mwh"] == pytest.approx(0.75 / 12)
    assert a["regulation_mwh"] == pytest.approx((8 - 3 - 0.75) / 12)
    assert b["regulation_mwh"] == pytest.approx((-2 + 1 - 0.25) / 12)
    whole = rows_of(rows, "plant")[0]
    assert whole["metered_mwh"] == pytest.approx(6 / 12)
    assert whole["regulation_mwh"] == pytest.approx(3 / 12)
    assert whole["requested_mwh"] == pytest.approx(5 / 12)
    assert (whole["capacity_up_mw"], whole["mileage_mw"]) == (20.0, 0.0)
    assert whole["estimated_unit_s"] == 0.0
    (total,) = rows_of(rows, "total")
    assert total["metered_mwh"] == pytest.approx(6 * 660 / 3600)
    assert (total["since_utc"], total["until_utc"]) == (0.0, 660.0)


def test_every_row_sums_up():
    for row in settled():
        assert row["metered_mwh"] == pytest.approx(
            row["baseline_mwh"] + row["regulation_mwh"] + row["droop_mwh"]
        )


def test_performance_is_the_markets_and_the_rest_has_none():
    first, second, rest = rows_of(settled(), "plant")
    # 3 of 5 MW, of 20 MW: 1 - 2/20
    assert (first["performance_name"], first["performance"]) == ("score", 0.9)
    assert json.loads(first["figures"])["credit_usd"] is None
    assert "amount" not in first
    assert second["performance"] == 0.9
    assert "performance" not in rest
    assert "figures" not in rest


def prices(*rows: tuple[float, float], energy=(), currency="USD") -> Prices:
    more = {"rmpcp_usd_per_mwh": 0.0, "mileage_average_mw": 1.0}
    return Prices(
        np.asarray([at for at, _ in rows]),
        tuple({"rmccp_usd_per_mwh": price, **more} for _, price in rows),
        energy or tuple(math.nan for _ in rows),
        currency,
    )


def test_amounts_at_one_price():
    rows = settled(prices((0.0, 12.0)))
    # 20 MW x .9 x 12 / 12 = 18 USD, twice
    assert [row.get("amount") for row in rows_of(rows, "plant")] == [18.0, 18.0, None]
    (total,) = rows_of(rows, "total")
    assert (total["amount"], total["currency"]) == (36.0, "USD")


def test_each_interval_is_paid_at_its_own_price():
    rows = settled(prices((-3600.0, 99.0), (0.0, 12.0), (300.0, 24.0)))
    assert [row.get("amount") for row in rows_of(rows, "plant")] == [18.0, 36.0, None]
    (total,) = rows_of(rows, "total")
    assert total["amount"] == 54.0
    assert "credit_usd" not in json.loads(total["figures"])  # it is of one price


def test_energy_beside_the_baseline_has_its_price():
    rows = settled(prices((0.0, 12.0), (300.0, 12.0), energy=(60.0, 120.0)))
    a = [row for row in rows if row["unit"] == "a"]
    # 5 MW x 300 s x 60, then x 120; 60 s at 120
    assert [row["energy_amount"] for row in a] == pytest.approx([25.0, 50.0, 10.0])
    (total,) = rows_of(rows, "total")
    # 4 MW: 300 s x 60 + 360 s x 120 USD/MWh
    assert total["energy_amount"] == pytest.approx(4 * (300 * 60 + 360 * 120) / 3600)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (prices((1.0, 12.0)), "begin after the first interval"),
        (prices((0.0, 12.0), (450.0, 24.0)), "prices change within an interval, at 450 s"),
        (prices((0.0, 12.0), energy=(1.0,), currency="EUR"), "two currencies: USD and EUR"),
    ],
)
def test_prices_that_do_not_fit_are_refused(given, says):
    with pytest.raises(SettlementError, match=says):
        settled(given)


def test_what_is_not_known_is_refused():
    bare = Unit("a", unit("a", 1.0, 1.0, 1.0).readings, steps((5.0, 1.0)), 1.0)
    with pytest.raises(SettlementError, match="basepoint of a is not known"):
        settled(units=(bare,))
    with pytest.raises(SettlementError, match="the decision is not known"):
        settled(droop_mw=steps((-1.0, math.nan)))
    late = UnitSeries(np.array([5.0]), np.ones(1), np.zeros(0), np.zeros(0), 0.0, 0.0, 10.0)
    with pytest.raises(SettlementError, match="b: no reading before the first interval"):
        settled(units=(Unit("b", late, steps((-1.0, 1.0)), 1.0),))
    with pytest.raises(SeriesError):
        settle(PJM, plant(), lambda _: pjm_at(response_mw=math.nan), Prices(), 0.0, END_S)


def test_a_frequency_product_takes_regulation_as_decided():
    found = energies_of(plant(), np.array([0.0, 300.0]), Form.FREQUENCY)
    # 4 MW beside the plan, 5 of regulation: the droop has given -1
    assert found.droop_mwh.sum() == pytest.approx(-1 / 12)
    assert found.regulation_mwh[:, 0].tolist() == pytest.approx([3.75 / 12, 1.25 / 12])


def test_units_without_a_range_share_alike():
    units = (unit("a", 8.0, 3.0, 0.0), unit("b", -2.0, -1.0, 0.0))
    found = energies_of(plant(units=units), np.array([0.0, 300.0]), Form.REGULATION)
    assert found.droop_mwh[:, 0].tolist() == pytest.approx([0.5 / 12, 0.5 / 12])


def test_mileage_counts_changes_when_they_come():
    signal = steps((-1.0, 5.0), (0.0, 8.0), (299.9, 6.0), (300.0, 7.0), (600.0, 9.0))
    found = mileage_mw(signal, np.array([0.0, 300.0, 600.0]))
    assert found.tolist() == [5.0, 1.0]  # |8 - 5| + |6 - 8|; |7 - 6|; the last is too late
    unknown = mileage_mw(steps((10.0, 5.0)), np.array([0.0, 300.0, 600.0]))
    assert math.isnan(unknown[0])
    assert unknown[1] == 0.0
    assert np.isnan(mileage_mw(steps(), np.array([0.0, 300.0]))).all()


def test_intervals_of_commands_are_quarter_hours():
    command = Interval(12.0, 40.0, {"kp": 1.5}, "valid")
    assert edges_of(Scored({}, (command,)), 0.0, 2000.0).tolist() == [0.0, 900.0, 1800.0, 2000.0]
    hours = tuple(Interval(k * 10.0, k * 10.0 + 12.0, {}) for k in range(2))
    assert edges_of(Scored({}, hours), 0.0, 30.0).tolist() == [0.0, 10.0, 22.0, 30.0]
    assert edges_of(Scored({}, hours), 0.0, 20.0).tolist() == [0.0, 10.0, 20.0]


def test_a_market_that_pays_for_the_whole_takes_one_price():
    command = Interval(12.0, 40.0, {"kp": 1.5}, "valid")
    rules = market("cn-jiangsu")

    def score(at):
        return Scored({"kp": 1.5, "payment_cny": 10.0 * at["price_cny_per_mw"]}, (command,))

    def priced(*values: float) -> Prices:
        rows = tuple({"price_cny_per_mw": value} for value in values)
        return Prices(np.arange(len(values)) * 900.0, rows, (math.nan,) * len(values))

    found = settle(rules, plant(), score, priced(2.0), 0.0, END_S)
    assert found.rows[-1]["amount"] == 20.0
    assert found.rows[-1]["currency"] == "CNY"
    with pytest.raises(SettlementError, match="one price for all"):
        settle(rules, plant(), score, priced(2.0, 3.0), 0.0, END_S)
