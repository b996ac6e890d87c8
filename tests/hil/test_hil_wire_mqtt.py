"""Depots of the bench on a real broker, spoken to by aiomqtt."""

import asyncio
import json
import time
from contextlib import asynccontextmanager, contextmanager

import aiomqtt
import pytest
from brokers import keeps_the_standard
from helpers import run_async, until
from processes import free_port
from small_bench import Bench, unit

from hil import broker, recording
from hil.faults import Fault
from hil.recording import SetpointFlag
from hil.wire.mqtt import Depot

KINDS = [False, True] if broker.mosquitto() else [True]


@asynccontextmanager
async def depot(folder, *, embedded=KINDS[0], **faults):
    """A depot on a broker, and a client that keeps what it is told."""
    port = free_port()
    process = await broker.start(port, folder, embedded=embedded)
    bench = Bench(folder, unit("mqtt_ev_hub"), **faults)
    made = Depot(bench.device, bench.device._loss_rng, (0.0, 0.002))
    heard: dict[str, list] = {}
    try:
        await made.open(port)
        async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.subscribe("ev/#", qos=1)

            async def listen():
                async for message in client.messages:
                    topic = str(message.topic).rpartition("/")[2]
                    payload = message.payload.decode(errors="replace")
                    heard.setdefault(topic, []).append((payload, message.retain))

            listening = asyncio.create_task(listen())
            yield bench, made, client, heard, port
            listening.cancel()
    finally:
        await made.close(orderly=False)
        await process.kill()
        bench.writer.close()


async def ask(client, heard, topic, order):
    """Send an order; its acknowledgement."""
    before = len(heard.get("ack", []))
    await client.publish(f"ev/ev_hub000/{topic}", json.dumps(order))
    await until(lambda: len(heard.get("ack", [])) > before)
    return json.loads(heard["ack"][-1][0])


@pytest.mark.parametrize("embedded", KINDS)
def test_a_depot_says_what_it_is_and_follows(tmp_path, embedded):
    async def scenario():
        async with depot(tmp_path, embedded=embedded) as (bench, made, client, heard, _):
            await until(lambda: "config" in heard and "state" in heard)
            assert heard["config"] == [
                (
                    '{"maker": "D", "rated_kw": 1000.0, "watchdog_s": 900.0, "fallback_kw": 0.0}',
                    True,
                )
            ]
            assert heard["state"] == [("online", True)]
            made.report()
            await until(lambda: "telemetry" in heard)
            payload, retained = heard["telemetry"][0]
            told = json.loads(payload)
            assert not retained
            assert told["t"] == pytest.approx(time.time(), abs=5.0)
            assert (told["p_kw"], told["min_kw"], told["max_kw"]) == (500.0, 0.0, 1000.0)
            assert (told["mode"], told["watchdog_s"], told["fallback_kw"]) == (
                "autonomous", 900.0, 0.0
            )  # fmt: skip
            mode = {"mode": "follow", "watchdog_s": 6, "fallback_kw": 125.0}
            assert await ask(client, heard, "mode", {**mode, "seq": 16}) == {"seq": 16, "ok": True}
            made.report()
            await until(lambda: len(heard["telemetry"]) == 2)
            assert json.loads(heard["telemetry"][1][0]).items() >= mode.items()
            order = {"p_kw": 300.0, "seq": 17}
            assert await ask(client, heard, "set", order) == {"seq": 17, "ok": True}
            assert bench.run(1.0) == pytest.approx(-0.3)
            assert bench.run(6.0) == pytest.approx(-0.125)

    run_async(scenario())


def test_refusals_and_rubbish(tmp_path):
    async def scenario():
        async with depot(tmp_path) as (bench, _, client, heard, _):
            over = await ask(client, heard, "set", {"p_kw": 5000.0, "seq": 1})
            assert over == {"seq": 1, "ok": False, "why": "out of range"}
            odd = await ask(client, heard, "mode", {"mode": "dance", "seq": 2})
            assert odd == {"seq": 2, "ok": False, "why": "unknown mode"}
            for rubbish in (b"", b"{}", b"[1]", b'{"p_kw": "x", "seq": 1}', b"\xff\xfe"):
                await client.publish("ev/ev_hub000/set", rubbish)
            # a retained order is somebody's old one
            await client.publish("ev/ev_hub000/mode", '{"mode": "follow", "seq": 3}')
            await until(lambda: len(heard["ack"]) == 3)
            assert bench.run(1.0) == pytest.approx(-0.5)

    run_async(scenario())


