"""The DNP3 link against outstations that misbehave (Project Robus), built from raw octets."""

import asyncio
import contextlib
import random
import struct
import time

import pytest
from dnp3_frames import DIRECT, READ, WRITE, Peer, Request, floats, fragment, frame, response
from dnp3_links import linked
from helpers import Beats, measured_steps, run_async, until

from vppd.links.base import Answer, ExpiredError, LinkError
from vppd.links.dnp3 import Dnp3Link, Dnp3TcpConfig
from vppd.links.dnp3_wire import OCTETS_MAX

GOOD = [1.5, 2.5]
RESTART = b"\x80\x00"


def good(request: Request) -> bytes:
    """What a sound outstation answers: two inputs, or the echo of a command."""
    objects = floats(GOOD) if request.function == READ else request.objects
    return fragment(response(request.sequence, objects))


def read_answer(objects: bytes, **keys: object):
    return lambda request: fragment(response(request.sequence, objects, **keys))


def broken_crc(request: Request) -> bytes:
    octets = bytearray(good(request))
    octets[-1] ^= 0xFF
    return bytes(octets)


def never_final(request: Request) -> bytes:
    """FIR without FIN for ever: each fragment would move the deadline of a naive master."""
    return b"".join(
        fragment(response((request.sequence + i) % 16, floats(GOOD), control=0x80 if i == 0 else 0))
        for i in range(16)
    )


PACKED_65536 = bytes([1, 1, 1]) + struct.pack("<HH", 0, 65535) + b"\xff" * 100
MANY_65535 = bytes([30, 5, 0x28]) + struct.pack("<H", 65535) + b"\0" * 100
BACKWARDS = bytes([30, 5, 0, 9, 3]) + b"\0" * 20

MALFORMED = {
    "silence": lambda request: b"",
    "half a frame": lambda request: good(request)[:7],
    "bad CRC": broken_crc,
    "wrong source": lambda request: fragment(response(request.sequence, floats(GOOD)), source=9),
    "not for us": lambda request: fragment(response(request.sequence, floats(GOOD)), to=77),
    "sent as a master": lambda r: frame(b"\xc0" + response(r.sequence, floats(GOOD)), control=0xC4),
    "wrong sequence": lambda r: fragment(response((r.sequence + 5) % 16, floats(GOOD))),
    "a request": lambda r: fragment(response(r.sequence, floats(GOOD), code=1)),
    "no such function": lambda r: fragment(response(r.sequence, floats(GOOD), code=0xEE)),
    "two octets": lambda r: fragment(b"\xc0\x81"),
    "empty segment": lambda r: frame(b""),
    "never the last fragment": never_final,
    "65536 packed points": read_answer(PACKED_65536),
    "65535 floats": read_answer(MANY_65535),
    "backwards range": read_answer(BACKWARDS),
    "unknown object": read_answer(bytes([99, 9, 0, 0, 0]) + b"\0" * 9),
    "good inputs, then junk": read_answer(floats(GOOD) + bytes([99, 9, 0, 0, 0])),
    "cut short": read_answer(floats(GOOD)[:-3]),
    "no inputs": read_answer(b""),
    "junk": lambda r: bytes(random.Random(r.sequence).randbytes(600)),
    "start octets for ever": lambda r: b"\x05\x64" * 3000,
    "1 MB": lambda r: good(r) * 20000,
    "junk, then unasked": lambda r: (
        fragment(response(3, floats(GOOD), control=0xF0, code=0x82)) * 9
    ),
}


STEP_MAX_S = 0.05  # of processor time, in one step of the event loop: they take 2 ms at most


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_answers_end_in_time_and_hold_up_no_other_link(case):
    async def scenario():
        async with (
            Peer(MALFORMED[case]) as bad,
            Peer(good) as sound,
            linked(bad.port, timeout_s=0.05, backoff_max_s=0.02) as link,
            linked(sound.port) as other,
        ):
            await other.wait_connected()
            reads_s: list[float] = []
            with measured_steps() as steps:
                watcher = asyncio.create_task(keep_reading(other, reads_s))
                for _ in range(2):
                    await link.wait_connected()
                    beats = Beats()
                    with pytest.raises(LinkError):
                        await link.read_analog_inputs()
                    assert await operate_if_up(link) is not Answer.ACCEPTED
                    assert beats.stop() < 1.0
                read = len(reads_s)
                await until(lambda: len(reads_s) > read)
                assert not watcher.done()  # each of its reads was good
                watcher.cancel()
            assert max(reads_s) < 0.2
            assert steps.longest_s < STEP_MAX_S

    run_async(scenario())


async def keep_reading(link: Dnp3Link, reads_s: list[float]) -> None:
    """Read from the sound peer for ever, and note how long each took."""
    while True:
        beats = Beats()
        assert (await link.read_analog_inputs())[1] == (2.5, 1)
        reads_s.append(beats.stop())
        await asyncio.sleep(0.002)


