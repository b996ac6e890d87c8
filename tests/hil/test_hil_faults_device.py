"""Each fault of a device: what it does, on the wire and in the plant, and that it ends."""

import math
import struct

import pytest
from small_bench import Bench, unit

from hil import recording
from hil.faults import Fault
from hil.plant.plant import FACTORY_WATCHDOG_S
from hil.recording import SetpointFlag, UnitState
from hil.wire import dnp3
from hil.wire.device import STATE_FAULT, STATE_READY, Fate
from hil.wire.loads import MAKER_A, MAKER_B, LoadRegisters
from hil.wire.sunspec import BatteryRegisters, PvRegisters

NAN = math.nan


def fault(kind, size=0.0, duration_s=60.0):
    return Fault(0.0, kind, 0, duration_s, size)


@pytest.fixture
def make(tmp_path):
    """Makes a device that follows, at rest."""
    made = []

    def one(maker="sunspec_battery", *, following=True, **changes):
        one_unit = unit(maker, **changes)
        made.append(Bench(tmp_path, one_unit))
        made[-1].device.arm(watchdog_s=one_unit.watchdog_s, fallback_mw=one_unit.fallback_mw)
        made[-1].device.follow(on=following)
        return made[-1]

    yield one
    for each in made:
        each.writer.close()


def told(made, p_mw):
    """Tell a device a setpoint; whether it takes it, and the power a second later."""
    denied = made.device.admit(p_mw)
    fate = made.device.setpoint(p_mw) if denied is None else denied
    return fate, made.run(1.0)


def flags(made, folder):
    made.writer.flush()
    return recording.read_setpoints(folder)["flags"].tolist()


def test_a_trip_is_at_once_refuses_and_says_fault_until_it_is_over(make, tmp_path):
    made = make(ramp_mw_per_s=0.5, watchdog_s=5.0)
    trip = fault("device_trip")
    for _ in range(2):
        told(made, 0.8)
    assert told(made, 0.8) == (Fate.DONE, pytest.approx(0.8))
    made.device.begin(trip)
    assert made.run(0.1) == 0.0  # no ramp
    assert made.device.state == STATE_FAULT
    soc_pu = float(made.plant.soc_pu[0])
    assert told(made, 0.5) == (Fate.REFUSED, 0.0)
    assert float(made.plant.soc_pu[0]) == pytest.approx(soc_pu, abs=5e-6)  # standby losses
    made.device.end(trip)
    assert made.device.state == STATE_READY
    assert made.run(0.1) == pytest.approx(0.05, abs=1e-6)  # by its ramp, from nothing
    assert told(made, 0.3) == (Fate.DONE, pytest.approx(0.3))
    assert flags(made, tmp_path) == [0, 0, 0, SetpointFlag.VOID, 0]


def test_a_load_trips_to_nothing_although_it_cannot_regulate_that_far(make):
    made = make("modbus_hvac")
    made.device.begin(fault("device_trip"))
    assert made.run(0.1) == 0.0
    assert made.run(5.0) == 0.0
    made.device.end(fault("device_trip"))
    assert made.run(1.0) == pytest.approx(-0.5)


def test_frozen_telemetry_stands_still_while_the_power_moves(make):
    made = make()
    told(made, 0.4)
    made.device.begin(fault("device_freeze"))
    soc_pu = made.device.reading().soc_pu
    assert told(made, 0.9) == (Fate.DONE, pytest.approx(0.9))
    made.run(60.0)
    assert made.device.reading().p_mw == pytest.approx(0.4)
    assert made.device.reading().soc_pu == soc_pu
    made.device.end(fault("device_freeze"))
    told(made, 0.9)
    assert made.device.reading().p_mw == pytest.approx(0.9)
    assert made.device.reading().soc_pu < soc_pu


def test_a_stuck_output_is_honest(make):
    made = make(watchdog_s=5.0)
    told(made, 0.4)
    made.device.begin(fault("device_stuck"))
    assert told(made, 0.9) == (Fate.DONE, pytest.approx(0.4))
    assert made.device.reading().p_mw == pytest.approx(0.4)
    assert made.run(10.0) == pytest.approx(0.4)  # its fallback does not move it either
    made.device.end(fault("device_stuck"))
    assert told(made, 0.9) == (Fate.DONE, pytest.approx(0.9))


def test_a_stuck_battery_still_protects_its_store(make):
    made = make(energy_mwh=0.01)
    told(made, 1.0)
    made.device.begin(fault("device_stuck"))
    made.run(120.0)
    assert float(made.plant.soc_pu[0]) > 0.0
    assert made.run(0.1) < 0.1


def test_an_unguarded_battery_empties_its_store_and_no_further(make):
    made = make(energy_mwh=0.01, soc_min_pu=0.1)
    made.device.begin(fault("device_unguarded"))
    for _ in range(40):
        told(made, 1.0)
    assert float(made.plant.soc_pu[0]) == 0.0
    assert made.device.reading().high_mw == 0.0  # it still says what it should not give
    assert told(made, 1.0)[1] == 0.0
    made.device.end(fault("device_unguarded"))
    assert told(made, -1.0)[1] == pytest.approx(-1.0)


