"""AGC over MQTT: messages as the TSO sends them, and the report it gets."""

import asyncio
import contextlib
import json
import math

import pytest
from brokers import MqttBroker
from helpers import run_async, until
from mqtt_peers import MqttPeer, linked

from vppd.core.types import Mode, Quality
from vppd.signals.base import PlantReport, PromiseReport
from vppd.signals.mqtt_agc import MqttSignal, MqttSignalConfig

T0_UTC = 1_790_000_000.0
CONFIG = MqttSignalConfig(id="tso", link="m")
REPORT = PlantReport(
    p_meas_mw=-12.5,
    headroom_mw=30.0,
    footroom_mw=20.25,
    regulation_capacity_up_mw=80.0,
    regulation_capacity_down_mw=70.0,
    mode=Mode.REGULATING,
    quality=Quality.ONLINE,
    unserved_mw=0.0,
    agc_pu=math.nan,
    units_online=208,
    promise=PromiseReport(
        capacity_up_mw=75.5,
        capacity_down_mw=math.nan,
        s=(1.0, 300.0, 900.0, 1800.0),
        up_mw=(20.0, 80.0, 75.5, math.nan),
        down_mw=(21.0, 81.0, 76.0, 61.0),
        firm_up_mw=(10.0, 70.0, 65.0, 50.0),
        firm_down_mw=(11.0, 71.0, 66.0, 0.0),
    ),
)


class Wire:
    """A TopicLink without a broker."""

    def __init__(self) -> None:
        self.sent = []
        self.say = None

    def publish(self, topic, payload, **keys) -> bool:
        self.sent.append((topic, json.loads(payload), keys))
        return False

    def subscribe(self, topic, listener) -> None:
        assert topic == "vppd/agc"
        self.say = lambda payload, retained=False: listener(topic, payload, retained)


def signal() -> tuple[Wire, MqttSignal]:
    wire = Wire()
    return wire, MqttSignal(CONFIG, wire, lambda: 50.0, wall=lambda: T0_UTC + 0.25)


def test_agc_with_its_sequence_and_age():
    wire, tso = signal()
    told = []
    tso.on_agc(lambda: told.append(tso.agc))
    wire.say(b'{"pu": 0.5, "seq": 12, "t": 1790000000.0}')
    (agc,) = told
    assert (agc.pu, agc.sequence, agc.received_s, agc.quality) == (0.5, 12, 50.0, Quality.ONLINE)
    assert agc.transit_s == pytest.approx(0.25)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"0.5",
        b'{"pu": 0.5, "seq": 12}',
        b'{"pu": NaN, "seq": 12, "t": 1.0}',
        b'{"pu": 1e999, "seq": 12, "t": 1.0}',
        b'{"pu": "0.5", "seq": 12, "t": 1.0}',
        b'{"pu": true, "seq": 12, "t": 1.0}',
        b'{"pu": 0.5, "seq": 1.5, "t": 1.0}',
        b"[" * 3000,
        b"\xff",
    ],
    ids=range(10),
)
def test_malformed_message_is_counted_and_ignored(payload):
    wire, tso = signal()
    told = []
    tso.on_agc(lambda: told.append(1))
    wire.say(payload)
    wire.say(payload)
    assert (tso.agc, told, tso.counts["malformed"]) == (None, [], 2)


def test_retained_value_is_ignored():
    wire, tso = signal()
    wire.say(b'{"pu": 0.5, "seq": 12, "t": 1790000000.0}', True)
    assert tso.agc is None
    assert tso.counts["retained"] == 1


def test_a_late_duplicate_does_not_take_the_place_of_the_newest_value():
    wire, tso = signal()
    wire.say(b'{"pu": 0.5, "seq": 12, "t": 1790000000.0}')
    wire.say(b'{"pu": 0.1, "seq": 11, "t": 1790000000.0}')
    assert (tso.agc.pu, tso.counts["overtaken"]) == (0.5, 1)


def test_a_tso_that_counts_anew_reaches_the_core():
    wire = Wire()
    now = [50.0]
    tso = MqttSignal(CONFIG, wire, lambda: now[0], wall=lambda: T0_UTC + 0.25)
    wire.say(b'{"pu": 0.5, "seq": 12, "t": 1790000000.0}')
    now[0] = 52.0
    wire.say(b'{"pu": 0.1, "seq": 1, "t": 1790000000.0}')
    assert (tso.agc.pu, tso.agc.sequence) == (0.1, 1)


def test_report_has_null_for_what_is_not_known():
    wire, tso = signal()
    tso.publish(REPORT)
    ((topic, message, keys),) = wire.sent
    assert topic == "vppd/report"
    assert message == {
        "p_meas_mw": -12.5,
        "headroom_mw": 30.0,
        "footroom_mw": 20.25,
        "mode": "regulating",
        "quality": "online",
        "unserved_mw": 0.0,
        "agc_pu": None,
        "units_online": 208,
        "capacity_up_mw": 75.5,
        "capacity_down_mw": None,
        "promise_s": [1.0, 300.0, 900.0, 1800.0],
        "promise_up_mw": [20.0, 80.0, 75.5, None],
        "promise_down_mw": [21.0, 81.0, 76.0, 61.0],
        "promise_firm_up_mw": [10.0, 70.0, 65.0, 50.0],
        "promise_firm_down_mw": [11.0, 71.0, 66.0, 0.0],
        "t": T0_UTC + 0.25,
    }
    assert keys == {"expiry_s": 5.0}


def test_over_a_real_broker(tmp_path):
    async def scenario():
        async with MqttBroker(tmp_path) as broker, MqttPeer(broker.port, "vppd/report") as peer:
            old = json.dumps({"pu": -1.0, "seq": 1, "t": T0_UTC})
            await peer.publish("vppd/agc", old, retain=True)
            async with linked(broker.port) as link:
                loop = asyncio.get_running_loop()
                tso = MqttSignal(CONFIG, link, loop.time)
                await tso.bind()
                task = asyncio.create_task(tso.run())
                await until(lambda: tso.counts["retained"] == 1)
                await peer.publish("vppd/agc", json.dumps({"pu": 0.5, "seq": 2, "t": T0_UTC}))
                await until(lambda: tso.agc is not None)
                assert (tso.agc.pu, tso.agc.sequence) == (0.5, 2)
                tso.publish(REPORT)
                await until(lambda: peer.seen)
                assert json.loads(peer.seen[0].payload)["p_meas_mw"] == -12.5
                assert (peer.seen[0].expiry_s, peer.seen[0].retain) == (5, False)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    run_async(scenario())