async def operate_if_up(link: Dnp3Link, value: float = 1.0) -> Answer:
    try:
        return await link.operate({0: value})
    except LinkError:  # the read has shown what kind of peer it is
        return Answer.UNKNOWN


def test_flood_between_requests_drops_the_connection():
    async def scenario():
        async with Peer(good) as peer, linked(peer.port) as link:
            await link.wait_connected()
            await link.read_analog_inputs()
            peer.writers[0].write(good(peer.requests[0]) * (OCTETS_MAX // 20))
            await until(lambda: link.epoch == 2)
            assert await link.read_analog_inputs()

    run_async(scenario())


def test_unanswered_command_is_unknown_and_on_the_wire_once():
    async def scenario():
        async with Peer(lambda request: b"") as peer, linked(peer.port, dead_after=100) as link:
            await link.wait_connected()
            assert await link.operate({0: 7.0}) is Answer.UNKNOWN
            assert await link.operate({0: 8.0}) is Answer.UNKNOWN
            with pytest.raises(LinkError, match=r"no answer within 0\.2 s"):
                await link.read_analog_inputs()
            assert [r.function for r in peer.requests] == [DIRECT, DIRECT, READ]
            assert [struct.unpack("<f", r.objects[5:9])[0] for r in peer.requests[:2]] == [7.0, 8.0]
            assert link.unanswered == 3

    run_async(scenario())


def test_command_that_grew_old_behind_a_poll_is_not_sent():
    async def scenario():
        async with Peer(lambda request: b"") as peer, linked(peer.port, dead_after=100) as link:
            await link.wait_connected()
            poll = asyncio.create_task(link.read_analog_inputs())
            await until(lambda: peer.requests)
            with pytest.raises(ExpiredError):
                await link.operate({0: 7.0}, before_s=time.monotonic() + 0.05)
            assert not poll.done()
            with pytest.raises(LinkError):
                await poll
            assert await link.operate({0: 8.0}, before_s=time.monotonic() + 5.0) is Answer.UNKNOWN
            assert [r.function for r in peer.requests] == [READ, DIRECT]

    run_async(scenario())


def test_command_that_grew_old_while_a_restart_was_cleared_is_not_sent():
    def answer(request: Request) -> bytes:
        if request.function == WRITE:
            return b""
        return fragment(response(request.sequence, floats(GOOD), iin=RESTART))

    async def scenario():
        async with Peer(answer) as peer, linked(peer.port, dead_after=100) as link:
            await link.wait_connected()
            await link.read_analog_inputs()
            with pytest.raises(ExpiredError):
                await link.operate({0: 7.0}, before_s=time.monotonic() + 0.1)
            assert [r.function for r in peer.requests] == [READ, WRITE]

    run_async(scenario())


def test_command_goes_before_polls_that_wait():
    async def scenario():
        async with Peer(good) as peer, linked(peer.port) as link:
            await link.wait_connected()
            polls = [asyncio.create_task(link.read_analog_inputs()) for _ in range(3)]
            await asyncio.sleep(0)
            assert await link.operate({0: 7.0}) is Answer.ACCEPTED
            await asyncio.wait(polls)
            assert [r.function for r in peer.requests] == [READ, DIRECT, READ, READ]

    run_async(scenario())


def test_late_answer_is_not_taken_for_the_next_request():
    """The answer to the first command comes while the second waits: the second is UNKNOWN."""
    late: list[bytes] = []

    def answer(request: Request) -> bytes:
        late.append(good(request))
        return late[0] if len(late) == 2 else b""

    async def scenario():
        async with Peer(answer) as peer, linked(peer.port, dead_after=100) as link:
            await link.wait_connected()
            assert await link.operate({0: 1.0}) is Answer.UNKNOWN
            assert await link.operate({0: 1.0}) is Answer.UNKNOWN
            assert len(peer.requests) == 2

    run_async(scenario())


def test_cancelled_request_leaves_the_link_usable():
    hold = True

    async def scenario():
        nonlocal hold
        async with (
            Peer(lambda request: b"" if hold else good(request)) as peer,
            linked(peer.port, timeout_s=5.0) as link,
        ):
            await link.wait_connected()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.operate({0: 1.0}), 0.05)
            hold = False
            assert await link.operate({0: 2.0}) is Answer.ACCEPTED

    run_async(scenario())


def test_echo_of_another_value_is_not_an_acceptance():
    def answer(request: Request) -> bytes:
        objects = request.objects[:5] + struct.pack("<f", 99.0) + b"\0"
        return fragment(response(request.sequence, objects))

    async def scenario():
        async with Peer(answer) as peer, linked(peer.port) as link:
            await link.wait_connected()
            assert await link.operate({0: 1.0}) is Answer.UNKNOWN

    run_async(scenario())


@pytest.mark.parametrize("iin2", [1, 2, 4])
def test_refusal_by_indications_alone(iin2):
    async def scenario():
        async with (
            Peer(lambda r: fragment(response(r.sequence, iin=bytes([0, iin2])))) as peer,
            linked(peer.port) as link,
        ):
            await link.wait_connected()
            assert await link.operate({0: 1.0}) is Answer.REFUSED
            with pytest.raises(LinkError, match="poll refused"):
                await link.read_analog_inputs()

    run_async(scenario())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_value_that_no_float_carries_is_not_sent(value):
    async def scenario():
        async with Peer(good) as peer, linked(peer.port) as link:
            await link.wait_connected()
            with pytest.raises(ValueError, match="analog output 0"):
                await link.operate({0: value})
            assert peer.requests == []

    run_async(scenario())


def test_peer_that_accepts_and_closes_is_not_stormed():
    async def scenario():
        async with Peer(lambda request: b"") as peer:

            async def close_at_once():
                while True:
                    while peer.writers:
                        peer.writers.pop().close()
                    await asyncio.sleep(0.001)

            closer = asyncio.create_task(close_at_once())
            async with linked(peer.port, backoff_min_s=0.01, backoff_max_s=0.3):
                # Without waits: thousands. With waits that a mere connection resets: over 100.
                await asyncio.sleep(1.0)
            closer.cancel()
            assert 3 <= peer.connects <= 30

    run_async(scenario())


def test_restart_behind_a_living_connection_is_a_new_epoch():
    restarted = True

    def answer(request: Request) -> bytes:
        nonlocal restarted
        if request.function == WRITE:
            assert request.objects == bytes([80, 1, 0, 7, 7, 0])
            restarted = False
        objects = floats(GOOD) if request.function == READ else request.objects
        objects = b"" if request.function == WRITE else objects
        return fragment(response(request.sequence, objects, iin=RESTART if restarted else b"\0\0"))

    async def scenario():
        nonlocal restarted
        async with Peer(answer) as peer, linked(peer.port) as link:
            await link.wait_connected()
            await link.read_analog_inputs()
            await link.read_analog_inputs()
            # Reading writes nothing, not even that: --shadow must not.
            assert [r.function for r in peer.requests] == [READ, READ]
            assert await link.operate({0: 1.0}) is Answer.ACCEPTED
            assert [r.function for r in peer.requests[2:]] == [WRITE, DIRECT]
            assert link.epoch == 1
            restarted = True
            await link.read_analog_inputs()
            assert link.epoch == 2
            assert await link.operate({0: 1.0}) is Answer.ACCEPTED
            assert [r.function for r in peer.requests[4:]] == [READ, WRITE, DIRECT]
            assert peer.connects == 1

    run_async(scenario())


def test_without_a_connection_a_command_raises_and_says_why():
    async def scenario():
        async with Peer(good) as peer:
            port = peer.port
        async with linked(port) as link:
            await until(lambda: "refused" in link.reason)
            with pytest.raises(LinkError, match="refused"):
                await link.operate({0: 1.0})

    run_async(scenario())


def test_config_refuses_what_cannot_work():
    config = Dnp3TcpConfig(
        id="d", outstation_address=1, backoff_min_s=3.0, cert_file="c.pem", backoff_max_s=2.0
    )
    assert [key for key, _ in config.cross_checks()] == [
        "master_address",
        "backoff_max_s",
        "ca_file",
    ]


@pytest.mark.parametrize("seed", range(2))
def test_fuzzed_answers_never_raise_and_are_never_an_acceptance(seed):
    """Whatever comes back, reading it ends; only the whole echo of a command accepts it."""
    rng = random.Random(seed)

    def answer(request: Request) -> bytes:
        objects = b"".join(
            bytes([rng.choice([1, 2, 10, 20, 30, 32, 41, 50, 51, 60, rng.randrange(256)])])
            + bytes([rng.randrange(8), rng.choice([0, 1, 6, 7, 8, 0x17, 0x28])])
            + rng.randbytes(rng.randrange(40))
            for _ in range(rng.randrange(4))
        )
        control = rng.choice([0xC0, 0xC0, 0xC0, 0xE0, 0x80, 0xF0])
        octets = bytearray(
            fragment(response(request.sequence, objects, iin=rng.randbytes(2), control=control))
        )
        if rng.random() < 0.3:
            octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
        return bytes(octets)

    async def scenario():
        async with (
            Peer(answer) as peer,
            linked(peer.port, timeout_s=0.01, backoff_min_s=0.001, backoff_max_s=0.001) as link,
        ):
            for value in range(60):
                await link.wait_connected()
                with contextlib.suppress(LinkError):
                    await link.read_analog_inputs()
                assert await operate_if_up(link, value + 0.5) is not Answer.ACCEPTED
            assert len(peer.requests) > 60

    run_async(scenario())