def test_an_unguarded_building_leaves_its_comfort_band(make):
    guarded, unguarded = make("modbus_hvac", room_tau_s=60.0), make("modbus_hvac", room_tau_s=60.0)
    unguarded.device.begin(fault("device_unguarded"))
    for _ in range(300):
        for made in (guarded, unguarded):
            told(made, -0.08)
    comfort_k = float(guarded.plant.comfort_k[0])
    assert float(guarded.plant.room_k[0]) < comfort_k < float(unguarded.plant.room_k[0])


@pytest.mark.parametrize(
    ("kind", "size", "shown"),
    [("wrong_scale", 10.0, 4.0), ("wrong_scale", 0.1, 0.04), ("wrong_sign", 0.0, -0.4)],
)
def test_wrong_readings(make, kind, size, shown):
    made = make()
    told(made, 0.4)
    wrong = fault(f"device_{kind}", size)
    made.device.begin(wrong)
    assert made.device.reading().p_mw == pytest.approx(shown)
    assert made.device.reading().soc_pu == pytest.approx(0.5, abs=0.01)
    assert told(made, 0.5) == (Fate.DONE, pytest.approx(0.5))
    made.device.end(wrong)
    assert made.device.reading().p_mw == pytest.approx(0.5)


def test_a_scale_beyond_the_register_ends_at_its_largest_number(make):
    made = make("sunspec_pv", rated_mw=40.0, available_mw=40.0, basepoint_mw=30.0)
    registers = PvRegisters(made.device)
    place = 40000 + registers.at[701] + 10
    assert registers.read(place, 1) == [30000]
    made.device.begin(fault("device_wrong_scale", 10.0))
    assert registers.read(place, 1) == [32767]


def test_clock_steps_add_up_and_end(make):
    made = make("mqtt_ev_hub")
    first, second = fault("device_clock_step", 3600.0), fault("device_clock_step", -5.0)
    made.device.begin(first)
    made.device.begin(second)
    assert made.device.faults.clock_step_s == 3595.0
    made.device.end(first)
    made.device.end(second)
    assert made.device.faults.clock_step_s == 0.0
    assert not made.device.faults.active


def test_refused_writes_have_no_effect_whatever_they_carry(make):
    made = make("modbus_ev_hub")
    told(made, -0.4)
    made.device.begin(fault("device_refuse_writes"))
    registers = LoadRegisters(made.device, MAKER_A)
    assert registers.write(100, [*words32(9000), 0, 3]) is Fate.REFUSED
    assert registers.write(103, [3]) is Fate.REFUSED
    assert made.device.watchdog()[0] == 10.0
    assert made.device.following
    assert made.run(1.0) == pytest.approx(-0.4)
    made.device.end(fault("device_refuse_writes"))
    assert registers.write(100, words32(9000)) is Fate.DONE
    assert made.run(1.0) == pytest.approx(-0.9)


def words32(value):
    return list(struct.unpack(">HH", struct.pack(">i", value)))


def test_ignored_writes_are_taken_and_do_nothing(make, tmp_path):
    made = make("modbus_ev_hub", watchdog_s=5.0)
    told(made, -0.4)
    made.device.begin(fault("device_ignore_writes"))
    registers = LoadRegisters(made.device, MAKER_A)
    assert registers.write(100, [*words32(9000), 0, 3]) is Fate.DONE
    assert made.device.following
    assert made.device.watchdog()[0] == 5.0
    assert made.run(1.0) == pytest.approx(-0.4)
    assert registers.read(100, 2) == words32(9000)  # it even says so
    made.run(5.0)
    assert made.device.in_fallback  # nor do they feed its watchdog
    made.device.end(fault("device_ignore_writes"))
    assert registers.write(100, words32(9000)) is Fate.DONE
    assert made.run(1.0) == pytest.approx(-0.9)
    assert flags(made, tmp_path) == [0, SetpointFlag.VOID, 0]


def test_a_drift_grows_until_it_ends(make):
    made = make("modbus_ev_hub")
    made.device.begin(fault("device_drift", 0.5, duration_s=100.0))
    made.run(50.0)
    assert told(made, -0.9)[1] == pytest.approx(-0.5 - 0.4 * 0.75)
    made.run(49.0)
    assert told(made, -0.9)[1] == pytest.approx(-0.5 - 0.4 * 0.5)
    assert told(made, -0.9)[1] == pytest.approx(-0.5 - 0.4 * 0.5)  # no further
    made.device.end(fault("device_drift", 0.5, duration_s=100.0))
    assert told(made, -0.9)[1] == pytest.approx(-0.9)


