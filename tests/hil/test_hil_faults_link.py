"""Each fault of a link: what becomes of messages by it, and that it ends. In virtual time."""

import asyncio
import json
import random
import struct

import pytest
from small_bench import Bench, unit

from hil.faults import Fault
from hil.faults.link import LinkState
from hil.sim.loop import VirtualLoop, run
from hil.wire import mqtt
from hil.wire.dnp3 import garbled as garbled_dnp3
from hil.wire.line import Line
from hil.wire.loads import MAKER_A, LoadRegisters
from hil.wire.modbus import MBAP, ModbusConnection
from hil.wire.modbus import garbled as garbled_modbus


def fault(kind, size=0.0):
    return Fault(0.0, f"link_{kind}", 0, 60.0, size)


def spoil(message, _):
    return b"?" + message


class Way:
    """A line that carries messages one after the other; what arrived, and when."""

    def __init__(self, *faults, reply=False, latency_s=(0.02, 0.08)):
        self.loop = VirtualLoop(100.0)
        self.link = LinkState(seed=1, unit=2)
        for each in faults:
            self.link.begin(each)
        self.arrived = []
        self.line = Line(
            self.loop, random.Random(1), latency_s,
            lambda message: self.arrived.append((self.loop.time() - 100.0, message)),
            self.loop.time, faults=self.link, garble=spoil if reply else None,
        )  # fmt: skip

    def send(self, count, *, every_s=0.0, message=b"abcd"):
        async def work():
            for _ in range(count):
                self.line.put(message)
                await asyncio.sleep(every_s)
            await asyncio.sleep(600.0)

        run(work(), self.loop)
        return self.arrived


def test_a_sound_link_is_not_even_asked():
    link = LinkState()
    assert not link.active
    arrived = Way().send(50, every_s=1.0)
    assert [message for _, message in arrived] == [b"abcd"] * 50
    assert all(0.02 <= t_s % 1.0 <= 0.08 for t_s, _ in arrived)


def test_faults_add_up_and_end():
    link = LinkState(1, 2)
    faults = [fault("latency", 0.2), fault("latency", 0.3), fault("loss", 0.1), fault("loss", 0.4)]
    for each in faults:
        link.begin(each)
    assert (link.extra_latency_s, link.loss_pu, link.active) == (0.5, 0.4, True)
    link.end(faults[1])
    link.end(faults[3])
    assert (link.extra_latency_s, link.loss_pu, link.active) == (0.2, 0.1, True)
    for each in (*faults, fault("hang")):  # those that never began, too
        link.end(each)
    assert (link.extra_latency_s, link.loss_pu, link.active) == (0.0, 0.0, False)


def test_what_becomes_of_messages_is_the_seed_s():
    def passages(seed):
        link = LinkState(seed, 7)
        for each in (fault("loss", 0.3), fault("jitter", 1.0), fault("duplicate", 0.5)):
            link.begin(each)
        return [link.passage(reply=k % 2 == 0) for k in range(50)]

    assert passages(1) == passages(1) != passages(2)


def test_latency_and_jitter_delay_and_keep_the_order():
    late = Way(fault("latency", 2.0)).send(20, every_s=1.0)
    assert all(2.02 <= t_s - k <= 2.08 for k, (t_s, _) in enumerate(late))
    jittery = Way(fault("jitter", 3.0)).send(200, every_s=0.1)
    times = [t_s for t_s, _ in jittery]
    assert times == sorted(times)
    delays = [t_s - 0.1 * k for k, t_s in enumerate(times)]
    assert min(delays) >= 0.02
    assert 1.5 < max(delays) <= 3.08
    assert len(jittery) == 200


@pytest.mark.parametrize("reply", [False, True])
def test_loss_and_duplicates_meet_both_ways(reply):
    assert len(Way(fault("loss", 0.3), reply=reply).send(1000)) == pytest.approx(700, abs=50)
    assert len(Way(fault("duplicate", 0.3), reply=reply).send(1000)) == pytest.approx(1300, abs=50)
    assert len(Way(fault("loss", 1.0), reply=reply).send(10)) == 0


def test_a_hang_loses_answers_only():
    assert len(Way(fault("hang"), reply=False).send(10)) == 10
    assert Way(fault("hang"), reply=True).send(10) == []


