"""The live screen, the lines without a terminal, and the scorecard."""

import io
import re

import pytest
from rich.console import Console

from hil import scenario
from hil.braille import Canvas, Series, nice_range, plot
from hil.screen import Screen, scorecard
from hil.tiles import counted, number


def console(*, terminal: bool, width: int = 110, height: int = 32) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=width, height=height, color_system=None
    )


def text_of(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


@pytest.fixture(scope="module")
def zhejiang() -> scenario.Scenario:
    return scenario.load("zhejiang")


def frame(t_s: float, error_mw: float = 0.0) -> dict:
    return {
        "phase": "",
        "t_s": t_s,
        "signal_pu": 0.5,
        "request_mw": 7.6,
        "plant_mw": 7.6 + error_mw,
        "unserved_mw": 0.0,
        "by_kind": {"battery": 38.0, "ev_hub": -6.5},
        "tick_us": {"p50": 161.0, "p99": 480.0},
        "lateness_ms": {"p50": 0.2, "p99": 1.25},
        "missed_ticks": 0,
        "mode": "REGULATING",
        "units_online": 208,
        "units_total": 210,
        "benched": [{"id": "ev007", "reason": "UNREACHABLE"}],
    }


def test_without_a_terminal_there_is_a_line_each_ten_seconds(zhejiang):
    where = console(terminal=False)
    with Screen(zhejiang, 60.0, where) as screen:
        screen.update({"phase": "compiling kernels"})
        screen.update({"phase": "compiling kernels"})
        for k in range(61):
            screen.update(frame(k * 0.5))
    lines = text_of(where).splitlines()
    assert lines[0] == "compiling kernels"
    assert [line.split()[0] for line in lines[1:]] == ["0", "10", "20", "30"]
    assert "request    7.60 MW" in lines[2]
    assert "tick p50  161 p99  480 µs" in lines[2]
    assert "units 208/210" in lines[2]
    assert "! ev007 UNREACHABLE" in lines[2]
    assert "\x1b" not in text_of(where)


def test_accuracy_runs_by_time_and_leaves_out_the_start(zhejiang):
    screen = Screen(zhejiang, 60.0, console(terminal=False))
    for t_s in range(15):
        screen.update(frame(t_s, error_mw=40.0))
    assert "accuracy      – %" in screen.line()
    for t_s in (15.0, 16.0):
        screen.update(frame(t_s))
    screen.update(frame(19.0, error_mw=8.0))  # three seconds of 10 % beside one without error
    assert "accuracy  92.50 %" in screen.line()


def test_values_stay_until_they_change(zhejiang):
    screen = Screen(zhejiang, 60.0, console(terminal=False))
    screen.update(frame(1.0))
    screen.update({"t_s": 2.0, "missed_ticks": 3})
    assert "REGULATING" in screen.line()
    assert screen.alarms() == ["3 missed ticks", "ev007 UNREACHABLE"]


def test_the_terminal_gets_a_screen_and_gives_it_back(zhejiang):
    where = console(terminal=True)
    with Screen(zhejiang, 60.0, where) as screen:
        screen.update(frame(1.0))
    assert text_of(where).startswith("\x1b[?1049h")
    assert "\x1b[?1049l" in text_of(where)


def test_an_error_gives_the_terminal_back(zhejiang):
    where = console(terminal=True)
    with pytest.raises(KeyboardInterrupt), Screen(zhejiang, 60.0, where):
        raise KeyboardInterrupt
    assert "\x1b[?1049l" in text_of(where)


@pytest.mark.parametrize(("width", "height"), [(140, 50), (80, 24), (50, 14)])
def test_the_screen_fits_any_terminal(zhejiang, width, height):
    where = console(terminal=False, width=width, height=height)
    screen = Screen(zhejiang, 120.0, where)
    for k in range(200):
        screen.update(frame(k * 0.5, error_mw=k % 7))
    drawn = console(terminal=False, width=width, height=height)
    drawn.print(screen.draw(width, height), height=height)
    lines = text_of(drawn).rstrip("\n").splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert re.search(r"[\u2801-\u28ff]", text_of(drawn))


def test_the_screen_shows_what_matters(zhejiang):
    screen = Screen(zhejiang, 60.0, console(terminal=False))
    screen.update(frame(20.0, error_mw=-1.5))
    screen.update(frame(21.0, error_mw=-1.5))
    where = console(terminal=False)
    where.print(screen.draw(110, 32), height=32)
    shown = text_of(where)
    assert "-1.50 MW" in shown
    assert "98.12 %" in shown
    assert "161/480 µs" in shown
    assert "+38.0" in shown
    assert "ev007 UNREACHABLE" in shown
    assert "alarms (1)" in shown
    assert "21 of 60 s" in shown


@pytest.mark.parametrize("width", [80, 110])
def test_the_head_tells_all_while_starting(zhejiang, width):
    now_s = iter((100.0, 107.0))
    screen = Screen(zhejiang, 60.0, console(terminal=False), clock=lambda: next(now_s))
    screen.update({"phase": "waiting until the daemon has taken over the units"})
    where = console(terminal=False, width=width, height=24)
    where.print(screen.draw(width, 24), height=24)
    head = text_of(where).splitlines()[:3]
    assert "210 DERs of 175 MW follow a RegD-like AGC signal" in head[0]
    assert "waiting until the daemon has taken over the units …" in head[1]
    assert "7 s" in head[1]


def test_nothing_is_minus_zero(zhejiang):
    screen = Screen(zhejiang, 60.0, console(terminal=False))
    screen.update({**frame(1.0, error_mw=-0.001), "by_kind": {"battery": -0.01}})
    where = console(terminal=False)
    where.print(screen.draw(110, 32), height=32)
    assert re.search(r"[-+]?0\.00? ", text_of(where))
    assert not re.search(r"-0\.0+\b", text_of(where))
    assert (number(-0.001, 2), number(-0.4, 0), number(-1.0)) == ("0.00", "0", "-1.0")


def test_things_are_counted_in_english():
    assert [counted(n, "unit") for n in (0, 1, 2)] == ["0 units", "1 unit", "2 units"]


def test_many_alarms_are_counted(zhejiang):
    screen = Screen(zhejiang, 60.0, console(terminal=False))
    benched = [{"id": f"ev{k:03d}", "reason": "UNREACHABLE"} for k in range(30)]
    screen.update({**frame(20.0), "benched": benched})
    where = console(terminal=False)
    where.print(screen.draw(110, 32), height=32)
    assert "… and 24 more" in text_of(where)


def test_the_canvas_sets_the_dots_of_a_line():
    canvas = Canvas(2, 1, (0.0, 3.0), (0.0, 3.0))
    canvas.line(Series([(0.0, 0.0), (3.0, 3.0)], "red"))
    # dots (0, 3) and (1, 2) of the first cell, (2, 1) and (3, 0) of the second
    assert canvas.rows()[0].plain == chr(0x2800 + 0x40 + 0x20) + chr(0x2800 + 0x02 + 0x08)


def test_a_gap_in_the_data_is_a_gap_in_the_plot():
    canvas = Canvas(3, 1, (0.0, 5.0), (0.0, 1.0))
    canvas.line(Series([(0.0, 0.0), (1.0, float("nan")), (5.0, 0.0)], "red"))
    assert canvas.rows()[0].plain[1] == " "


def test_ranges_are_round_and_never_empty():
    assert nice_range([-113.0, 47.0], 4.0) == (-120.0, 50.0)
    assert nice_range([float("nan")], 4.0) == (-2.0, 2.0)
    assert plot(40, 4, (0.0, 1.0), [Series([], "red")], 4.0)[0].plain.strip().startswith("2│")


def test_the_scorecard_says_what_was_missed(zhejiang):
    spread = {"p50": 80.0, "p99": 180.0, "max": 190.0}
    result = {
        "scenario": "zhejiang",
        "seed": 1,
        "duration_s": 120.0,
        "fleet": {"resources": 210, "capacity_mw": 175.0},
        "tracking": {
            "basis_mw": 80.0,
            "skipped_s": 60.0,
            "accuracy_pct": 99.123,
            "mae_mw": 0.7,
            "rate_mw_per_min": None,
            "china": None,
            "pjm": None,
        },
        "limits": {"checked": 25000, "violations": 0, "unexplained": 0},
        "timing": {
            "signal_to_last_setpoint_ms": spread,
            "tick_us": spread,
            "lateness_ms": spread,
            "missed_ticks": 0,
        },
        "process": {"rss_mb": 181.0, "cpu_pct": 30.0, "startup_s": 2.0},
        "journal": {"ticks": 120, "replay_bit_exact": True, "chain_ok": True},
        "faults": {"injected": 1, "kinds": {"agc_cut": 1}},
        "notes": {"tracking.pjm": "the run is shorter than 15 minutes"},
    }
    where = console(terminal=False, width=120)
    where.print(scorecard(result, zhejiang.acceptance))
    shown = text_of(where)
    assert re.search(r"Signal to last setpoint\s+180 ms p99\s+✗ must be ≤ 150", shown)
    assert re.search(r"Limit violations\s+0\s+✓ ≤ 0", shown)
    assert re.search(r"Tracking accuracy\s+99\.12 %", shown)
    assert "not measured: tracking.pjm (see notes in result.json)" in shown
    assert "1 agc cut" in shown
    assert "of 80 MW, without the first 60 s" in shown
    narrow = console(terminal=False, width=80)
    narrow.print(scorecard(result, zhejiang.acceptance))
    lines = text_of(narrow).splitlines()
    assert len(lines) <= 21  # and the report's path, and a prompt, on 24 lines
    assert max(map(len, lines)) <= 80
