"""`vppd settle` from outside: CSV and Parquet, prices, what is refused, and the codes."""

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_system_score import journal_of

from vppd.cli import main
from vppd.core.types import Quality
from vppd.market.settlement.schema import COLUMNS, NAMES
from vppd.runtime import settle_write

DOCUMENT = Path(__file__).parents[2] / "docs" / "settlement.md"
# The journal: 1200 s from 2001-09-09T01:46:40Z on, three units at 2 MW each and what they add.
PRICES = """# by the hour
since_utc,rmccp_usd_per_mwh,rmpcp_usd_per_mwh,mileage_average_mw,energy_USD_per_mwh
2001-09-09T00:00:00Z,12,0,100,30
2001-09-09T01:56:40Z,24,0,100,60
"""
MARK = "\ufeff"  # a byte order mark, as spreadsheets write it


def vppd(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return journal_of(tmp_path_factory.mktemp("day") / "journal")


def settle(journal: Path, out: Path, *arguments: object, market="pjm-2025-10"):
    result = vppd("settle", journal, "--market", market, "--out", out, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result


def rows_of(path: Path, level: str) -> list[dict[str, str]]:
    rows = csv.DictReader(path.read_text().splitlines())
    return [row for row in rows if row["level"] == level]


def test_rows_by_interval_and_unit(journal, tmp_path):
    out = tmp_path / "day.csv"
    result = settle(journal, out)
    assert out.read_text().splitlines()[0] == ",".join(NAMES)
    plants, units = rows_of(out, "plant"), rows_of(out, "unit")
    assert [row["since_utc"] for row in plants] == [
        f"2001-09-09T{clock}.000Z" for clock in ("01:46:40", "01:51:40", "01:56:40", "02:01:40")
    ]
    assert len(units) == 3 * len(plants)
    # three units with plans of 2 MW: 6 MW x 300 s = .5 MWh
    assert {row["baseline_mwh"] for row in plants} == {"0.500000000"}
    assert {row["capacity_up_mw"] for row in plants} == {"20.000000"}
    for row in [*plants, *units]:
        parts = [float(row[f"{name}_mwh"]) for name in ("baseline", "regulation", "droop")]
        assert sum(parts) == pytest.approx(float(row["metered_mwh"]), abs=3e-9)
    assert plants[0]["performance_name"] == "score"
    assert plants[0]["amount"] == ""  # without prices nothing is known of amounts, not 0
    scored = json.loads(vppd("score", journal, "--market", "pjm-2025-10", "--json").stdout)
    assert [float(row["performance"]) for row in plants] == pytest.approx(
        [row["score"] for row in scored["intervals"]], abs=1e-6
    )
    assert "day.csv: 17 rows, 4 intervals" in result.stdout


def test_parquet_has_the_same_rows(journal, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    prices = tmp_path / "prices.csv"
    prices.write_text(PRICES)
    settle(journal, tmp_path / "day.csv", "--prices", prices)
    prices.write_text(MARK + PRICES)
    settle(journal, tmp_path / "day.parquet", "--prices", prices)
    table = parquet.read_table(tmp_path / "day.parquet")
    assert tuple(table.column_names) == NAMES
    assert b"vppd.settlement" in table.schema.metadata
    rows = list(csv.DictReader((tmp_path / "day.csv").read_text().splitlines()))
    assert table.num_rows == len(rows)
    for typed, plain in zip(table.to_pylist(), rows, strict=True):
        for column in COLUMNS:
            value, text = typed[column.name], plain[column.name]
            if value is None:
                assert text == ""
            elif isinstance(value, float):
                assert value == float(text)
            elif isinstance(value, str):
                assert value == text
            else:
                assert value.isoformat(timespec="milliseconds").replace("+00:00", "Z") == text


def test_two_runs_give_the_same_bytes(journal, tmp_path):
    for kind in ("csv", "parquet"):
        first, second = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
        settle(journal, first)
        settle(journal, second)
        assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "1.csv", "1.parquet", "2.csv", "2.parquet",
    ]  # fmt: skip


def test_amounts_by_prices_that_change(journal, tmp_path):
    prices, out = tmp_path / "prices.csv", tmp_path / "day.csv"
    prices.write_text(PRICES)
    settle(journal, out, "--prices", prices)
    plants = rows_of(out, "plant")
    for row, price, energy in zip(plants, (12, 12, 24, 24), (30, 30, 60, 60), strict=True):
        # 20 MW x score x price / 12 of an hour
        assert float(row["amount"]) == pytest.approx(20 * float(row["performance"]) * price / 12,
                                                     abs=2e-5)  # fmt: skip
        beside_mwh = float(row["metered_mwh"]) - float(row["baseline_mwh"])
        assert float(row["energy_amount"]) == pytest.approx(beside_mwh * energy, abs=1e-6)
        assert row["currency"] == "USD"
    (total,) = rows_of(out, "total")
    for name in ("amount", "energy_amount"):
        assert float(total[name]) == pytest.approx(sum(float(r[name]) for r in plants), abs=1e-5)


def test_commands_are_settled_by_quarter_hours(journal, tmp_path):
    out = tmp_path / "day.csv"
    settle(journal, out, "--param", "rated_mw=100", market="cn-north-two-rules")
    plants = rows_of(out, "plant")
    assert [row["since_utc"][11:19] for row in plants] == ["01:46:40", "02:01:40"]
    (total,) = rows_of(out, "total")
    assert (total["currency"], total["performance_name"]) == ("CNY", "kp")
    assert float(total["amount"]) > 0.0


def test_json_says_the_total(journal, tmp_path):
    out = tmp_path / "day.csv"
    found = json.loads(settle(journal, out, "--json").stdout)
    assert (found["rows"], found["intervals"]) == (17, 4)
    (total,) = rows_of(out, "total")
    assert found["total"]["metered_mwh"] == pytest.approx(float(total["metered_mwh"]), abs=1e-9)


def test_a_part_of_the_day(journal, tmp_path):
    out = tmp_path / "part.csv"
    settle(journal, out, "--since", "+300", "--until", "+900")
    assert [row["since_utc"][11:19] for row in rows_of(out, "plant")] == ["01:51:40", "01:56:40"]


def test_time_without_readings_is_counted(tmp_path):
    """A unit that nobody hears from 400 s to 460 s: a straight line stands there."""

    def changes(k, image):
        lost = 400 <= k < 460
        quality = image.quality.copy()
        quality[1] = Quality.COMM_LOST if lost else quality[1]
        at_s = image.measured_at_s.copy()
        at_s[1] = 100.0 + 399.0 if lost else at_s[1]
        return dataclasses.replace(image, quality=quality, measured_at_s=at_s)

    out = tmp_path / "day.csv"
    settle(journal_of(tmp_path / "journal", changes), out)
    units = rows_of(out, "unit")
    holes = {(row["unit"], row["since_utc"][14:19]): float(row["estimated_unit_s"])
             for row in units if float(row["estimated_unit_s"])}  # fmt: skip
    assert len(holes) == 1
    (((name, since), hole_s),) = holes.items()
    assert (name, since) == (units[1]["unit"], "51:40")
    assert hole_s == pytest.approx(61.0, abs=1.0)
    assert float(rows_of(out, "total")[0]["estimated_unit_s"]) == hole_s


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--market", "pjm-2025-11"), 2, "did you mean"),
        (("--out", "day.xlsx"), 2, "written as .csv or .parquet"),
        (("--param", "capacity_mw=-1"), 2, "capacity_mw must be above 0"),
        (("--since", "noon"), 2, "noon"),
        (("--since", "+1100"), 1, "one interval takes 300 s"),
        (("--market", "gb-dc"), 1, "the step is 1 s"),
    ],
)
def test_what_is_refused(journal, tmp_path, arguments, code, says):
    given = {"--market": "pjm-2025-10", "--out": tmp_path / "day.csv"}
    given |= dict([arguments])
    result = vppd("settle", journal, *(str(x) for pair in given.items() for x in pair))
    assert says in result.stderr
    assert (result.exit_code, result.stdout) == (code, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda t: t.replace("rmccp", "rmcp"), 2, "not rmcp_usd_per_mwh"),
        (lambda t: t.replace("Z,24", ",24"), 2, "has no offset"),
        (lambda t: t.replace("T01:56:40Z", "T1"), 2, "is no instant"),
        (lambda t: t.replace(",24,", ",high,"), 2, "is no number"),
        (lambda t: t.replace(",24,", ",nan,"), 2, "is not finite"),
        (lambda t: t.replace("09T01:56", "08T01:56"), 2, "does not rise"),
        (lambda t: "\n".join(t.splitlines()[:2]) + "\n", 2, "no row"),
        (lambda t: t.replace("since_utc", "since"), 2, "the columns of prices"),
        (lambda t: t.replace("01:56:40", "01:57:00"), 1, "prices change within an interval"),
        (lambda t: t.replace("09T00:00", "09T01:50"), 1, "begin after the first interval"),
        (lambda t: t.replace("energy_USD", "energy_EUR"), 1, "two currencies"),
    ],
)
def test_prices_that_are_refused(journal, tmp_path, change, code, says):
    prices, out = tmp_path / "prices.csv", tmp_path / "day.csv"
    prices.write_text(change(PRICES))
    result = vppd("settle", journal, "--market", "pjm-2025-10", "--out", out, "--prices", prices)
    assert says in result.stderr
    assert (result.exit_code, out.exists()) == (code, False)