def test_answers_only_are_garbled_and_drip():
    arrived = Way(fault("corrupt", 0.5), reply=True).send(1000)
    assert sum(message == b"?abcd" for _, message in arrived) == pytest.approx(500, abs=50)
    assert {m for _, m in Way(fault("corrupt", 1.0)).send(10)} == {b"abcd"}
    pieces = Way(fault("slow_drip", 0.2), reply=True, latency_s=(0.0, 0.0)).send(1)
    assert [message for _, message in pieces] == [b"a", b"b", b"c", b"d"]
    assert [t_s for t_s, _ in pieces] == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert Way(fault("slow_drip", 0.2)).send(1)[0][1] == b"abcd"


def test_a_message_that_has_no_octets_on_the_line_comes_with_its_last():
    ((t_s, message),) = Way(fault("slow_drip", 0.1), reply=True, latency_s=(0.0, 0.0)).send(
        1, message=("ack", b"0123456789")
    )
    assert (t_s, message) == (pytest.approx(1.0), ("ack", b"0123456789"))


@pytest.mark.parametrize("seed", range(20))
def test_garbled_modbus_frames_do_not_fit_their_request(seed):
    rng = random.Random(seed)
    reading = MBAP.pack(7, 0, 9, 1) + bytes((3, 6, 0, 1, 0, 2, 0, 3))
    for frame in (
        reading,
        MBAP.pack(7, 0, 6, 1) + bytes((16, 0, 100, 0, 6)),
        reading[:7] + b"\x83\x02",
    ):
        spoilt = garbled_modbus(frame, rng)
        assert spoilt != frame
        assert spoilt[2:4] == b"\0\0"
        shorter = len(spoilt) < len(frame)
        assert MBAP.unpack_from(spoilt)[2] == MBAP.unpack_from(frame)[2] - 2 * shorter
        values = slice(9, len(spoilt))
        assert spoilt[values] == frame[values]  # never a value: nobody could tell


def test_garbled_octets_and_messages():
    rng = random.Random(1)
    octets = bytes(range(1, 30))
    spoilt = garbled_dnp3(octets, rng)
    assert sum(a != b for a, b in zip(octets, spoilt, strict=True)) == 1
    topic, payload = mqtt.garbled(("ack", b'{"seq": 17, "ok": true}'), rng)
    assert topic == "ack"
    with pytest.raises(ValueError):
        json.loads(payload)


class Client(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self):
        self.heard = []

    def data_received(self, data):
        self.heard.append(data)


@pytest.fixture
def hub(tmp_path):
    """A Modbus device in virtual time: asks it once under a fault; what came back, its power."""
    made = []

    def ask(*faults):
        body = struct.pack(">BHHBiH", 16, 100, 3, 6, 9000, 1)
        loop = VirtualLoop(100.0)
        bench = Bench(tmp_path, unit("modbus_ev_hub"), loop.time)
        made.append(bench)
        for each in faults:
            bench.device.link.begin(each)

        async def work():
            registers = LoadRegisters(bench.device, MAKER_A)
            rng = random.Random(1)
            await loop.create_server(
                lambda: ModbusConnection(
                    bench.device, registers, rng, (0.02, 0.02), lambda _: None
                ),
                "", 502,
            )  # fmt: skip
            transport, client = await loop.create_connection(Client, "", 502)
            transport.write(struct.pack(">HHHB", 1, 0, len(body) + 1, 1) + body)
            await asyncio.sleep(30.0)
            transport.close()
            return client.heard

        heard = run(work(), loop)
        return heard, bench.run(1.0)

    yield ask
    for bench in made:
        bench.writer.close()


ECHO = struct.pack(">HHHBBHH", 1, 0, 6, 1, 16, 100, 3)


def test_a_modbus_device_with_each_fault_of_its_link(hub):
    assert hub() == ([ECHO], pytest.approx(-0.9))
    assert hub(fault("hang")) == ([], pytest.approx(-0.9))  # obeys, and does not say so
    assert hub(fault("loss", 1.0)) == ([], pytest.approx(-0.5))
    assert hub(fault("slow_drip", 0.1)) == (
        [ECHO[k : k + 1] for k in range(len(ECHO))],
        pytest.approx(-0.9),
    )
    heard, p_mw = hub(fault("duplicate", 1.0))
    assert b"".join(heard) == ECHO * 4  # the request twice, each answer twice
    assert p_mw == pytest.approx(-0.9)
    ((spoilt,), p_mw) = hub(fault("corrupt", 1.0))
    assert spoilt != ECHO
    assert p_mw == pytest.approx(-0.9)
