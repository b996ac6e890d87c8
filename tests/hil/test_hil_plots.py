"""Plots of crowded runs: what there is too much of is drawn together, and nothing is lost."""

import json

import numpy as np
import pytest
from hand_made import T0_S, Run

from hil import fault_marks, plots, result


def lane(run: Run, tmp_path):
    """The one lane of the faults' plot, as the page gets it, of a run that breaks no check."""
    measured = result.measure(tmp_path, run.write(tmp_path))
    measured.broken.clear()  # what a plant made by hand breaks
    (drawn,) = json.loads(plots.faults(measured).figure.to_json())["data"]
    return drawn


def test_a_few_lost_writes_are_one_mark_each(tmp_path):
    run = Run(events=[(T0_S + 5.0 + k, k % 2, "write_lost", "") for k in range(3)])
    drawn = lane(run, tmp_path)
    assert drawn["x"] == [5.0, None, 6.0, None, 7.0, None]
    assert drawn["text"] == ["bat001", None, "bat002", None, "bat001", None]
    assert set(drawn["y"]) == {"write lost (3)"}


def test_many_lost_writes_are_one_mark_a_second_with_the_first_names(tmp_path):
    count = fault_marks.POINTS_MAX + 100
    run = Run(events=[(T0_S + 0.05 * k, k % 4, "write_lost", "") for k in range(count)])
    drawn = lane(run, tmp_path)
    marks = [x for x in drawn["x"] if x is not None]
    assert marks == pytest.approx(np.arange(55.0), abs=1e-6)  # 20 a second
    assert drawn["text"][0] == "bat001, bat002, ev001, pv001 and 16 more"
    assert set(drawn["y"]) == {f"write lost ({count})"}


def test_a_fault_that_lasts_is_a_line_beside_the_marks(tmp_path):
    run = Run(
        events=[
            (T0_S + 20.0, 2, "link_outage", ""),
            (T0_S + 24.5, 2, "link_back", ""),
            (T0_S + 30.0, 2, "link_outage", ""),
            (T0_S + 30.0, 2, "link_back", ""),
        ]
    )
    drawn = lane(run, tmp_path)
    assert drawn["x"] == [20.0, 24.5, None, 30.0, None]
    assert drawn["text"] == ["ev001", "ev001", None, "ev001", None]


def test_numbers_are_plain_and_holes_are_null():
    drawn = plots.line(np.array([0.0, 1.0, 2.0]), np.array([1.23456, np.nan, np.inf]), "a", "#000")
    assert [*drawn.y] == [1.2346, None, None]
    assert drawn.y.dtype == object  # numbers would go out in base 64
