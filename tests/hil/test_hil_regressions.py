"""Seeds that failed once do not fail again.

Each file of `tests/regressions/` is a scenario that a campaign wrote for a seed that failed. Drop a
new one there when what it found is mended; this runs it in virtual time.
"""

from pathlib import Path

import pytest

from hil.campaign import plan as plans
from hil.campaign.plan import NONE, Job
from hil.campaign.seed import SeedRunner

FOLDER = Path(__file__).parents[1] / "regressions"


def reasons(path, out):
    """Why the seed of a file fails, if it does."""
    plan = plans.load(str(path))
    return [reason.text for reason in SeedRunner(plan, out)(Job(plan.scenario.seed, NONE)).reasons]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_seed_that_failed_is_good_now(path, tmp_path):
    assert reasons(path, tmp_path) == []


def test_a_seed_that_fails_is_told(tmp_path):
    path = tmp_path / "lame.yaml"
    path.write_text(
        "extends: storm\nduration_s: 16\nrandom_faults: []\n"
        "acceptance: {tracking.accuracy_pct: {minimum: 100}}\n"
    )
    (told,) = reasons(path, tmp_path)
    assert "is under its limit 100 by" in told
