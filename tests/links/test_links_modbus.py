"""Modbus TCP link against a real independent server, and against a socket that misbehaves."""

import asyncio
import gc
import random
import struct
import time
from contextlib import asynccontextmanager

import pytest
from certificates import OPENSSL, make_certificates
from helpers import Beats, run_async, until
from modbus_peers import (
    READ,
    WRITE,
    Frame,
    IndependentServer,
    RawPeer,
    Registers,
    registers_body,
    reply,
)
from tls_gateway import tls_gateway

from vppd.links.base import Answer, ExpiredError, LinkError, RefusedError
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink
from vppd.links.turn import Turn


def config(port: int, **keys) -> ModbusTcpConfig:
    return ModbusTcpConfig(
        id="link", port=port, backoff_min_s=0.01, backoff_max_s=0.05, **{"timeout_s": 0.5, **keys}
    )


@asynccontextmanager
async def linked(port: int, **keys):
    link = ModbusTcpLink(config(port, **keys), random.Random(1))
    keeper = asyncio.create_task(link.keep())
    await link.wait_connected()
    try:
        yield link
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])


def run_against(answer, scenario, **keys):
    """Run `scenario(link, peer)` against a raw peer."""

    async def main():
        async with RawPeer(answer) as peer, linked(peer.port, **keys) as link:
            await scenario(link, peer)

    run_async(main())


@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_modbus_security_with_certificates_of_both(tmp_path):
    make_certificates(tmp_path, "device", "vppd")
    other = tmp_path / "other"
    other.mkdir()
    make_certificates(other, "vppd")

    async def scenario():
        device = RawPeer(Registers({40: 7, 41: 8}))
        async with device as peer, tls_gateway(peer.port, tmp_path) as port:
            tls = {"ca_file": str(tmp_path / "ca.pem"), "cert_file": str(tmp_path / "vppd.pem")}
            tls |= {"key_file": str(tmp_path / "vppd.key"), "timeout_s": 5.0}
            async with linked(port, **tls) as link:
                assert await link.write_registers(1, 40, [9]) is Answer.ACCEPTED
                assert await link.read_registers(1, 40, 2) == [9, 8]
            stranger = tls | {"ca_file": str(other / "ca.pem")}
            assert "certificate" in await refusal(port, **stranger)
            unknown = tls | {key: str(other / f"vppd.{end}") for key, end in
                             (("cert_file", "pem"), ("key_file", "key"))}  # fmt: skip
            link = ModbusTcpLink(config(port, **unknown), random.Random(1))
            keeper = asyncio.create_task(link.keep())
            await until(lambda: link.epoch > 0 or link.reason not in ("", "not connected yet"))
            with pytest.raises(LinkError):
                await link.read_registers(1, 40, 2)
            keeper.cancel()
            await asyncio.wait([keeper])
            assert len(peer.frames) == 2  # nothing of theirs reached the device

    run_async(scenario())


async def refusal(port: int, **keys) -> str:
    """Why a link is not connected, after its first attempt."""
    link = ModbusTcpLink(config(port, **keys), random.Random(1))
    keeper = asyncio.create_task(link.keep())
    await until(lambda: link.reason not in ("", "not connected yet"))
    reason = link.reason
    keeper.cancel()
    await asyncio.wait([keeper])
    return reason


# The good path


def test_reads_and_writes_an_independent_server():
    async def scenario():
        with IndependentServer() as server:
            server.load(10, [0x1234, 0xFFFF, 0])
            async with linked(server.port) as link:
                assert await link.read_registers(1, 10, 3) == [0x1234, 0xFFFF, 0]
                assert await link.write_registers(1, 100, [7, 65535]) is Answer.ACCEPTED
                assert server.words(99, 4) == [0, 7, 65535, 0]
                assert await link.read_registers(1, 0, 125) == server.words(0, 125)

    run_async(scenario())


def test_what_an_independent_server_refuses_is_refused():
    async def scenario():
        with IndependentServer(size=100) as server:
            async with linked(server.port) as link:
                with pytest.raises(RefusedError, match="exception 2, illegal address"):
                    await link.read_registers(1, 99, 2)
                assert await link.write_registers(1, 99, [1, 2]) is Answer.REFUSED
                assert await link.read_registers(1, 99, 1) == [0]

    run_async(scenario())


