"""A replay by several processes says what one by itself says, of broken journals, too."""

import dataclasses
import shutil

import numpy as np
import pytest
from journal_core import write
from journal_plant import only_segment, write_journal

from vppd.core.tick import tick
from vppd.journal.errors import DamageError, JournalError
from vppd.journal.export import rows
from vppd.journal.frames import Kind, frame
from vppd.journal.reader import TickRecord, read
from vppd.journal.replay import replay
from vppd.journal.rerun import WholeTick, rerun
from vppd.journal.scan import SegmentScan, segments
from vppd.journal.verify import Verification, verify


def other_core(state, image, params):
    """A core that differs in two ticks, and hands on another state in a third."""
    after, decision = tick(state, image, params)
    if image.tick in (13, 27):
        decision = dataclasses.replace(decision, served_mw=np.nextafter(decision.served_mw, 1e9))
    if image.tick == 23:  # the last of a segment
        after = dataclasses.replace(after, mode_since_s=1.0)
    return after, decision


def stale_core(state, image, params):
    raise ValueError(f"tick {image.tick}")


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """Five segments of eight ticks, and then a second start of the daemon."""
    folder = tmp_path_factory.mktemp("journal")
    write(folder, 40, segment_s=7.5)
    write(folder, 10, segment_s=7.5, first=40)
    return folder


@pytest.mark.parametrize("core", [tick, other_core])
def test_the_report_is_the_same(journal, core):
    alone = replay(journal, core)
    assert replay(journal, core, processes=2) == alone
    assert (alone.ticks, alone.segments, alone.runs) == (50, 7, 2)
    assert alone.bit_exact is (core is tick)
    if core is other_core:
        assert (alone.first_difference.tick, alone.differing) == (13, 3)


def test_damage_is_told_the_same(journal, tmp_path):
    shutil.copytree(journal, tmp_path, dirs_exist_ok=True)
    third = segments(tmp_path)[2]
    data = bytearray(third.read_bytes())
    data[-900] ^= 1
    third.write_bytes(data)
    alone = replay(tmp_path, tick, skip_damaged=True)
    assert replay(tmp_path, tick, skip_damaged=True, processes=3) == alone
    assert alone.ticks < 50
    assert alone.unread_ticks > 0
    said = []
    for processes in (1, 2):
        with pytest.raises(DamageError) as error:
            replay(tmp_path, tick, processes=processes)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert third.name in said[0]


def test_a_bug_in_the_core_comes_out_where_it_is_asked_for(journal):
    with pytest.raises(JournalError, match=r"vppj: tick 0: the core does not take it: tick 0"):
        replay(journal, stale_core, processes=2)


def test_one_segment_needs_no_second_process(tmp_path):
    write(tmp_path, 3)
    assert only_segment(tmp_path).exists()

    def here(state, image, params):  # could not go to another process
        return tick(state, image, params)

    assert replay(tmp_path, here, processes=4).bit_exact


def test_progress_reaches_the_end(journal):
    for processes in (1, 2):
        told: list[tuple[int, int]] = []
        replay(journal, tick, processes=processes, progress=lambda *way, to=told: to.append(way))
        assert told[-1][0] == told[-1][1] == sum(p.stat().st_size for p in segments(journal))
        assert told == sorted(told)


def test_what_no_core_takes_is_an_error_of_the_journal(tmp_path):
    write_journal(tmp_path, 2)  # its units are of random bits
    with pytest.raises(JournalError, match=r"vppj: tick 0: the core does not take it: .*tree"):
        list(rerun(read(tmp_path), tick))


def test_a_tick_that_differs_has_what_was_recorded_and_the_rest_as_computed(journal):
    steps = [s for s in rerun(read(journal), other_core) if isinstance(s, WholeTick)]
    assert [s.record.image.tick for s in steps if s.difference is not None] == [13, 27]
    step = steps[13]
    assert step.computed.served_mw != step.record.decision.served_mw == step.decision.served_mw
    assert step.decision.promise_up_mw is step.computed.promise_up_mw
    assert steps[12].decision is steps[12].computed


def test_export_has_null_for_what_it_cannot_know(journal):
    found = list(rows(journal, other_core, arrays=True))
    assert (found[12]["headroom_mw"] is None, found[13]["headroom_mw"] is None) == (False, True)
    assert (found[12]["lower_mw"] is None, found[13]["lower_mw"] is None) == (False, True)
    assert found[13]["promise_up_mw"] is None
    assert found[13]["p_setpoint_mw"] == next(rows_of(journal, 13))


def rows_of(journal, number):
    """Setpoints of a tick as they are recorded."""
    for record in read(journal):
        if isinstance(record, TickRecord) and record.image.tick == number:
            yield record.decision.p_setpoint_mw.tolist()


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def cut(path, octets):
    path.write_bytes(path.read_bytes()[:-octets])


DAMAGE = {
    "none": lambda paths: None,
    "a flipped bit": lambda paths: flip(paths[2], -900),
    "a flipped bit in a header": lambda paths: flip(paths[2], 100),
    "a header cut short": lambda paths: paths[-1].write_bytes(paths[-1].read_bytes()[:50]),
    "a segment that is gone": lambda paths: paths[3].unlink(),
    "a segment twice": lambda paths: paths[2].write_bytes(paths[1].read_bytes()),
    "a torn end": lambda paths: cut(paths[-1], 70),
    "a torn segment in the middle": lambda paths: cut(paths[1], 70),
    "bytes behind an end": lambda paths: paths[1].write_bytes(paths[1].read_bytes() + b"x"),
}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_check_beside_the_replay_says_what_one_by_itself_says(
    journal, tmp_path, damage, processes
):
    shutil.copytree(journal, tmp_path, dirs_exist_ok=True)
    damage(segments(tmp_path))
    proof = Verification(tmp_path)
    found = replay(tmp_path, tick, skip_damaged=True, processes=processes, proof=proof)
    assert found == replay(tmp_path, tick, skip_damaged=True)
    assert proof.report() == verify(tmp_path)


def test_a_payload_that_no_writer_wrote_is_no_fault_of_the_chain(journal, tmp_path):
    """It ends the replay of its segment; the check sees the records behind it all the same."""
    shutil.copytree(journal, tmp_path, dirs_exist_ok=True)
    path = segments(tmp_path)[-1]  # no segment links to what is changed here
    data, out = path.read_bytes(), b""
    with SegmentScan(path) as scan:
        out, chain, ticks = data[: scan.header.size], scan.header.chain, 0
        for each in scan:
            ticks += each.kind == Kind.TICK
            payload = b"\xff" * 9 if (each.kind, ticks) == (Kind.TICK, 2) else each.payload
            record, chain = frame(Kind(each.kind), each.flags, each.seq, chain, payload)
            out += record
    path.write_bytes(out)
    proof = Verification(tmp_path)
    found = replay(tmp_path, tick, skip_damaged=True, proof=proof)
    assert len(found.unreadable) == 1
    assert proof.report() == verify(tmp_path)
    assert proof.report().ok
