"""From a scenario and a seed to concrete faults: the same for the same seed, at the rates asked."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_bench import unit

from hil.faults import Fault, constant_outages, fault, schedule
from hil.scenario import EventConfig, FaultsConfig, RandomFaultConfig, load
from hil.scenario.fault_kinds import FAULT_KINDS, UNIT

MAKERS = ("sunspec_battery", "modbus_ev_hub", "mqtt_ev_hub", "dnp3_industrial")
UNITS = [unit(MAKERS[i % 4], i) for i in range(40)]
HOUR_S = 3600.0


def scenario(seed=1, duration_s=HOUR_S, **lists):
    return replace(load("zhejiang"), seed=seed, duration_s=duration_s, **lists)


def events(*configs, seed=1):
    return schedule(scenario(seed, events=configs), UNITS)


def at_random(*configs, seed=1, duration_s=HOUR_S):
    return schedule(scenario(seed, duration_s, random_faults=configs), UNITS)


def test_an_event_of_named_units_is_one_fault_each():
    ids = (UNITS[5].id, UNITS[2].id)
    assert events(EventConfig(10.0, "link_hang", 20.0, units=ids)) == (
        Fault(10.0, "link_hang", 2, 30.0),
        Fault(10.0, "link_hang", 5, 30.0),
    )


def test_a_cut_is_an_outage_and_what_meets_no_unit_meets_nobody():
    found = events(
        EventConfig(5.0, "link_cut", 10.0, units=(UNITS[3].id,), how="silent"),
        EventConfig(6.0, "agc_cut", 10.0),
        EventConfig(7.0, "wire_kill", 10.0, process=2),
        EventConfig(8.0, "daemon_kill", 10.0),
    )
    assert found == (
        Fault(5.0, "link_outage", 3, 15.0, how="silent"),
        Fault(6.0, "agc_cut", -1, 16.0, how="closed"),
        Fault(7.0, "wire_kill", -1, 17.0, process=2),
        Fault(8.0, "daemon_kill", -1, 18.0),
    )
    assert [each.back for each in found] == [
        "link_back",
        "agc_back",
        "wire_back",
        "daemon_kill_back",
    ]
    assert [each.detail for each in found] == [
        "silent, 10.0 s",
        "closed, 10.0 s",
        "process 2",
        "10.0 s",
    ]


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (EventConfig(0.0, "link_latency", share_pct=1.0, delay_ms=250.0), 0.25),
        (EventConfig(0.0, "link_loss", share_pct=1.0, probability_pct=5.0), 0.05),
        (EventConfig(0.0, "link_loss", share_pct=1.0), 0.2),  # its default
        (EventConfig(0.0, "device_wrong_scale", share_pct=1.0, factor=0.1), 0.1),
        (EventConfig(0.0, "host_clock_jump", step_s=-60.0), -60.0),
        (EventConfig(0.0, "signal_spike", pu=-0.5), -0.5),
        (EventConfig(0.0, "host_memory_pressure", size_mb=64.0), 64.0),
    ],
)
def test_the_number_of_a_fault_is_in_si_units(config, size):
    (found,) = events(config)
    assert found.size == pytest.approx(size)


def test_a_share_is_drawn_from_the_seed_out_of_those_that_can_have_it():
    half = EventConfig(0.0, "device_freeze", share_pct=50.0)
    first, again, other = (events(half, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len(other) == 20
    hubs = events(EventConfig(0.0, "link_hang", share_pct=100.0, of="ev_hub"))
    assert {UNITS[f.unit].kind for f in hubs} == {"ev_hub"}
    assert len(hubs) == 20
    one = events(EventConfig(0.0, "link_hang", share_pct=0.01, of="dnp3"))
    assert [UNITS[f.unit].protocol for f in one] == ["dnp3"]  # not none
    clocks = events(EventConfig(0.0, "device_clock_step", share_pct=100.0))
    assert {UNITS[f.unit].maker for f in clocks} == {"mqtt_ev_hub"}
    absent = events(EventConfig(0.0, "device_nan", share_pct=100.0))
    assert len(absent) == 30
    assert "modbus_ev_hub" not in {UNITS[f.unit].maker for f in absent}


def test_two_events_of_one_kind_draw_their_own_units():
    draw = EventConfig(0.0, "link_hang", share_pct=30.0)
    first, second = (
        {f.unit for f in events(draw, replace(draw, at_s=50.0)) if f.at_s == at_s}
        for at_s in (0.0, 50.0)
    )
    assert first != second


KINDS = sorted(kind for kind in FAULT_KINDS if kind not in ("link_cut", "agc_cut", "wire_kill"))


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32),
    rate=st.floats(0.1, 200.0),
    window=st.tuples(st.floats(0.0, 500.0), st.floats(501.0, 2000.0)),
    durations=st.tuples(st.floats(0.1, 10.0), st.floats(10.0, 100.0)),
    by_unit=st.booleans(),
)
def test_random_faults_are_the_seed_s_by_time_and_within_their_window(
    kind, seed, rate, window, durations, by_unit
):
    key = "per_unit_hour" if by_unit and FAULT_KINDS[kind].meets == UNIT else "per_hour"
    config = RandomFaultConfig(
        kind, duration_s=durations, from_s=window[0], until_s=window[1], **{key: rate}
    )
    made = scenario(seed, 1000.0, random_faults=(config,))
    found = schedule(made, UNITS)
    assert found == schedule(made, UNITS) == tuple(sorted(found))
    end_s = min(window[1], 1000.0)
    for each in found:
        assert window[0] - 1e-3 <= each.at_s <= each.until_s <= end_s + 1e-3
        assert each.duration_s <= durations[1] + 2e-3
        assert (each.unit >= 0) == (FAULT_KINDS[kind].meets == UNIT)
    by_one = {}
    for each in found:
        if key == "per_unit_hour":  # one unit has a kind once at a time
            assert each.at_s >= by_one.get(each.unit, 0.0)
            by_one[each.unit] = each.until_s


def test_other_seeds_give_other_faults():
    config = RandomFaultConfig("link_hang", per_unit_hour=1.0)
    assert len({at_random(config, seed=seed) for seed in range(20)}) == 20


def test_rates_are_met():
    hours, seeds = 2.0, range(20)
    by_unit = RandomFaultConfig("link_hang", per_unit_hour=6.0, duration_s=(30.0, 90.0))
    found = [f for s in seeds for f in at_random(by_unit, seed=s, duration_s=hours * HOUR_S)]
    unit_hours = hours * len(seeds) * len(UNITS)
    away_h = sum(f.duration_s for f in found) / HOUR_S
    assert len(found) / (unit_hours - away_h) == pytest.approx(6.0, rel=0.03)
    assert sum(f.duration_s for f in found) / len(found) == pytest.approx(60.0, rel=0.03)
    of_plant = RandomFaultConfig("device_trip", per_hour=60.0, of="battery")
    hits = [f for s in seeds for f in at_random(of_plant, seed=s, duration_s=hours * HOUR_S)]
    assert len(hits) / (hours * len(seeds)) == pytest.approx(60.0, rel=0.05)
    assert {UNITS[f.unit].kind for f in hits} == {"battery"}


def test_the_number_of_a_random_fault_is_drawn_between_two():
    config = RandomFaultConfig("link_latency", per_unit_hour=10.0, delay_ms=(200.0, 400.0))
    sizes = [f.size for f in at_random(config)]
    assert min(sizes) >= 0.2
    assert max(sizes) <= 0.4
    assert max(sizes) - min(sizes) > 0.15


def test_a_schedule_is_written_and_read_back(tmp_path):
    found = at_random(RandomFaultConfig("link_latency", per_unit_hour=3.0))
    fault.write(found, tmp_path / "faults.json")
    assert fault.read(tmp_path / "faults.json") == found
    assert fault.read(tmp_path / "none.json") == ()


def test_instants_can_be_those_of_a_clock():
    assert Fault(2.0, "link_hang", 1, 5.0).after(1000.0) == Fault(1002.0, "link_hang", 1, 1005.0)


def test_constant_outages_are_faults_too():
    found = constant_outages(4, 100, FaultsConfig(offline_pct=5.0), 5000.0)
    assert (
        found
        == tuple(sorted(found))
        == constant_outages(4, 100, FaultsConfig(offline_pct=5.0), 5000.0)
    )
    assert {f.kind for f in found} == {"link_outage"}
    assert {f.how for f in found} == {"silent", "closed"}
    assert max(f.at_s for f in found) < 5000.0
    down_s = sum(min(f.until_s, 5000.0) - f.at_s for f in found)
    assert down_s / (100 * 5000.0) == pytest.approx(0.05, rel=0.1)
    assert constant_outages(4, 100, FaultsConfig.none(), 5000.0) == ()
