"""`vppd explain` names the groups whose limits bind, and the units that they hold."""

import json

import numpy as np
from builders import image as core_image
from builders import params as core_params
from test_journal_explain import write

from vppd.core.types import Policy
from vppd.runtime.explain import explained

FEEDER = {
    "group_ids": ("site", "feeder", "other"),
    "group_parent": np.array([-1, 0, -1]),
    "group_lower_mw": np.array([-np.inf, -2.0, -50.0]),
    "group_upper_mw": np.array([20.0, 3.0, 50.0]),
    "unit_group": np.array([1, 1, 0]),
}


def recorded(folder, agc_pu, **changes):
    params = core_params(policy=Policy.EXACT, **(FEEDER | changes))
    write(folder, params, [core_image(3, tick=k, now_s=100.0 + k, agc_pu=agc_pu) for k in range(9)])


def document(folder, der=None):
    return json.loads(explained(folder, "#8", der, as_json=True)[0])


def test_a_group_that_binds_is_named_with_its_side_and_its_units(tmp_path):
    recorded(tmp_path, 0.6)  # 12 MW from three alike: 3 from the feeder's two, 9 from the third
    found = document(tmp_path)
    site, feeder, other = found["groups"]
    assert (feeder["id"], feeder["parent"], feeder["units"]) == ("feeder", "site", 2)
    assert feeder["side"] == "upper"
    assert abs(feeder["sum_mw"] - 3.0) < 1e-6
    assert (site["side"], site["units"], site["lower_mw"]) == ("free", 3, None)
    assert (other["side"], other["units"], other["sum_mw"]) == ("free", 0, 0.0)
    assert [unit["bound_by"] for unit in found["units"]] == [["feeder"], ["feeder"], []]
    assert [unit["held_by"] for unit in found["units"]] == ["GROUP", "GROUP", "NONE"]
    text = explained(tmp_path, "#8", None, as_json=False)[0]
    assert "its upper limit of 3.000 MW" in text
    assert "2 groups within their limits" in text
    one = explained(tmp_path, "#8", found["units"][0]["id"], as_json=False)[0]
    assert "group      feeder: 2 units together 3.000 MW, its upper limit of 3.000 MW" in one


def test_the_lower_side_and_both_levels_are_told(tmp_path):
    upper = np.array([20.0, 3.0, 50.0])
    recorded(tmp_path, -0.6, group_lower_mw=np.array([-8.0, -2.0, -50.0]), group_upper_mw=upper)
    found = document(tmp_path)
    assert [group["side"] for group in found["groups"]] == ["lower", "lower", "free"]
    assert [unit["bound_by"] for unit in found["units"]] == [
        ["feeder", "site"], ["feeder", "site"], ["site"],
    ]  # fmt: skip


def test_without_groups_nothing_is_said_of_them(tmp_path):
    write(tmp_path, core_params(), [core_image(3, tick=k, now_s=100.0 + k) for k in range(9)])
    assert document(tmp_path)["groups"] == []
    assert "group" not in explained(tmp_path, "#8", None, as_json=False)[0]