def test_a_reboot_forgets_mode_setpoint_and_dead_man(make):
    made = make()
    registers = BatteryRegisters(made.device)
    block = [1, 1, *words32(5000), *words32(-1000), 0xFFFF, 0xFFFF, 1, 0, 7]
    assert registers.write(40000 + registers.at[704] + 22, block) is Fate.DONE
    assert made.run(1.0) == pytest.approx(0.5)
    assert made.device.watchdog() == (7.0, -0.1)
    made.device.begin(fault("device_reboot"))
    assert not made.device.following
    assert made.device.watchdog() == (FACTORY_WATCHDOG_S, 0.0)
    assert made.plant.state[0] == UnitState.AUTONOMOUS
    assert made.run(20.0) == pytest.approx(0.0)
    assert registers.read(40000 + registers.at[704] + 22, 4) == [0, 1, 0, 0]
    made.device.end(fault("device_reboot"))
    assert made.run(1.0) == pytest.approx(0.0)


def test_a_device_that_wakes_with_its_old_setpoint_follows_it_until_its_watchdog(make, tmp_path):
    made = make(watchdog_s=5.0)
    told(made, 0.8)
    made.device.begin(fault("device_old_setpoint"))
    assert made.run(6.0) == pytest.approx(0.0)
    assert made.device.in_fallback
    made.device.end(fault("device_old_setpoint"))
    assert made.run(1.0) == pytest.approx(0.8)
    assert made.plant.state[0] == UnitState.FOLLOW
    assert made.run(5.0) == pytest.approx(0.0)
    assert made.device.in_fallback
    assert flags(made, tmp_path) == [0]  # nobody told it to


def test_a_device_that_nobody_has_taken_has_no_old_setpoint(make):
    made = make(following=False)
    made.device.begin(fault("device_old_setpoint"))
    made.device.end(fault("device_old_setpoint"))
    made.run(1.0)
    assert made.plant.state[0] == UnitState.AUTONOMOUS


def test_faults_of_one_kind_overlap_and_the_last_one_ends_it(make):
    made = make()
    short, long = fault("device_trip", duration_s=5.0), fault("device_trip", duration_s=9.0)
    made.device.begin(short)
    made.device.begin(long)
    made.device.end(short)
    assert made.device.faults.tripped
    made.device.end(long)
    assert not made.device.faults.active
    made.device.end(long)  # once more: nothing happens
    assert told(made, 0.2) == (Fate.DONE, pytest.approx(0.2))


@pytest.mark.parametrize("maker", ["sunspec_battery", "sunspec_pv"])
def test_sunspec_says_that_a_reading_is_not_there_and_that_it_tripped(make, maker):
    made = make(maker)
    registers = (BatteryRegisters if maker == "sunspec_battery" else PvRegisters)(made.device)

    def word(model, offset, count=1):
        return registers.read(40000 + registers.at[model] + offset, count)

    before = word(701, 10)
    made.device.begin(fault("device_nan"))
    assert word(701, 10) == [0x8000]
    if maker == "sunspec_battery":
        assert word(713, 4) == [0xFFFF]
    else:
        assert word(64901, 2, 2) == [0xFFFF, 0xFFFF]
    made.device.end(fault("device_nan"))
    assert word(701, 10) == before
    assert (word(701, 3), word(701, 5)) == ([1], [1])
    made.device.begin(fault("device_trip"))
    assert (word(701, 3), word(701, 5), word(701, 6, 2)) == ([0], [0], [0, 4])
    made.device.end(fault("device_trip"))
    assert (word(701, 3), word(701, 5), word(701, 6, 2)) == ([1], [1], [0, 0])


def test_maker_b_says_nan_and_both_makers_say_fault(make):
    made = make("modbus_hvac")
    registers = LoadRegisters(made.device, MAKER_B)
    made.device.begin(fault("device_nan"))
    low, high = registers.read(210, 2)
    assert math.isnan(struct.unpack(">f", struct.pack(">HH", high, low))[0])
    made.device.end(fault("device_nan"))
    made.device.begin(fault("device_trip"))
    assert registers.read(201, 1) == [STATE_FAULT]


def test_dnp3_points_say_nan_fault_and_hardware_error(make):
    made = make("dnp3_industrial")
    points = dnp3.LoadPoints(made.device, dnp3.INDUSTRIAL)
    made.device.begin(fault("device_nan"))
    assert math.isnan(points.measured()[0])
    assert points.measured()[3] == STATE_READY
    made.device.begin(fault("device_trip"))
    assert points.measured()[3] == STATE_FAULT
    assert [status.name for status in points.command({0: 500.0, 1: 1.0})] == ["HARDWARE_ERROR"] * 2
    assert not points.swallowed


def test_a_rebooted_outstation_sets_its_restart_bit_again(make):
    made = make("dnp3_industrial")
    outstation = dnp3.Outstation(
        made.device, dnp3.INDUSTRIAL, made.device.link.rng, (0.0, 0.0), lambda _: None
    )
    before = outstation.session
    made.device.begin(fault("device_reboot"))
    assert outstation.session is not before