def test_the_request_on_the_wire_is_the_one_of_the_standard():
    async def scenario(link, peer):
        await link.write_registers(7, 0x0102, [0x0A0B, 0xFFFE])
        await link.read_registers(7, 0x0102, 2)
        write, read = peer.frames
        assert (write.unit_id, write.function) == (7, 16)
        assert write.data == bytes([1, 2, 0, 2, 4, 0x0A, 0x0B, 0xFF, 0xFE])
        assert (read.unit_id, read.function) == (7, 3)
        assert read.data == bytes([1, 2, 0, 2])
        assert read.transaction != write.transaction

    run_against(Registers({0x102: 0, 0x103: 0}, unit_ids={7}), scenario)


def test_an_answer_in_single_bytes_is_put_together():
    async def scenario(link, peer):
        task = asyncio.create_task(link.read_registers(1, 0, 2))
        await until(lambda: peer.frames)
        for byte in reply(peer.frames[0], registers_body([5, 6])):
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await task == [5, 6]

    run_against(lambda _frame: None, scenario)


# Answers that are none

BAD_READS = {
    "function 4": (lambda f: reply(f, registers_body([1, 2], function=4)), "function code 0x04"),
    "another unit": (
        lambda f: reply(f, registers_body([1, 2]), unit_id=9),
        "answer of unit 9 to a request to unit 1",
    ),
    "one too few": (lambda f: reply(f, registers_body([1])), "2 octets announced, 2 sent"),
    "one too many": (lambda f: reply(f, registers_body([1, 2, 3])), "6 octets announced, 6 sent"),
    "odd octet count": (lambda f: reply(f, bytes([3, 5, 0, 1, 0, 2, 0])), "5 octets announced"),
    "count lies": (lambda f: reply(f, bytes([3, 4, 0, 1])), "4 octets announced, 2 sent"),
    "no octets": (lambda f: reply(f, bytes([3, 0])), "0 octets announced"),
    "long exception": (lambda f: reply(f, bytes([0x83, 2, 2])), "exception of 4 octets"),
    "exception of another": (lambda f: reply(f, bytes([0x84, 2])), "function code 0x84"),
    "answer to a write": (lambda f: reply(f, bytes([16, 0, 0, 0, 2])), "function code 0x10"),
}


@pytest.mark.parametrize("name", BAD_READS)
def test_a_bad_answer_to_a_read_is_an_error_at_once(name):
    bad, why = BAD_READS[name]
    good = Registers({0: 1, 1: 2})

    async def scenario(link, peer):
        with pytest.raises(LinkError, match=why):
            await link.read_registers(1, 0, 2)  # with a time-out of 60 s: it does not wait for it
        peer.answer = good
        assert await link.read_registers(1, 0, 2) == [1, 2]
        assert link.epoch == 1  # frames were whole: no reason to connect again

    run_against(bad, scenario, timeout_s=10.0)


def echo(frame: Frame, address: int, count: int) -> bytes:
    return reply(frame, struct.pack(">BHH", WRITE, address, count))


BAD_WRITES = {
    "another address": lambda f: echo(f, f.address + 1, f.count),
    "another count": lambda f: echo(f, f.address, f.count + 1),
    "function 6": lambda f: reply(f, struct.pack(">BHH", 6, f.address, f.count)),
    "another unit": lambda f: reply(f, struct.pack(">BHH", WRITE, f.address, f.count), unit_id=3),
    "too short": lambda f: reply(f, struct.pack(">BHB", WRITE, f.address, 0)),
    "too long": lambda f: reply(f, struct.pack(">BHHB", WRITE, f.address, f.count, 0)),
    "answer to a read": lambda f: reply(f, registers_body([1, 2])),
}


