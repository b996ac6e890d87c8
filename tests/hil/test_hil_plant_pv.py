"""PV plants: curtailment, clouds and sun."""

import numpy as np
import pytest
from plant_bench import DT_S, Drive, law
from small_bench import unit

from hil.plant import pv, sky
from hil.plant.pv import PvPlants
from hil.plant.sky import Clouds, clear_sky_w_per_m2, plant_tau_s, sun_pu


def made(**changes: object) -> Drive:
    return Drive(
        [unit("sunspec_pv", **changes)],
        lambda units, index, body: PvPlants(units, index, body, DT_S, 0.0, 1),
    )


def test_it_gives_the_smaller_of_limit_and_sun():
    drive = made()
    for limit, expected in ((1.0, 0.91), (0.3, 0.3), (0.0, 0.0), (-0.5, 0.0)):
        drive.run(1.0, limit)
        assert drive.body["p_mw"][0] == pytest.approx(expected)
        assert drive.body["high_mw"][0] == pytest.approx(0.91)


def test_it_starts_with_what_the_sun_leaves():
    drive = made(available_mw=0.4)
    assert drive.body["p_mw"][0] == pytest.approx(0.4)
    drive.run(1.0, 0.82)
    assert drive.body["p_mw"][0] == pytest.approx(0.4)


@pytest.mark.parametrize(  # values of pvlib 0.16.1, clearsky.haurwitz
    ("zenith_deg", "expected"), [(0, 1035.092), (30, 888.271), (60, 487.894), (80, 135.742)]
)
def test_the_clear_sky_is_that_of_haurwitz(zenith_deg, expected):
    assert clear_sky_w_per_m2(np.cos(np.radians(zenith_deg))) == pytest.approx(expected, abs=0.001)
    assert clear_sky_w_per_m2(-0.1) == 0.0


def test_the_sun_goes_round():
    assert sun_pu(12.0) == 1.0
    assert sun_pu(9.0) == pytest.approx(sun_pu(15.0))
    assert sun_pu(6.0) == pytest.approx(0.0, abs=1e-9)
    assert sun_pu(36.0) == pytest.approx(1.0)
    drive = made(solar_time_h=9.0)
    drive.run(1.0, 1.0)
    assert drive.body["p_mw"][0] == pytest.approx(0.91 * sun_pu(9.0 + 1.0 / 3600.0), rel=1e-4)


def test_a_large_plant_smooths_more():
    # 1 ha: 50 s of cut-off period, whose 2 pi-th part is the time constant
    assert plant_tau_s(1.0 / sky.HA_PER_MW) == pytest.approx(50.0 / (2.0 * np.pi))
    assert plant_tau_s(4.0 / sky.HA_PER_MW) == pytest.approx(100.0 / (2.0 * np.pi))


def test_a_cloud_s_edge_comes_as_a_first_order_lag():
    drive = made(cloud_cover_pu=0.5, cloud_depth_pu=0.6, cloud_shadow_s=1e9)
    drive.kind._clouds.shade_pu[:] = 0.6
    drive.kind._own["shade_pu"] = 0.0
    drive.run(20.0, 1.0)
    shade = 0.6 * (1.0 - np.exp(-20.0 / plant_tau_s(1.0)))
    assert drive.body["p_mw"][0] == pytest.approx(0.91 * (1.0 - shade), rel=1e-9)
    assert law(pv.shaded)(0.0, 0.6, 1.0) == 0.0


def test_clouds_cover_what_they_should_and_stay_as_long():
    units = [unit("sunspec_pv", k, cloud_cover_pu=0.3, cloud_depth_pu=0.6, cloud_shadow_s=40.0)
             for k in range(20)]  # fmt: skip
    clouds = Clouds(units, 0.0, seed=4)
    shade = np.empty((40000, 20))
    for k in range(len(shade)):
        clouds.run_due((k + 1) * 1.0)
        shade[k] = clouds.shade_pu
    assert set(np.unique(shade)) == {0.0, 0.6}
    assert (shade > 0.0).mean() == pytest.approx(0.3, abs=0.02)
    begun = (np.diff(shade, axis=0) > 0.0).sum()
    assert (shade > 0.0).sum() / begun == pytest.approx(40.0, rel=0.05)
    apart = np.corrcoef(shade.T)[np.triu_indices(20, 1)]
    assert abs(apart.mean()) < 0.02


def test_the_seed_and_the_unit_decide_the_clouds():
    one = unit("sunspec_pv", 7, cloud_cover_pu=0.3, cloud_depth_pu=0.6)

    def agenda(seed: int, *units: object) -> list[tuple[float, int]]:
        return sorted(Clouds(units, 0.0, seed)._agenda)

    assert agenda(1, one) == agenda(1, one) != agenda(2, one)
    assert agenda(1, unit("sunspec_pv", 6), one)[0][0] == agenda(1, one)[0][0]
