"""Closed segments are rolled beside the daemon, and retention waits for that: in virtual time."""

import asyncio
from pathlib import Path

import pytest
from virtual_loop import run_virtual

from vppd.journal.rolled import LAST
from vppd.journal.scan import segments
from vppd.runtime.offload import here
from vppd.runtime.roll import LOOK_S, RETRY_S, Roller, main


def begin(folder: Path, number: int) -> Path:
    """A segment, as far as its name goes: nothing here looks into it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:08d}-20261122T100000Z.vppj"
    path.write_bytes(b"")
    return path


class Bench:
    """A journal by names, and an export that writes what is closed, or says why not."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.out = folder / "journal", folder / "tables"
        self.said, self.runs, self.events = "", [], []
        self.roller = Roller(self.journal, self.out, export=self.export, offload=here)

    async def export(self, journal: Path, out: Path) -> str:
        self.runs.append(asyncio.get_running_loop().time())
        if not self.said:
            (out / LAST).mkdir(parents=True, exist_ok=True)
            for path in segments(journal)[:-1]:
                (out / LAST / f"{path.stem}.parquet").write_bytes(b"")
        return self.said

    def during(self, for_s: float, *steps: tuple[float, object]) -> None:
        """Let the roller run in virtual time; `steps` are done at their instants."""

        async def main(loop) -> None:
            for at_s, do in steps:
                loop.call_at(at_s, do)
            put = lambda utc_s, name, **fields: self.events.append((utc_s, name, fields))  # noqa: E731
            job = asyncio.ensure_future(self.roller.run(put, loop.time))
            await asyncio.sleep(for_s)
            job.cancel()

        run_virtual(main)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_segment_is_rolled_once_it_is_closed_and_may_then_go(bench):
    first, second = begin(bench.journal, 1), bench.journal / "00000002-20261122T100000Z.vppj"
    bench.during(200.0, (70.0, lambda: begin(bench.journal, 2)))
    assert bench.runs == [2 * LOOK_S]  # not while it was written, and once
    assert bench.events == [(2 * LOOK_S, "journal_rolled", {"segments": 1, "last": first.name})]
    assert (bench.roller.is_needed(first), bench.roller.is_needed(second)) == (False, True)


def test_what_cannot_be_rolled_is_told_stays_and_is_tried_again(bench):
    bench.said = "Parquet needs pyarrow"
    first = begin(bench.journal, 1)
    begin(bench.journal, 2)
    bench.during(RETRY_S + 1.0, (RETRY_S - 1.0, lambda: setattr(bench, "said", "")))
    assert bench.runs == [0.0, RETRY_S]
    assert [(name, fields) for _, name, fields in bench.events] == [
        ("journal_not_rolled", {"why": "Parquet needs pyarrow"}),
        ("journal_rolled", {"segments": 1, "last": first.name}),
    ]
    assert not bench.roller.is_needed(first)


def test_a_sandbox_that_permits_no_lower_priority_is_no_reason_to_roll_nothing(
    tmp_path, monkeypatch
):
    """That of the shipped unit. What is said is of the journal, which is not there."""

    def refuse(_):
        raise PermissionError("nice")

    monkeypatch.setattr("os.nice", refuse)
    monkeypatch.setattr("sys.argv", ["roll", str(tmp_path / "none"), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="none"):
        main()


def test_no_journal_yet_is_nothing_to_roll(bench):
    bench.during(100.0)
    assert (bench.runs, bench.events) == ([], [])