@pytest.mark.parametrize("name", BAD_WRITES)
def test_after_a_bad_answer_to_a_write_nobody_knows(name):
    async def scenario(link, peer):
        assert await link.write_registers(1, 40, [1, 2]) is Answer.UNKNOWN
        assert len(peer.writes) == 1
        peer.answer = Registers({40: 0, 41: 0})
        assert await link.write_registers(1, 40, [3, 4]) is Answer.ACCEPTED
        assert [frame.words for frame in peer.writes] == [[1, 2], [3, 4]]

    run_against(BAD_WRITES[name], scenario, timeout_s=10.0)


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (1, Answer.REFUSED),
        (2, Answer.REFUSED),
        (3, Answer.REFUSED),
        (4, Answer.REFUSED),
        (6, Answer.REFUSED),
        (10, Answer.REFUSED),
        (99, Answer.REFUSED),
        (5, Answer.UNKNOWN),  # acknowledge: it is at it
        (11, Answer.UNKNOWN),  # the gateway passed it on, and heard nothing
    ],
)
def test_an_exception_refuses_a_write_unless_it_leaves_it_open(code, answer):
    async def scenario(link, peer):
        assert await link.write_registers(1, 0, [1]) is answer
        assert link.connected

    run_against(Registers({0: 0}, refuse_writes=code), scenario)


@pytest.mark.parametrize(
    ("code", "name"), [(1, "illegal function"), (6, "device busy"), (99, "exception 99$")]
)
def test_a_refused_read_says_why(code, name):
    async def scenario(link, peer):
        with pytest.raises(RefusedError, match=name):
            await link.read_registers(1, 0, 1)

    run_against(lambda f: reply(f, bytes([0x83, code])), scenario)


# Silence


def test_a_silent_device_costs_one_timeout_and_its_write_is_never_sent_again():
    """With pymodbus' defaults: 12 s, and four copies of a setpoint that is stale by then."""

    async def scenario(link, peer):
        beats = Beats()
        assert await link.write_registers(1, 0, [1]) is Answer.UNKNOWN
        with pytest.raises(LinkError, match=r"no answer within 0\.1 s"):
            await link.read_registers(1, 0, 1)
        assert beats.stop() < 0.5
        assert len(peer.writes) == 1
        assert link.connected  # two are not yet a dead connection

    run_against(lambda _frame: None, scenario, timeout_s=0.1)


def test_after_a_few_silent_requests_the_connection_is_made_anew():
    """Half-open TCP never says so: only missing answers do."""
    device = Registers({0: 42}, silent=True)

    async def scenario(link, peer):
        changes = []
        link.on_change(changes.append)
        for _ in range(3):
            assert link.connected
            await link.write_registers(1, 0, [1])
        assert not link.connected
        assert link.reason == "3 requests in a row without a good answer"
        device.silent = False
        await link.wait_connected()
        assert await link.read_registers(1, 0, 1) == [42]
        assert changes == [False, True]
        assert link.epoch == 2
        assert len(peer.writes) == 3  # none of them was carried over to the new connection

    run_against(device, scenario, timeout_s=0.05)


def test_a_good_answer_between_them_forgives_silent_requests():
    device = Registers({0: 42})

    async def scenario(link, _peer):
        for _ in range(4):
            device.silent = True
            for _ in range(2):
                assert await link.write_registers(1, 0, [1]) is Answer.UNKNOWN
            device.silent = False
            assert await link.read_registers(1, 0, 1) == [42]
        assert link.epoch == 1
        assert link.unanswered == 8

    run_against(device, scenario, timeout_s=0.03)


def test_a_late_answer_is_not_taken_for_the_next():
    held = []

    def answer(frame):
        held.append(reply(frame, registers_body([frame.address])))
        if frame.address == 1:
            return None
        return held[0] + held[1]  # the late one first, in one segment

    async def scenario(link, peer):
        with pytest.raises(LinkError, match="no answer"):
            await link.read_registers(1, 1, 1)
        assert await link.read_registers(1, 2, 1) == [2]

    run_against(answer, scenario, timeout_s=0.1)


def test_transaction_zero_answers_nothing():
    """pymodbus takes it for the answer to any request, a late one of another request included."""

    async def scenario(link, peer):
        with pytest.raises(LinkError, match="no answer"):
            await link.read_registers(1, 0, 1)

    run_against(lambda f: reply(f, registers_body([666]), transaction=0), scenario, timeout_s=0.1)


# Streams that are no Modbus


def test_a_megabyte_of_junk_ends_the_connection_and_nothing_else():
    junk = random.Random(7).randbytes(1 << 20)

    async def scenario(link, peer):
        with pytest.raises(LinkError, match="sends no Modbus"):
            await link.read_registers(1, 0, 1)
        assert not link.connected
        peer.answer = Registers({0: 9})
        await link.wait_connected()
        assert await link.read_registers(1, 0, 1) == [9]

    run_against(lambda _frame: junk, scenario, timeout_s=10.0)


