"""Every truncation is recovered, every flipped bit is found, no forgery holds."""

import hashlib
import json
import os
import re
import shutil
import tracemalloc
from pathlib import Path

import pytest
from journal_plant import Daemon, fake_tick, only_segment, tick_numbers, write_journal

from vppd.journal import frames
from vppd.journal.errors import DamageError, JournalError, LayoutError
from vppd.journal.frames import HEAD_SIZE, Kind, frame
from vppd.journal.header import FIXED_SIZE, FORMAT, UNCHAINED, read_header
from vppd.journal.reader import EventRecord, SegmentEnd, read
from vppd.journal.recover import recover
from vppd.journal.replay import replay
from vppd.journal.scan import Ending, SegmentScan, header_tail
from vppd.journal.verify import verify


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Folder with one closed segment of 12 records: a state, ten ticks, an end."""
    folder = tmp_path_factory.mktemp("small")
    write_journal(folder, 10, n=1)
    return folder


def scanned(path: Path):
    """Records of a segment, where each ends, and the tail."""
    with SegmentScan(path) as scan:
        found = list(scan)
        return found, [f.offset + HEAD_SIZE + len(f.payload) for f in found], scan.tail


def rewrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def test_the_small_file_is_what_the_other_tests_take_it_for(small):
    found, _, tail = scanned(only_segment(small))
    assert [f.kind for f in found] == [Kind.STATE] + [Kind.TICK] * 10 + [Kind.END]
    assert tail.ending is Ending.CLOSED
    assert verify(small).ok


def test_every_truncation_loses_no_whole_record(small, tmp_path):
    source = only_segment(small)
    data = source.read_bytes()
    found, ends, _ = scanned(source)
    header_size = found[0].offset
    path = tmp_path / source.name
    for size in range(len(data) - 1, header_size - 1, -1):
        rewrite(path, data[:size])
        whole = sum(end <= size for end in ends)
        left, _, tail = scanned(path)
        assert left == found[:whole], size
        assert tail.ending is (Ending.OPEN if size in (header_size, *ends) else Ending.TORN), size
        recovery = recover(tmp_path)
        assert path.stat().st_size == size - recovery.cut_bytes
        assert scanned(path)[0] == found[:whole], size
        assert (recovery.number, recovery.seq) == (2, whole)


def test_every_truncation_of_the_header_is_torn(small, tmp_path):
    source = only_segment(small)
    data = source.read_bytes()
    path = tmp_path / source.name
    header_size = scanned(source)[0][0].offset
    for size in {*range(200), *range(0, header_size, 97), header_size - 1}:
        rewrite(path, data[:size])
        with pytest.raises(LayoutError) as error:
            SegmentScan(path)
        assert header_tail(path, error.value).ending is Ending.TORN, size


def test_every_flipped_bit_of_the_records_is_found(small, tmp_path):
    source = only_segment(small)
    found, ends, _ = scanned(source)
    header_size = found[0].offset
    path = tmp_path / source.name
    shutil.copy(source, path)
    data = source.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for at in range(header_size, len(data)):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([data[at] ^ 1 << bit]), at)
                left, _, tail = scanned(path)
                hit = sum(end <= at for end in ends)
                assert left == found[:hit], (at, bit)
                assert tail.ending is Ending.DAMAGED, (at, bit)
                assert tail.followed is (hit < len(found) - 1), (at, bit)
            os.pwrite(file.fileno(), data[at : at + 1], at)


def test_every_flipped_bit_of_the_header_is_found(small, tmp_path):
    source = only_segment(small)
    data = bytearray(source.read_bytes())
    header_size = scanned(source)[0][0].offset
    path = tmp_path / source.name
    path.write_bytes(data)
    with path.open("r+b", buffering=0) as file:
        for at in range(header_size):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([data[at] ^ 1 << bit]), at)
                file.seek(0)
                with pytest.raises(LayoutError):
                    read_header(file, len(data))
            os.pwrite(file.fileno(), data[at : at + 1], at)
    assert verify(path).ok


@pytest.mark.parametrize("zeros", [1, 59, 60, 61, 4096])
def test_a_tail_of_zeros_is_torn_and_cut(small, tmp_path, zeros):
    """What ext4 leaves after a power cut where the size was written before the data."""
    source = only_segment(small)
    found, ends, _ = scanned(source)
    path = tmp_path / source.name
    rewrite(path, source.read_bytes()[: ends[4]] + bytes(zeros))
    assert scanned(path)[2].ending is Ending.TORN
    recovery = recover(tmp_path)
    assert (recovery.cut_bytes, recovery.offset) == (zeros, ends[4])
    assert scanned(path)[0] == found[:5]


def test_the_chain_goes_on_over_a_torn_tail(tmp_path):
    write_journal(tmp_path, 10)
    first = only_segment(tmp_path)
    os.truncate(first, scanned(first)[1][-2] - 7)  # within the last tick
    assert verify(tmp_path).torn[0].what == "incomplete record"
    daemon = Daemon(tmp_path)
    daemon.run(20, 25)
    daemon.writer.close()
    report = verify(tmp_path)
    assert report.ok
    assert report.torn == ()
    assert tick_numbers(tmp_path) == [*range(9), *range(20, 25)]
    (told,) = [r for r in read(tmp_path) if isinstance(r, EventRecord)]
    assert told.event == "journal_recovered"
    assert told.fields["segment"] == first.name
    assert told.fields["ending"] == "torn"
    assert told.fields["cut_bytes"] > 0
    replayed = replay(tmp_path, fake_tick)
    assert (replayed.ticks, replayed.bit_exact, replayed.runs) == (14, True, 2)


def test_a_start_does_not_touch_a_segment_that_is_damaged_in_the_middle(tmp_path):
    write_journal(tmp_path, 10)
    first = only_segment(tmp_path)
    data = bytearray(first.read_bytes())
    data[scanned(first)[0][5].offset + HEAD_SIZE] ^= 1
    first.write_bytes(data)
    daemon = Daemon(tmp_path)
    assert daemon.writer.status().error == ""
    daemon.run(20, 25)
    daemon.writer.close()
    assert first.read_bytes() == bytes(data)
    assert str(verify(tmp_path).fault).startswith(f"{first.name}: record 5 at byte ")
    with pytest.raises(DamageError, match=r"record 5 at byte .*: checksum"):
        tick_numbers(tmp_path)
    assert tick_numbers(tmp_path, skip_damaged=True) == [*range(4), *range(20, 25)]
    replayed = replay(tmp_path, fake_tick, skip_damaged=True)
    assert (replayed.ticks, replayed.bit_exact) == (9, True)
    (place,) = replayed.unreadable
    assert re.fullmatch(rf"{first.name}: record 5 at byte \d+: checksum", place)
    assert replayed.unread_ticks == 6
    # The new segment links to the last record of the damaged one, and holds by itself.
    assert verify(sorted(tmp_path.iterdir())[1]).ok


def test_a_header_cut_short_is_no_reason_not_to_start(tmp_path):
    write_journal(tmp_path, 5)
    begun = tmp_path / "00000002-undated.vppj"
    begun.write_bytes(only_segment(tmp_path).read_bytes()[:100])
    daemon = Daemon(tmp_path)
    daemon.run(10, 12)
    daemon.writer.close()
    assert not begun.exists()
    assert verify(tmp_path).ok
    assert tick_numbers(tmp_path) == [0, 1, 2, 3, 4, 10, 11]


def test_a_damaged_header_is_kept_and_named(tmp_path):
    write_journal(tmp_path, 5)
    first = only_segment(tmp_path)
    data = bytearray(first.read_bytes())
    data[FIXED_SIZE + 5] ^= 1
    first.write_bytes(data)
    daemon = Daemon(tmp_path)
    daemon.run(10, 12)
    daemon.writer.close()
    assert first.read_bytes() == bytes(data)
    assert str(verify(tmp_path).fault) == f"{first.name}: record 0 at byte 0: header: checksum"
    with pytest.raises(LayoutError, match=f"{first.name}: record 0 at byte 0: header: checksum"):
        tick_numbers(tmp_path)
    assert tick_numbers(tmp_path, skip_damaged=True) == [10, 11]
    assert replay(tmp_path, fake_tick, skip_damaged=True).unread_ticks == 5


def test_ticks_that_are_cut_out_of_the_middle_are_counted(tmp_path):
    """What the damage swallowed shows in the sequence of what comes after it."""
    write_journal(tmp_path, 10)
    first = only_segment(tmp_path)
    data, found = first.read_bytes(), scanned(first)[0]
    rewrite(first, data[: found[4].offset] + bytes(99) + data[found[7].offset :])
    assert replay(tmp_path, fake_tick, skip_damaged=True).unread_ticks == 10 - 3
    rewrite(first, data[: found[4].offset] + bytes(99) + b"nothing holds any more")
    report = replay(tmp_path, fake_tick)
    assert (report.ticks, report.unread_ticks, len(report.unreadable)) == (3, 1, 1)


def forge(path: Path, at: int, payload: bytes, *, to_the_end: bool) -> None:
    """Replace the payload of a record, with a checksum and chain that fit the place."""
    data = path.read_bytes()
    with SegmentScan(path) as scan:
        chain = scan.chain
        out = data[: scan.offset]
        for i, f in enumerate(scan):
            new = payload if i == at else f.payload
            if i < at or i == at or to_the_end:
                record, chain = frame(Kind(f.kind), f.flags, f.seq, chain, new)
                out += record
            else:
                out += data[f.offset : f.offset + HEAD_SIZE + len(f.payload)]
    path.write_bytes(out)


def test_a_forged_record_is_named(tmp_path):
    write_journal(tmp_path, 10)
    path = only_segment(tmp_path)
    other = scanned(path)[0][7].payload
    forge(path, 4, other, to_the_end=False)
    fault = verify(tmp_path).fault
    assert (fault.seq, fault.what) == (5, "hash chain")


def test_a_forged_last_record_is_evidence_and_not_cut(tmp_path):
    write_journal(tmp_path, 10)
    path = only_segment(tmp_path)
    end = scanned(path)[0][-1]
    record, _ = frame(Kind.END, 0, end.seq, b"another chain", b'{"reason":"closed"}')
    path.write_bytes(path.read_bytes()[: end.offset] + record)
    assert verify(tmp_path).fault.what == "hash chain"
    recovery = recover(tmp_path)
    assert (recovery.cut_bytes, recovery.what) == (0, "hash chain")
    assert path.read_bytes().endswith(record)


def test_forging_a_whole_segment_breaks_the_link_to_the_next(tmp_path):
    write_journal(tmp_path, 30, segment_ticks=10)
    first, second, _ = sorted(tmp_path.iterdir())
    forge(first, 4, scanned(first)[0][7].payload, to_the_end=True)
    fault = verify(tmp_path).fault
    assert (fault.segment, fault.offset) == (second.name, 0)
    assert fault.what == "does not link to the segment before it"
    assert verify(first).ok  # alone it holds: who wants to know keeps the head


@pytest.mark.parametrize("what", ["removed", "doubled", "swapped"])
def test_records_out_of_their_order_are_found(tmp_path, what):
    write_journal(tmp_path, 10)
    path = only_segment(tmp_path)
    data = path.read_bytes()
    found, ends, _ = scanned(path)
    cut = [data[: found[0].offset]] + [
        data[f.offset : end] for f, end in zip(found, ends, strict=True)
    ]
    if what == "removed":
        del cut[5]
    elif what == "doubled":
        cut.insert(5, cut[5])
    else:
        cut[5], cut[6] = cut[6], cut[5]
    path.write_bytes(b"".join(cut))
    assert verify(tmp_path).fault.what.startswith("sequence")
    size = path.stat().st_size
    recover(tmp_path)
    assert path.stat().st_size == size  # evidence is not cut


def test_a_segment_removed_from_the_middle_is_found(tmp_path):
    write_journal(tmp_path, 30, segment_ticks=10)
    _, second, third = sorted(tmp_path.iterdir())
    second.unlink()
    assert verify(tmp_path).fault.segment == third.name


def test_removed_ends_show_in_the_report(tmp_path):
    write_journal(tmp_path, 30, segment_ticks=10)
    whole = verify(tmp_path)
    assert (whole.ok, whole.whole, whole.closed, whole.ticks) == (True, True, True, 30)
    first, _, third = sorted(tmp_path.iterdir())
    first.unlink()
    assert not verify(tmp_path).whole
    os.truncate(third, scanned(third)[1][-2])
    short = verify(tmp_path)
    assert (short.ok, short.closed) == (True, False)
    assert short.head != whole.head


def test_bytes_after_the_end_record_are_damage(small, tmp_path):
    source = only_segment(small)
    path = tmp_path / source.name
    rewrite(path, source.read_bytes() + b"more")
    assert verify(path).fault.what == "bytes after the end record"


def hostile(small: Path, path: Path, *, prelude: dict[int, bytes] | None = None) -> None:
    data = bytearray(only_segment(small).read_bytes())
    for at, new in (prelude or {}).items():
        data[at : at + len(new)] = new
    path.write_bytes(data)


@pytest.mark.parametrize("at", [12, 16])  # length of the JSON, length of the Params
def test_a_huge_length_in_the_header_allocates_nothing(small, tmp_path, at):
    path = tmp_path / "x.vppj"
    hostile(small, path, prelude={at: b"\xff\xff\xff\x7f"})
    tracemalloc.start()
    with pytest.raises(LayoutError):
        list(read(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_huge_length_of_a_record_allocates_nothing(small, tmp_path):
    source = only_segment(small)
    found, _, _ = scanned(source)
    with SegmentScan(source) as scan:
        chain = scan.chain
    for length in (frames.PAYLOAD_MAX, frames.PAYLOAD_MAX + 1, 2**32 - 1):
        record, _ = frame(Kind.TICK, 0, 0, chain, b"x" * 100)
        first = record[:8] + length.to_bytes(4, "little") + record[12:20]
        head = first + frames.zlib.crc32(first).to_bytes(4, "little") + record[24:]
        path = tmp_path / source.name
        rewrite(path, source.read_bytes()[: found[0].offset] + head)
        tracemalloc.start()
        *_, end = read(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(end, SegmentEnd)
        assert end.tail.ending is (Ending.TORN if length == frames.PAYLOAD_MAX else Ending.DAMAGED)
        assert peak < 4 << 20


def seal(path: Path, text: bytes, packed: bytes, records: bytes = b"", form: int = FORMAT) -> None:
    """A header with any JSON, sealed as the writer does."""
    prelude = b"VPPDJRNL" + form.to_bytes(4, "little") + len(text).to_bytes(4, "little")
    prelude += len(packed).to_bytes(8, "little") + bytes([1] + [0] * 7) + bytes(8) + UNCHAINED
    crc = frames.zlib.crc32(prelude + text + packed).to_bytes(4, "little")
    path.write_bytes(prelude + crc + text + packed + records)


def header_json(small: Path) -> tuple[dict, bytes]:
    with SegmentScan(only_segment(small)) as scan:
        return json.loads(scan.header.text), scan.header.packed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("schema"), "holds no schema"),
        (lambda d: d["schema"].pop("image"), "holds no schema"),
        (lambda d: d["schema"]["image"].append(["x", "f8", ""]), "layout hash"),
        (lambda d: d["schema"]["image"].append(["x", "c16", ""]), "unknown type c16"),
        (lambda d: d["schema"]["image"].append([["x"], "f8", ""]), "not a list of columns"),
        (lambda d: d["schema"].update(image=[["x", "f8", ""]] * 2), "column twice"),
        (lambda d: d["schema"].update(coding=[["kept.tick"]]), "coding is not a list"),
        (lambda d: d["schema"].update(coding=[["kept.tick", "hold", "-1"]]), "not a list"),
        (lambda d: d["text"].update(ids="x"), "units are not named"),
        (lambda d: d["text"].update(ids=["a"] * 100_000), "units are not named"),
        (
            lambda d: d["text"].update(ids=["a"] * 9, kinds=["b"] * 9),
            "Params: .* bytes instead of",
        ),
        (lambda d: d.update(site=None), "no site"),
        (lambda d: d.update(software=[]), "no software"),
    ],
)
def test_a_header_that_no_writer_made_is_refused(small, tmp_path, change, message):
    data, packed = header_json(small)
    change(data)
    path = tmp_path / "x.vppj"
    seal(path, json.dumps(data).encode(), packed)
    with pytest.raises(LayoutError, match=message):
        list(read(path))


@pytest.mark.parametrize("text", [b"[" * 200_000, b"\xff", b"[]", b"1" * 5000, b'{"a": NaN'])
def test_json_that_no_writer_made_is_refused(tmp_path, text):
    path = tmp_path / "x.vppj"
    seal(path, text, b"")
    with pytest.raises(LayoutError):
        list(read(path))


def test_another_layout_is_refused_by_name_and_still_verified(small, tmp_path):
    data, packed = header_json(small)
    data["schema"]["decision"].append(["gone_mw", "f8", ""])
    text = json.dumps(data["schema"], separators=(",", ":"), sort_keys=True)
    data["layout"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = tmp_path / "00000001-x.vppj"
    seal(path, json.dumps(data).encode(), packed)
    with pytest.raises(LayoutError, match=r"Decision\.gone_mw of the file is unknown"):
        list(read(path))
    assert verify(path).ok
    daemon = Daemon(tmp_path)  # a daemon of this version goes on after it
    daemon.run(0, 3)
    daemon.writer.close()
    assert verify(tmp_path).ok
    assert tick_numbers(tmp_path, skip_damaged=True) == [0, 1, 2]


def test_a_record_with_a_good_chain_and_a_bad_payload_is_damage(small, tmp_path):
    path = tmp_path / "x.vppj"
    shutil.copy(only_segment(small), path)
    forge(path, 3, b"no tick has bytes behind it " * 100, to_the_end=True)
    assert verify(path).ok
    with pytest.raises(DamageError, match="record 3 at byte"):
        list(read(path))


def test_a_file_of_false_starts_is_searched_in_bounded_time(tmp_path):
    write_journal(tmp_path, 2)
    path = only_segment(tmp_path)
    end = scanned(path)[1][-2]
    rewrite(path, path.read_bytes()[:end] + b"?" + frames.MAGIC * 100_000)
    assert scanned(path)[2].followed is False
    rewrite(path, path.read_bytes() + frames.MAGIC * 200_000)
    assert scanned(path)[2].followed is True  # too many to look at: nobody knows, nothing is cut
    assert recover(tmp_path).cut_bytes == 0


@pytest.mark.parametrize("content", [None, b"not a journal at all", b"VPPDJRNL\x09" + bytes(200)])
def test_what_is_no_journal_is_refused(tmp_path, content):
    path = tmp_path / "x.vppj"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(JournalError):
        list(read(path))
    if content == b"not a journal at all":
        with pytest.raises(JournalError, match=r"x\.vppj: not a journal$"):
            verify(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(JournalError, match="no segment"):
        verify(tmp_path / "empty")


def test_a_journal_of_the_first_format_is_verified_and_refused_with_what_to_do(small, tmp_path):
    data, packed = header_json(small)
    path = tmp_path / "00000001-x.vppj"
    seal(path, json.dumps(data).encode(), packed, form=1)
    assert verify(path).ok
    with pytest.raises(LayoutError, match=r"format 1, this version reads 2: .*take vppd 0\.1\.0"):
        list(read(path))
