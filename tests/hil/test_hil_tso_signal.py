"""What the TSO sends: statistics of the synthesised signal, columns of files."""

import gzip

import numpy as np
import pytest

from hil.scenario import SignalSource
from hil.tso import regd
from hil.tso.signal import NoSignalError, SignalError, parse_option, read_column, series

HOUR = 1800  # steps


@pytest.fixture(scope="module")
def two_days():
    return regd.synthesise(1, 48 * 3600.0)[: 48 * HOUR]


def increments_memory(values, lag):
    steps = np.diff(values)
    return float(np.mean(steps[lag:] * steps[:-lag]) / np.mean(steps * steps))


def test_spread_mileage_and_saturation_are_those_of_regd(two_days):
    assert np.abs(two_days).max() == 1.0
    assert 0.64 <= two_days.std() <= 0.68
    assert 30.0 <= np.abs(np.diff(two_days)).sum() / 48.0 <= 35.0
    assert 0.22 <= np.mean(np.abs(two_days) >= 0.99) <= 0.27


def test_it_is_energy_neutral(two_days):
    hourly = two_days.reshape(48, HOUR).mean(axis=1)
    assert abs(two_days.mean()) < 0.03
    assert np.mean(np.abs(hourly) <= 0.23) > 0.95
    assert np.abs(hourly).max() < 0.3


@pytest.mark.parametrize(("lag_s", "expected"), [(2, 0.94), (10, 0.74), (20, 0.38)])
def test_increments_remember_as_long_as_those_of_regd(two_days, lag_s, expected):
    assert increments_memory(two_days, lag_s // 2) == pytest.approx(expected, abs=0.04)


def test_the_seed_decides_all():
    assert np.array_equal(regd.synthesise(5, 600.0), regd.synthesise(5, 600.0))
    assert np.array_equal(regd.synthesise(5, 600.0), regd.synthesise(5, 6000.0)[:301])
    assert not np.array_equal(regd.synthesise(5, 600.0), regd.synthesise(6, 600.0))


def test_values_hold_until_the_next():
    found = series(SignalSource(), 1, 60.0)
    assert len(found.pu) == 31
    assert found.at(0.0) == found.at(1.99) == found.pu[0]
    assert found.at(2.0) == found.pu[1]
    assert found.at(1e6) == found.pu[-1]


def test_steps_are_as_written():
    found = series(SignalSource(kind="steps", steps=((0.0, 0.0), (10.0, 0.5), (20.0, -1.0))), 1, 60)
    assert [found.at(t) for t in (0.0, 9.9, 10.0, 19.9, 50.0)] == [0.0, 0.0, 0.5, 0.5, -1.0]


@pytest.mark.parametrize("name", ["agc.csv", "agc.csv.gz"])
def test_a_column_of_a_file(tmp_path, name):
    text = "# from somewhere\nt_s,regd_pu,other\n100,0.5,7\n102,-1.02,8\n104,0.25,9\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    found = read_column(path, "regd_pu")
    assert found.t_s.tolist() == [0.0, 2.0, 4.0]
    assert found.pu.tolist() == [0.5, -1.02, 0.25]  # clipping is the receiver's affair
    source = SignalSource(kind="file", file=str(path), column="regd_pu")
    assert series(source, 1, 4.0).at(3.0) == -1.02
    with pytest.raises(SignalError, match="is 4 s long, the run 60 s"):
        series(source, 1, 60.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_s,x\n0,1\n", "no column regd_pu; has t_s, x"),
        ("time,regd_pu\n0,1\n", "no column t_s"),
        ("t_s,regd_pu\n0,one\n", "row 1: could not convert"),
        ("t_s,regd_pu\n0,1\n0,1\n", "t_s that grows"),
        ("t_s,regd_pu\n0,nan\n", "finite"),
        ("t_s,regd_pu\n", "no row of values"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "agc.csv"
    path.write_text(text)
    with pytest.raises(SignalError, match=message):
        read_column(path, "regd_pu")


def test_files_that_are_not_there_or_not_packed(tmp_path):
    with pytest.raises(NoSignalError, match="No such file"):
        read_column(tmp_path / "none.csv", "x")
    (tmp_path / "odd.csv.gz").write_text("t_s,x\n")
    with pytest.raises(NoSignalError):
        read_column(tmp_path / "odd.csv.gz", "x")


def test_file_and_column_of_the_command_line():
    assert parse_option("/data/a:b/agc.csv.gz:regd_pu") == ("/data/a:b/agc.csv.gz", "regd_pu")
    for text in ("agc.csv", "agc.csv:", ":regd_pu"):
        with pytest.raises(SignalError, match="FILE:COLUMN"):
            parse_option(text)


def test_a_signal_that_repeats_begins_anew():
    once, again = series(SignalSource(), 4, 60.0), series(SignalSource(repeat_s=60.0), 4, 150.0)
    for t in (0.0, 17.0, 59.9):
        assert once.at(t) == again.at(t) == again.at(t + 60.0) == again.at(t + 120.0)
    assert np.all(np.diff(again.t_s) > 0.0)
    steps = SignalSource(kind="steps", steps=((0.0, 0.1), (5.0, 0.2), (90.0, 0.3)), repeat_s=10.0)
    found = series(steps, 1, 25.0)
    assert [found.at(t) for t in (4.9, 5.0, 10.0, 16.0, 24.9, 29.0)] == [
        0.1,
        0.2,
        0.1,
        0.2,
        0.1,
        0.2,
    ]


def test_a_file_needs_only_what_is_repeated(tmp_path):
    (tmp_path / "a.csv").write_text("t_s,x\n0,0.1\n2,0.2\n4,0.3\n6,0.4\n")
    source = SignalSource(kind="file", file=str(tmp_path / "a.csv"), column="x", repeat_s=6.0)
    assert series(source, 1, 600.0).at(602.0) == 0.2