def test_a_flood_of_whole_frames_that_nobody_asked_for_ends_the_connection():
    def answer(frame):
        return reply(frame, registers_body([1]), transaction=frame.transaction + 1000) * 4000

    async def scenario(link, peer):
        with pytest.raises(LinkError, match="sends what nobody asked for"):
            await link.read_registers(1, 0, 1)

    run_against(answer, scenario, timeout_s=10.0)


def test_half_an_answer_and_then_silence_ends_the_connection():
    """Its second half, coming after the next request, would be read as a header."""
    whole = Registers({0: 0x0001})

    async def scenario(link, peer):
        with pytest.raises(LinkError, match="half an answer"):
            await link.read_registers(1, 0, 1)
        assert not link.connected
        peer.answer = whole
        await link.wait_connected()
        assert await link.read_registers(1, 0, 1) == [1]

    run_against(lambda f: whole(f)[:9], scenario, timeout_s=0.1)


def test_junk_between_requests_does_not_reach_the_next():
    async def scenario(link, peer):
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await until(lambda: not link.connected)
        assert link.reason.startswith("sends no Modbus")
        await link.wait_connected()
        assert await link.read_registers(1, 0, 1) == [3]

    run_against(Registers({0: 3}), scenario)


# Connections that break


def test_a_break_fails_the_request_at_once():
    async def scenario(link, peer):
        tasks = [
            asyncio.create_task(link.read_registers(1, 0, 1)),
            asyncio.create_task(link.write_registers(1, 0, [1])),
        ]
        await until(lambda: len(peer.frames) == 1)
        beats = Beats()
        peer.cut()
        read, write = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(read, LinkError)
        assert isinstance(write, LinkError)  # still waiting for its turn: it never left
        assert beats.stop() < 0.3
        assert len(peer.frames) == 1

    run_against(lambda _frame: None, scenario, timeout_s=10.0)


def test_a_break_leaves_a_write_in_flight_unknown():
    async def scenario(link, peer):
        task = asyncio.create_task(link.write_registers(1, 0, [1]))
        await until(lambda: peer.writes)
        peer.cut()
        assert await task is Answer.UNKNOWN
        await link.wait_connected()
        await link.read_registers(1, 0, 1)
        assert len(peer.writes) == 1

    device = Registers({0: 0})
    run_against(lambda f: None if f.function == WRITE else device(f), scenario, timeout_s=10.0)


def test_without_a_connection_nothing_is_sent_and_nothing_connects_by_itself():
    async def scenario():
        link = ModbusTcpLink(config(1))
        for _ in range(3):
            with pytest.raises(LinkError, match="not connected yet"):
                await link.write_registers(1, 0, [1])
        async with RawPeer(Registers({0: 0})) as peer:
            async with linked(peer.port) as link:
                pass
            with pytest.raises(LinkError, match="stopped"):
                await link.read_registers(1, 0, 1)
            assert (peer.connections, peer.frames) == (1, [])

    run_async(scenario())


def test_the_reason_of_a_refused_connection_is_kept():
    async def scenario():
        async with RawPeer(lambda _f: None) as peer:
            port = peer.port
        link = ModbusTcpLink(config(port))
        keeper = asyncio.create_task(link.keep())
        await until(lambda: link.reason == "connection refused")
        keeper.cancel()
        await asyncio.wait([keeper])
        assert link.epoch == 0

    run_async(scenario())


def test_a_peer_that_accepts_and_closes_is_not_stormed():
    """Back-off is forgotten at a good answer, not at a connection: else thousands a second."""
    seed, attempts = 5, 6

    async def scenario():
        async with RawPeer(lambda _f: None) as peer:
            peer.on_connect = lambda transport: transport.close()
            link = ModbusTcpLink(
                ModbusTcpConfig(id="l", port=peer.port, backoff_min_s=0.02, backoff_max_s=0.3),
                random.Random(seed),
            )
            began_s = time.monotonic()
            keeper = asyncio.create_task(link.keep())
            await until(lambda: peer.connections == attempts)
            took_s = time.monotonic() - began_s
            keeper.cancel()
            await asyncio.wait([keeper])
            return took_s

    rng = random.Random(seed)
    ceilings_s = [0.02, 0.04, 0.08, 0.16, 0.3]
    assert run_async(scenario()) >= 0.99 * sum(rng.uniform(0.0, c) for c in ceilings_s)


