"""A recording as a signal: what the file may be, and when its rows are given."""

import asyncio
import contextlib
import gzip
import math
from pathlib import Path

import pytest
from helpers import run_async

from vppd.signals.replay import Replay, ReplayConfig, Row, create, load_rows

CSV = "# from somewhere\nt_s,regd_pu,frequency_hz\n10,0.5,49.99\n12,,50.01\n14,-1.02,\n"


def write(folder: Path, text: str = CSV, name: str = "agc.csv") -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["agc.csv", "agc.csv.gz"])
def test_rows_start_at_zero_and_keep_gaps(tmp_path, name):
    rows = load_rows(write(tmp_path, name=name), "regd_pu", "frequency_hz")
    assert [row.t_s for row in rows] == [0.0, 2.0, 4.0]
    assert repr([row.pu for row in rows]) == "[0.5, nan, -1.02]"
    assert repr([row.freq_hz for row in rows]) == "[49.99, 50.01, nan]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_s,other\n0,1\n1,2\n", "no column regd_pu; columns: t_s, other"),
        ("time,regd_pu\n0,1\n1,2\n", "no column t_s"),
        ("", "no column t_s"),
        ("t_s,regd_pu\n0,1\n", "two rows at least"),
        ("t_s,regd_pu\n0,1\n1,x\n", "row 2: 'x' is not a number"),
        ("t_s,regd_pu\n0,1\n,2\n", "row 2: t_s is missing"),
        ("t_s,regd_pu\n1,1\n1,2\n", "row 2: t_s must grow, is 1"),
    ],
)
def test_file_that_is_no_recording(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_rows(write(tmp_path, text), "regd_pu", None)


def test_file_is_beside_the_configuration(tmp_path):
    write(tmp_path)
    config = ReplayConfig(id="r", file="agc.csv", column="regd_pu")
    signal = create(config, clock=lambda: 0.0, links={}, base_dir=tmp_path)
    assert (signal.agc, signal.frequency) == (None, None)
    with pytest.raises(OSError, match=r"none\.csv"):
        create(
            ReplayConfig(id="r", file="none.csv", column="regd_pu"),
            clock=lambda: 0.0,
            links={},
            base_dir=tmp_path,
        )


def test_config_says_what_it_brings():
    assert ReplayConfig(id="r", file="f", column="a").brings() == ("agc",)
    both = ReplayConfig(id="r", file="f", column="a", frequency_column="b")
    assert both.brings() == ("agc", "frequency")
    assert [key for key, _ in ReplayConfig(id="r", file="f").cross_checks()] == ["column"]


ROWS = [Row(0.0, 0.1, 50.0), Row(2.0, float("nan"), 49.9), Row(4.0, 0.3, float("nan"))]


def play(loop: bool, until_s: float, late_s: float = 0.0) -> list[tuple[float, float, int]]:
    """Values with the clock at which they were given. Sleeping moves the clock."""
    clock = [1000.0]
    given = []
    signal = Replay(ReplayConfig(id="r", file="f", column="a", loop=loop), ROWS, lambda: clock[0])

    async def sleep(duration_s: float) -> None:
        clock[0] += duration_s + late_s
        if clock[0] >= 1000.0 + until_s:
            raise asyncio.CancelledError

    async def scenario():
        signal.on_agc(lambda: given.append((clock[0] - 1000.0, signal.agc.pu, signal.agc.sequence)))
        with contextlib.suppress(asyncio.CancelledError):
            await signal.run()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vppd.signals.replay.asyncio.sleep", sleep)
        run_async(scenario())
    assert signal.frequency.freq_hz in (50.0, 49.9)
    return given


def test_rows_are_given_at_their_time_and_again():
    assert play(loop=True, until_s=11.0) == [
        (0.0, 0.1, 0),
        (4.0, 0.3, 1),
        (6.0, 0.1, 2),
        (10.0, 0.3, 3),
    ]


def test_late_rows_do_not_make_the_next_ones_late():
    times = [t_s for t_s, _, _ in play(loop=True, until_s=30.0, late_s=0.5)]
    assert times == [0.0, 4.5, 6.5, 10.5, 12.5, 16.5, 18.5, 22.5, 24.5, 28.5]


def test_without_loop_the_last_value_stands():
    clock = [0.0]
    rows = [Row(0.0, 0.1, 50.0), Row(0.001, 0.3, 50.0)]
    signal = Replay(ReplayConfig(id="r", file="f", column="a"), rows, lambda: clock[0])

    async def scenario():
        clock[0] = 5.0
        task = asyncio.create_task(signal.run())
        done = asyncio.Event()
        signal.on_agc(lambda: done.set() if signal.agc.sequence == 1 else None)
        await done.wait()
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run_async(scenario())
    assert signal.agc.pu == 0.3


def test_each_frequency_is_told_and_a_row_without_one_is_not():
    rows = [Row(0.0, 0.1, 50.0), Row(0.001, 0.3, math.nan), Row(0.002, math.nan, 49.9)]
    signal = Replay(ReplayConfig(id="r", file="f", column="a"), rows, lambda: 5.0)

    async def scenario():
        told, done = [], asyncio.Event()
        signal.on_frequency(lambda: told.append(signal.frequency.freq_hz))
        signal.on_frequency(lambda: done.set() if len(told) == 2 else None)
        task = asyncio.create_task(signal.run())
        await done.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return told

    assert run_async(scenario()) == [50.0, 49.9]
