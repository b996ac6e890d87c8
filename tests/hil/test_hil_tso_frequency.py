"""What the TSO sends as the frequency: the synthetic event, columns of files."""

from pathlib import Path

import numpy as np
import pytest

from hil.scenario import FrequencySource
from hil.scenario.frequency import SagConfig
from hil.tso.frequency import sag_hz, source
from hil.tso.signal import NoSignalError, SignalError

RECORDS = Path(__file__).parents[3] / "shared" / "data" / "frequency"
GB_2019 = RECORDS / "gb_2019-08-09_event_1s.csv"
GREAT_BRITAIN = SagConfig()


def event(t_s, **keys):
    return sag_hz(SagConfig(**keys), 50.0, t_s)


def test_it_begins_with_its_rate_of_change():
    dt_s = 1e-3
    slope = (event(60.0 + dt_s) - event(60.0)) / dt_s
    assert slope == pytest.approx(-GREAT_BRITAIN.rocof_hz_per_s, rel=1e-3)
    assert event(59.999) == 50.0


def test_it_reaches_its_nadir_in_time_and_not_before():
    t_s = np.arange(0.0, 600.0, 0.1)
    freq_hz = np.array([event(t) for t in t_s])
    assert freq_hz.min() == pytest.approx(48.79, abs=1e-9)
    assert event(100.0) > 48.79 + 1e-3
    assert event(135.0) == 48.79
    assert (np.diff(freq_hz[t_s < 135.0]) <= 0.0).all()
    assert (np.diff(freq_hz[t_s > 135.1]) > 0.0).all()


def test_it_comes_back_by_its_time_constant():
    assert event(135.0 + 80.0) == pytest.approx(50.0 - 1.21 * np.exp(-1.0))


def test_it_may_go_up():
    assert event(135.0, nadir_hz=50.8) == 50.8
    assert event(61.0, nadir_hz=50.8) > 50.1


def test_a_fall_as_straight_as_a_line():
    keys = {"nadir_hz": 49.5, "nadir_after_s": 5.0, "rocof_hz_per_s": 0.1}
    assert [event(60.0 + t, **keys) for t in (1.0, 2.5, 5.0)] == pytest.approx([49.9, 49.75, 49.5])


def of_file(path, column="hz", duration_s=3.0):
    return source(FrequencySource(kind="file", file=str(path), column=column), duration_s)


def test_a_record_holds_from_row_to_row(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("# a grid\nt_s,hz\n10,50.0\n11,49.9\n13,49.8\n")
    at = of_file(path)
    assert [at(t) for t in (-5.0, 0.0, 0.9, 1.0, 2.9, 3.0, 99.0)] == [
        50.0, 50.0, 50.0, 49.9, 49.9, 49.8, 49.8,
    ]  # fmt: skip


def test_a_record_of_instants(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text(
        "utc_time,hz\n2019-08-09T15:52:33Z,50.0\n2019-08-09T15:52:34Z,49.9\n"
        "2019-08-09T15:52:36Z,49.8\n"
    )
    at = of_file(path)
    assert [at(t) for t in (0.5, 1.0, 2.9, 3.0)] == [50.0, 49.9, 49.9, 49.8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_s,hz\n0,50\n1,0.0\n", "hz has 0; a frequency is 10 to 400 Hz"),
        ("t_s,hz\n0,50\n1,500\n", "hz has 500; a frequency is 10 to 400 Hz"),
        ("t_s,hz\n0,50\n1,49.9\n", "is 1 s long, the run 60 s"),
        ("when,hz\n0,50\n", "no column t_s; has when, hz"),
        ("time,hz\nnoon,50\n", "row 1: Invalid isoformat string: 'noon'"),
        ("t_s,f\n0,50\n", "no column hz; has t_s, f"),
    ],
)
def test_records_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(SignalError) as caught:
        of_file(path, duration_s=60.0)
    assert message in str(caught.value)


def test_a_record_that_is_not_there(tmp_path):
    with pytest.raises(NoSignalError, match="No such file"):
        of_file(tmp_path / "none.csv")


def test_no_source_where_there_is_none_or_the_loop_is_closed():
    assert source(FrequencySource(), 60.0) is None
    assert source(FrequencySource(kind="grid"), 60.0) is None


@pytest.mark.skipif(not GB_2019.exists(), reason=f"the record is not here: {GB_2019}")
def test_the_synthetic_event_is_shaped_like_that_of_9_august_2019():
    at = of_file(GB_2019, "frequency_hz", 500.0)
    began_s = 93.0  # 15:52:33 UTC
    recorded_hz = np.array([at(began_s + t) for t in range(240)])
    made_hz = np.array([event(60.0 + t) for t in range(240)])
    assert made_hz.min() == pytest.approx(recorded_hz.min(), abs=0.01)
    assert abs(int(made_hz.argmin()) - int(recorded_hz.argmin())) <= 3
    assert np.abs(made_hz - recorded_hz).mean() < 0.13
    for t_s, off_hz in ((5, 0.15), (75, 0.04), (150, 0.05), (200, 0.05)):
        assert made_hz[t_s] == pytest.approx(recorded_hz[t_s], abs=off_hz)