def test_a_retained_order_is_ignored(tmp_path):
    async def scenario():
        async with depot(tmp_path) as (bench, made, client, heard, port):
            await ask(client, heard, "mode", {"mode": "follow", "seq": 1})
            await made.close(orderly=True)
            payload = json.dumps({"p_kw": 900.0, "seq": 2})
            await client.publish("ev/ev_hub000/set", payload, retain=True, qos=1)
            await made.open(port)
            await ask(client, heard, "mode", {"mode": "follow", "seq": 3})
            assert bench.run(1.0) == pytest.approx(-0.5)

    run_async(scenario())


@keeps_the_standard
def test_a_lost_link_publishes_the_last_will(tmp_path):
    async def scenario():
        async with depot(tmp_path) as (_, made, _, heard, _):
            await until(lambda: heard.get("state") == [("online", True)])
            await made.close(orderly=False)
            await until(lambda: len(heard["state"]) == 2)
            assert heard["state"][1][0] == "offline"

    run_async(scenario())


def test_lost_and_dark_orders_are_not_acknowledged(tmp_path):
    async def scenario():
        async with depot(tmp_path, write_loss_pct=100.0) as (bench, made, client, heard, _):
            await client.publish("ev/ev_hub000/set", '{"p_kw": 100.0, "seq": 1}')
            await ask(client, heard, "mode", {"mode": "follow", "seq": 2})
            bench.device.dark = True
            await client.publish("ev/ev_hub000/set", '{"p_kw": 200.0, "seq": 3}')
            made.report()
            bench.writer.flush()
            await until(
                lambda: bench.writer.flush() or len(recording.read_setpoints(tmp_path)) == 3
            )
            flags = recording.read_setpoints(tmp_path)["flags"].tolist()
            assert flags == [SetpointFlag.LOST, SetpointFlag.KEEP_ALIVE, SetpointFlag.OFFLINE]
            assert len(heard["ack"]) == 1
            assert "telemetry" not in heard

    run_async(scenario())


def test_a_depot_with_faults(tmp_path):
    async def scenario():
        async with depot(tmp_path) as (bench, made, client, heard, _):
            device = bench.device
            await ask(client, heard, "mode", {"mode": "follow", "seq": 1})

            async def said(topic):
                before = len(heard.get(topic, []))
                made.report()
                await until(lambda: len(heard.get(topic, [])) > before)
                return heard[topic][-1][0]

            with faulty(device.begin, device.end, "device_nan"):
                told = json.loads(await said("telemetry"))
                assert [told[key] for key in ("p_kw", "min_kw", "max_kw")] == [None] * 3
            with faulty(device.begin, device.end, "device_clock_step", 3600.0):
                told = json.loads(await said("telemetry"))
                assert told["t"] == pytest.approx(time.time() + 3600.0, abs=5.0)
            with faulty(device.begin, device.end, "device_refuse_writes"):
                for topic in ("set", "mode"):
                    answer = await ask(client, heard, topic, {"p_kw": 300.0, "seq": 2})
                    assert answer == {"seq": 2, "ok": False, "why": "fault"}
            with faulty(device.begin, device.end, "device_trip"):
                assert bench.run(0.1) == 0.0
            with faulty(device.link.begin, device.link.end, "link_corrupt", 1.0):
                spoilt = await said("telemetry")
            with pytest.raises(ValueError):
                json.loads(spoilt)
            with faulty(device.link.begin, device.link.end, "link_hang"):
                acks = len(heard["ack"])
                await client.publish("ev/ev_hub000/set", '{"p_kw": 700.0, "seq": 3}')
                await until(lambda: device.setpoint_mw == -0.7)
            await ask(client, heard, "set", {"p_kw": 300.0, "seq": 4})
            assert len(heard["ack"]) == acks + 1
            told = json.loads(await said("telemetry"))
            assert told["p_kw"] is not None
            assert told["t"] == pytest.approx(time.time(), abs=5.0)
            assert bench.run(1.0) == pytest.approx(-0.3)

    run_async(scenario())


@contextmanager
def faulty(begin, end, kind, size=0.0):
    """A fault that lasts as long as the block."""
    one = Fault(0.0, kind, 0, 60.0, size)
    begin(one)
    yield
    end(one)
