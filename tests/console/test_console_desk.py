"""The desk while something else happens: a slow disk, another operator, a reload, an expiry."""

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders import params

from vppd.core.orders import StopOrder, UnitOrder
from vppd.ops.api.wire import Kind
from vppd.ops.orders import book as books
from vppd.ops.orders.book import Book, expired, load, rekeyed
from vppd.runtime import ordering
from vppd.runtime.console import Console
from vppd.runtime.ordering import Desk

pytestmark = pytest.mark.timeout(30)


class Floor:
    """A plant under way; remembers what was put in force, and when."""

    def __init__(self, n: int) -> None:
        self.setpoint_mw = np.zeros(n)
        self.put: list[tuple[Book, bool]] = []

    def in_force(self, book: Book, *, at_once: bool) -> None:
        self.put.append((book, at_once))


class SlowDisk:
    """Holds each write until `go`; says whether two were ever at it at once."""

    def __init__(self, monkeypatch) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.writing = self.most = 0
        self.fails = False
        monkeypatch.setattr(ordering, "save", self.save)

    def save(self, *args: Any) -> None:
        self.writing += 1
        self.most = max(self.most, self.writing)
        self.begun.set()
        try:
            assert self.go.wait(20.0)
            if self.fails:
                raise OSError(28, "No space left on device")
            books.save(*args)
        finally:
            self.writing -= 1


@pytest.fixture
def disk(monkeypatch) -> SlowDisk:
    return SlowDisk(monkeypatch)


class Room:
    """A desk, its floor, its file, and what went into the journal."""

    def __init__(self, path, n: int = 3) -> None:
        self.path, self.params = path, params(n)
        self.utc_s = 1000.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.floor = Floor(n)
        self.desk = Desk(
            self.floor, self.params, Book(), path, lambda: self.utc_s,
            lambda _, event, **fields: self.told.append((event, fields)),
        )  # fmt: skip

    def order(self, who: str = "otto", seen: int | None = None, **order: Any) -> "asyncio.Future":
        request = {"do": "order", "who": who, "why": "a test", "order": order, "seen": seen}
        return asyncio.ensure_future(self.desk.take(request))

    def hold(self, *units: int, who: str = "otto", seen: int | None = None, **more: Any):
        ids = [self.params.ids[i] for i in units]
        return self.order(who, seen, kind="hold", units=ids, p_mw=0.5, **more)

    def names(self, event: str) -> list[str]:
        return [fields["who"] for name, fields in self.told if name == event]

    def reload(self, n: int, drop: int = -1) -> None:
        """Take over a fleet: without the unit at `drop`, and of `n` units."""
        keep = [i for i in range(n + (drop >= 0)) if i != drop][:n]
        now = params(n, ids=tuple(self.params.ids[i] for i in keep))
        book, _ = rekeyed(self.desk.book, self.params, now)
        self.floor.setpoint_mw = np.zeros(n)
        self.params = now
        self.desk.of_plant(now, book)

    def file(self) -> Book:
        return load(self.params, self.path)[0]


@pytest.fixture
def room(tmp_path) -> Room:
    return Room(tmp_path / "orders.json")


async def at_the_disk(disk: SlowDisk) -> None:
    await asyncio.to_thread(disk.begun.wait, 20.0)


async def settled(room: Room) -> None:
    while room.desk._ending:
        await asyncio.sleep(0.005)


def test_an_order_that_expires_during_a_write_does_not_share_the_file(tmp_path, monkeypatch):
    async def play() -> None:
        room = Room(tmp_path / "orders.json")
        await room.hold(0, expires_in_s=60.0)
        disk = SlowDisk(monkeypatch)
        giving = room.hold(1)
        await at_the_disk(disk)
        room.utc_s = 1100.0
        room.desk.ended(*expired(room.desk.book, room.utc_s))
        disk.go.set()
        assert (await giving)["ok"]
        await settled(room)
        assert disk.most == 1
        assert [entry.order.units for entry in room.desk.book.entries] == [(1,)]
        assert room.file().entries == room.desk.book.entries

    asyncio.run(play())


def test_an_order_that_meets_a_reload_is_for_the_unit_of_its_name(room, disk):
    async def play() -> None:
        name = room.params.ids[2]
        giving = room.hold(2)
        await at_the_disk(disk)
        room.reload(2, drop=0)  # what was unit 2 is unit 1 now
        disk.go.set()
        assert (await giving)["ok"]
        (entry,) = room.desk.book.entries
        assert [room.params.ids[i] for i in entry.order.units] == [name]

    asyncio.run(play())


