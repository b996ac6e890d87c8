"""The checker of exclusion bands: what lies inside is on its way across."""

import pytest
from checked_bench import HVAC, SECONDS, Scene
from test_hil_checkers_setpoints import send

from hil.checkers import band

LOW_MW, HIGH_MW, RAMP_MW_PER_S = -0.7, -0.3, 0.05  # crossed in 8 s
STEP_MW = 0.05


def scene(first_s: int, path_mw: list[float]) -> Scene:
    """A site below its band that goes along a path, and stays at the end of it."""
    made = Scene(
        units={
            "dnp3_hvac": {
                "band_lower_mw": LOW_MW, "band_upper_mw": HIGH_MW, "ramp_mw_per_s": RAMP_MW_PER_S,
            }
        }
    )  # fmt: skip
    whole = [-0.8] * first_s + path_mw + [path_mw[-1]] * SECONDS
    for k in range(SECONDS):
        send(made, k, HVAC, whole[k])
    return made


def across(pause: list[float] | None = None) -> list[float]:
    """From below the band to above it, as fast as the ramp allows; with a pause in its middle."""
    up = [round(-0.7 + STEP_MW * k, 3) for k in range(9)]
    return [*up[:5], *(pause or []), *up[5:], -0.25]


def hold(made: Scene, first: int, end: int, why: str) -> Scene:
    """Let the site be out of the split for some ticks."""
    made.out += [(k, HVAC, why) for k in range(first, end)]
    return made


def say(made: Scene, tmp_path) -> list[str]:
    found = band.check(made.evidence(tmp_path))
    assert found.checked
    return [v.what for v in found.violations]


def test_a_unit_that_crosses(tmp_path):
    assert say(scene(20, across()), tmp_path) == []


@pytest.mark.parametrize(("seconds", "found"), [(2, []), (5, [band.STANDS])])
def test_a_unit_that_is_told_to_stand_inside(tmp_path, seconds, found):
    assert say(scene(20, across([-0.5] * seconds)), tmp_path) == found


@pytest.mark.parametrize("why", ["UNREACHABLE", "TELEMETRY_AGE", "REFUSED"])
def test_time_in_which_nobody_can_move_it_does_not_count(tmp_path, why):
    made = scene(20, across([-0.5] * 7))
    assert say(made, tmp_path) == [band.STANDS]
    assert say(hold(made, 25, 32, why), tmp_path) == []


def test_a_unit_that_turns_back(tmp_path):
    back = [-0.65, -0.6, -0.55, -0.6, -0.65, -0.75]
    assert say(scene(20, back), tmp_path) == [band.TURNS]


def test_what_it_accepted_last_told_again_is_no_turn(tmp_path):
    """Nothing is read of it, and nobody knows whether it took the last step."""
    made = scene(20, across([-0.55, -0.55]))
    assert say(made, tmp_path) == [band.TURNS]
    assert say(hold(made, 25, 27, "TELEMETRY_AGE"), tmp_path) == []


def test_a_unit_that_fell_back_begins_anew(tmp_path):
    made = scene(20, [-0.65, -0.6, -0.55, -0.6, -0.65, -0.75])
    assert say(hold(made, 23, 24, "FALLBACK"), tmp_path) == []