def test_a_price_given_twice_is_refused(journal, tmp_path):
    prices = tmp_path / "prices.csv"
    prices.write_text(PRICES)
    result = vppd("settle", journal, "--market", "pjm-2025-10", "--out", tmp_path / "day.csv",
                  "--prices", prices, "--param", "rmccp_usd_per_mwh=3")  # fmt: skip
    assert result.exit_code == 2
    assert "given twice" in result.stderr


def test_a_unit_that_was_never_read_refuses_the_day(tmp_path):
    def changes(_k, image):
        p_mw = image.p_meas_mw.copy()
        p_mw[1] = np.nan
        return dataclasses.replace(image, p_meas_mw=p_mw)

    result = vppd("settle", journal_of(tmp_path / "journal", changes), "--market", "pjm-2025-10",
                  "--out", tmp_path / "day.csv")  # fmt: skip
    assert result.exit_code == 1
    assert "response_mw is not finite" in result.stderr


def test_no_journal(tmp_path):
    result = vppd("settle", tmp_path / "none", "--market", "caiso", "--out", tmp_path / "day.csv")
    assert result.exit_code == 3


def test_without_its_library_parquet_says_what_to_install(journal, tmp_path, monkeypatch):
    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr(settle_write, "import_module", missing)
    result = vppd("settle", journal, "--market", "caiso", "--out", tmp_path / "day.parquet")
    assert result.exit_code == 2
    assert "vppd[parquet]" in result.stderr


def test_the_document_has_every_column():
    text = DOCUMENT.read_text()
    told = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", text, re.M)
    assert told == [(c.name, c.kind.value, c.about) for c in COLUMNS]


def test_a_frequency_product_alone_needs_no_agc(tmp_path):
    def changes(_k, image):
        return dataclasses.replace(image, regulation_capacity_up_mw=0.0,
                                   regulation_capacity_down_mw=0.0, agc_pu=np.nan,
                                   agc_received_s=np.nan)  # fmt: skip

    out = tmp_path / "day.csv"
    settle(journal_of(tmp_path / "journal", changes), out, "--param", "capacity_mw=20",
           market="ce-fcr")  # fmt: skip
    (total,) = rows_of(out, "total")
    assert total["performance_name"] == "inside_pct"
    assert (total["requested_mwh"], total["mileage_mw"]) == ("0.000000000", "0.000000")
    assert (total["capacity_up_mw"], total["baseline_mwh"]) == ("0.000000", "2.000000000")