# Cancellation, turns, bursts


def test_a_cancelled_request_leaves_nothing_behind():
    device = Registers({1: 11, 2: 22})
    held = []

    def answer(frame):
        if frame.address == 1:
            held.append(device(frame))
            return None
        return held.pop() + device(frame)

    async def scenario(link, peer):
        task = asyncio.create_task(link.read_registers(1, 1, 1))
        await until(lambda: peer.frames)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await link.read_registers(1, 2, 1) == [22]

    run_against(answer, scenario)


def test_a_request_that_is_cancelled_in_mid_answer_leaves_the_stream_in_step():
    device = Registers({1: 11, 2: 22})

    async def scenario(link, peer):
        task = asyncio.create_task(link.read_registers(1, 1, 1))
        await until(lambda: peer.frames)
        late = device(peer.frames[0])
        peer.send(late[:9])
        await until(lambda: link._client.ctx._buffer)
        task.cancel()
        await asyncio.wait([task])
        peer.answer = lambda frame: late[9:] + device(frame)
        assert await link.read_registers(1, 2, 1) == [22]
        assert link.epoch == 1

    run_against(lambda _frame: None, scenario)


def test_a_turn_that_comes_in_the_moment_of_a_cancellation_is_passed_on():
    async def scenario():
        turn, order = Turn(), []

        async def hold(name, done):
            if not turn.take():
                await turn.wait_to_read()
            try:
                order.append(name)
                await done.wait()
            finally:
                turn.give()

        first, rest = asyncio.Event(), asyncio.Event()
        rest.set()
        tasks = [asyncio.create_task(hold(n, e)) for n, e in (("a", first), ("b", rest))]
        tasks.append(asyncio.create_task(hold("c", rest)))
        await until(lambda: order == ["a"])
        first.set()
        while turn._readers and len(turn._readers) == 2:
            await asyncio.sleep(0)  # a has given the turn to b, which has not run yet
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert order == ["a", "c"]

    run_async(scenario())


def test_one_transaction_is_in_flight_and_writes_go_first():
    """Gateways, and pymodbus' own server, lose the second of two."""

    async def scenario(link, peer):
        async def ask(number):
            await link.read_registers(1, number, 1)

        tasks = [asyncio.create_task(ask(n)) for n in range(3)]
        await until(lambda: peer.frames)
        tasks.append(asyncio.create_task(link.write_registers(2, 50, [1])))
        for answered in range(4):
            await until(lambda n=answered: len(peer.frames) == n + 1)
            frame = peer.frames[-1]
            body = registers_body([0]) if frame.function == READ else bytes([16]) + frame.data[:4]
            peer.send(reply(frame, body))
        await asyncio.gather(*tasks)
        assert [frame.address for frame in peer.frames] == [0, 50, 1, 2]

    run_against(lambda _frame: None, scenario, timeout_s=10.0)


def test_with_pipelining_a_write_does_not_wait_for_a_read():
    async def scenario(link, peer):
        reader = asyncio.create_task(link.read_registers(1, 0, 1))
        await until(lambda: peer.frames)
        writers = [asyncio.create_task(link.write_registers(1, n, [n])) for n in (50, 60)]
        await until(lambda: len(peer.frames) == 2)
        read, write = peer.frames
        peer.send(reply(write, bytes([16]) + write.data[:4]))  # answered in another order
        assert await writers[0] is Answer.ACCEPTED
        await until(lambda: len(peer.frames) == 3)  # one write at a time
        peer.send(reply(read, registers_body([7])))
        assert await reader == [7]
        peer.send(reply(peer.frames[2], bytes([16]) + peer.frames[2].data[:4]))
        assert await writers[1] is Answer.ACCEPTED
        assert [f.address for f in peer.frames] == [0, 50, 60]

    run_against(lambda _frame: None, scenario, timeout_s=10.0, pipelining=True)


def test_with_pipelining_half_an_answer_to_one_does_not_end_the_other():
    async def scenario(link, peer):
        reader = asyncio.create_task(link.read_registers(1, 0, 1))
        await asyncio.wait([reader], timeout=0.15)
        writer = asyncio.create_task(link.write_registers(1, 50, [5]))
        await until(lambda: len(peer.frames) == 2)
        write = peer.frames[1]
        answer = reply(write, bytes([16]) + write.data[:4])
        peer.send(answer[:8])
        with pytest.raises(LinkError, match="no answer within"):
            await reader
        peer.send(answer[8:])
        assert await writer is Answer.ACCEPTED
        assert link.epoch == 1

    run_against(lambda _frame: None, scenario, timeout_s=0.4, pipelining=True)