def test_an_order_whose_unit_is_removed_meanwhile_is_refused_and_not_left_in_the_file(room, disk):
    async def play() -> None:
        giving = room.hold(2)
        await at_the_disk(disk)
        room.reload(2)
        disk.go.set()
        answer = await giving
        assert not answer["ok"]
        assert "there is no unit" in answer["error"]
        assert room.desk.book.entries == room.file().entries == ()
        assert room.names("order_refused") == ["otto"]
        assert room.names("order_given") == []

    asyncio.run(play())


def test_a_plan_that_meets_a_reload_is_not_one_of_another_fleet(room, disk):
    async def play() -> None:
        plan = {"basepoint_mw": dict.fromkeys(room.params.ids, 0.0), "up_mw": 1.0, "down_mw": 1.0}
        request = {"do": "propose", "who": "elsa", "why": "a test", "plan": plan}
        proposing = asyncio.ensure_future(room.desk.take(request))
        await at_the_disk(disk)
        room.reload(2)
        disk.go.set()
        assert "no other" in (await proposing)["error"]
        assert room.desk.book.plans == room.file().plans == ()

    asyncio.run(play())


def test_an_emergency_stop_waits_for_no_disk_and_no_other_order(room, disk):
    async def play() -> None:
        holding = room.hold(0)
        await at_the_disk(disk)
        stopping = room.order("vera", kind="emergency_stop")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (put,) = room.floor.put
        assert put[1]  # at once
        assert isinstance(put[0].entries[-1].order, StopOrder)
        disk.go.set()
        assert (await holding)["ok"]
        assert (await stopping)["ok"]
        assert any(isinstance(entry.order, StopOrder) for entry in room.desk.book.entries)
        assert room.file().entries == room.desk.book.entries

    asyncio.run(play())


def test_an_emergency_stop_that_cannot_be_written_down_is_in_force_and_says_so(room, disk):
    async def play() -> None:
        disk.fails = True
        disk.go.set()
        answer = await room.order(kind="emergency_stop")
        assert answer["ok"]
        assert "a restart will forget it" in answer["order"]
        assert room.names("order_given") == ["otto"]
        assert isinstance(room.desk.book.entries[0].order, StopOrder)

    asyncio.run(play())


def test_an_order_that_cannot_be_written_down_is_not_in_force(room, disk):
    async def play() -> None:
        disk.fails = True
        disk.go.set()
        answer = await room.hold(0)
        assert "could not be written down" in answer["error"]
        assert room.floor.put == []

    asyncio.run(play())


def test_of_two_operators_who_looked_at_once_the_second_looks_again(room):
    async def play() -> None:
        seen = room.desk.book.newest
        assert (await room.hold(0, who="otto", seen=seen))["ok"]
        late = await room.order("elsa", seen, kind="lock_out", units=[room.params.ids[0]])
        assert "was given since its effect was shown" in late["error"]
        (entry,) = room.desk.book.entries
        assert isinstance(entry.order, UnitOrder)
        assert entry.who == "otto"
        again = await room.order(
            "elsa", room.desk.book.newest, kind="lock_out", units=[room.params.ids[0]]
        )
        assert again["ok"]
        assert (await room.order("otto", seen, kind="emergency_stop"))["ok"]  # never too late

    asyncio.run(play())


def test_each_order_has_a_number_of_its_own_also_one_that_ends_others(room):
    async def play() -> None:
        numbers = [(await room.hold(0))["number"]]
        numbers.append((await room.order(kind="release", units=[room.params.ids[0]]))["number"])
        numbers.append((await room.hold(1))["number"])
        numbers.append((await room.order(kind="cancel", number=numbers[-1]))["number"])
        assert numbers == sorted(set(numbers))

    asyncio.run(play())


def test_an_answer_goes_to_the_process_that_asked():
    """After a reload another api process counts its requests from 1 again."""

    class Pipe:
        def __init__(self) -> None:
            self.sent: list[tuple[Kind, Any]] = []

        def send(self, kind: Kind, payload: bytes) -> None:
            self.sent.append((kind, json.loads(payload)))

    async def play() -> None:
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        async def take(_: dict[str, Any]) -> dict[str, Any]:
            return await done

        old, new = Pipe(), Pipe()
        console = Console.__new__(Console)
        console._pipe, console.desk = old, SimpleNamespace(take=take)
        console.publish_status = lambda: None
        console._take(b'{"id": 1, "do": "order"}')
        console._pipe = new
        done.set_result({"ok": True})
        await asyncio.sleep(0.01)
        assert old.sent == [(Kind.ANSWER, {"id": 1, "ok": True})]
        assert new.sent == []

    asyncio.run(play())