def test_with_pipelining_a_break_ends_both():
    async def scenario(link, peer):
        reader = asyncio.create_task(link.read_registers(1, 0, 1))
        writer = asyncio.create_task(link.write_registers(1, 0, [1]))
        await until(lambda: len(peer.frames) == 2)
        peer.send(reply(peer.frames[0], registers_body([7]))[:9])  # half of one answer
        peer.cut()
        assert await writer is Answer.UNKNOWN
        with pytest.raises(LinkError):
            await reader
        assert len(peer.writes) == 1

    run_against(lambda _frame: None, scenario, timeout_s=10.0, pipelining=True)


def test_a_write_that_gets_no_turn_is_not_sent():
    async def scenario(link, peer):
        reader = asyncio.create_task(link.read_registers(1, 0, 1))
        await until(lambda: peer.frames)
        with pytest.raises(LinkError, match="no turn"):
            await link.write_registers(1, 0, [1])
        peer.send(reply(peer.frames[0], registers_body([4])))
        assert await reader == [4]
        assert peer.writes == []

    run_against(lambda _frame: None, scenario, timeout_s=10.0, write_wait_max_s=0.05)


def test_a_write_that_grows_old_before_its_turn_is_not_sent():
    async def scenario(link, peer):
        reader = asyncio.create_task(link.read_registers(1, 0, 1))
        await until(lambda: peer.frames)
        with pytest.raises(ExpiredError):
            await link.write_registers(1, 0, [1], time.monotonic() + 0.05)
        peer.send(reply(peer.frames[0], registers_body([4])))
        assert await reader == [4]
        assert peer.writes == []

    run_against(lambda _frame: None, scenario, timeout_s=10.0)


def test_a_cancelled_wait_for_the_turn_does_not_block_the_others():
    async def scenario(link, peer):
        tasks = [asyncio.create_task(link.read_registers(1, n, 1)) for n in range(3)]
        await until(lambda: peer.frames)
        tasks[1].cancel()
        peer.send(reply(peer.frames[0], registers_body([0])))
        await until(lambda: len(peer.frames) == 2)
        peer.send(reply(peer.frames[1], registers_body([2])))
        first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
        assert (first, third) == ([0], [2])
        assert isinstance(second, asyncio.CancelledError)

    run_against(lambda _frame: None, scenario, timeout_s=10.0)


def test_a_burst_of_writes_does_not_hold_the_loop():
    """150 setpoints of one tick, over 150 connections. CPU time: neighbours do not count."""
    n = 150

    async def scenario():
        longest_s, going = 0.0, True

        async def watch():
            nonlocal longest_s
            last_s = time.thread_time()
            while going:
                await asyncio.sleep(0)
                now_s = time.thread_time()
                longest_s, last_s = max(longest_s, now_s - last_s), now_s

        async with RawPeer(Registers({0: 0, 1: 0})) as peer:
            links = [ModbusTcpLink(config(peer.port), random.Random(i)) for i in range(n)]
            keepers = [asyncio.create_task(link.keep()) for link in links]
            for link in links:
                await link.wait_connected()
            watcher = asyncio.create_task(watch())
            answers = await asyncio.gather(*(k.write_registers(1, 0, [1, 2]) for k in links))
            going = False
            await watcher
            for keeper in keepers:
                keeper.cancel()
            await asyncio.wait(keepers)
            assert answers == [Answer.ACCEPTED] * n
            assert len(peer.writes) == n
        return longest_s

    gc.collect()  # garbage of the tests before is not the link's
    gc.disable()
    try:
        assert run_async(scenario()) < 0.05  # the peer's share in the same loop included
    finally:
        gc.enable()


def test_config_refuses_a_back_off_that_is_none():
    keys = ModbusTcpConfig(id="l", backoff_min_s=3.0, backoff_max_s=2.0).cross_checks()
    assert keys == [("backoff_max_s", "must be at least backoff_min_s = 3 s")]
    assert ModbusTcpConfig(id="l").cross_checks() == []
