"""Signed heads: who signs, up to where, and what shows when somebody changes, cuts or forges."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from journal_plant import ABOUT, UTC_S, Daemon, tick_numbers

from vppd.cli import main
from vppd.journal.frames import HEAD_SIZE, Kind, first_bytes, frame
from vppd.journal.heads import PAYLOAD_SIZE, Place, head_payload, key_id, parse_payload
from vppd.journal.items import Limits
from vppd.journal.keys import BadKeyError, KeySigner, load_signer, public_key_of, write_new_key
from vppd.journal.reader import read
from vppd.journal.scan import SegmentScan
from vppd.journal.verify import verify

SCRIPT = Path(__file__).parents[2] / "tools" / "verify_journal.py"
TICKS = 30


@pytest.fixture(scope="session")
def signer(tmp_path_factory):
    return write_new_key(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    return write_new_key(tmp_path_factory.mktemp("other") / "key.pem")


def write(folder: Path, signer, ticks: int = TICKS, **limits: float) -> Daemon:
    """A journal of ticks with an order every five, closed in order."""
    daemon = Daemon(
        folder, limits=Limits(**{"segment_s": 10.0, "sign_every_s": 4.0} | limits),
        signer=signer, with_events=True,
    )  # fmt: skip
    for number in range(ticks):
        if number % 5 == 2:
            daemon.writer.put_event(UTC_S + number, "order", number=number)
        assert daemon.tick(number)
    assert daemon.writer.close()
    return daemon


@pytest.fixture(scope="session")
def signed(tmp_path_factory, signer):
    """Folder with three closed segments of ticks, and their events."""
    folder = tmp_path_factory.mktemp("signed") / "journal"
    write(folder, signer)
    return folder


@pytest.fixture
def copy(signed, tmp_path):
    folder = tmp_path / "journal"
    shutil.copytree(signed, folder)
    return folder


def ticks_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.vppj"))


def records(path: Path):
    """Each record's frame, bytes and the chain before it."""
    data, out = path.read_bytes(), []
    with SegmentScan(path) as scan:
        before = scan.chain
        for f in scan:
            out.append((f, data[f.offset : f.offset + HEAD_SIZE + len(f.payload)], before))
            before = scan.chain
    return out


def script(folder: Path, key: bytes | None = None) -> tuple[int, str]:
    """What the independent script says."""
    command = [sys.executable, str(SCRIPT), str(folder)] + ([] if key is None else [key.hex()])
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return run.returncode, run.stdout + run.stderr


def vppd(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_whole_journal_is_signed_up_to_its_last_record(signed, signer):
    report = verify(signed, keys=[signer.public_key])
    assert report.fault is None
    assert (report.ticks, report.segments, report.closed, report.whole) == (TICKS, 3, True, True)
    assert (report.unsigned, report.key_given, report.events) == (0, True, 6)
    last = ticks_of(signed)[-1]
    with SegmentScan(last) as scan:
        frames = list(scan)
    assert [f.kind for f in frames[-2:]] == [Kind.END, Kind.HEAD]
    assert (report.signed.segment, report.signed.seq) == (last.name, frames[-1].seq)
    assert report.signed.key_id == key_id(signer.public_key).hex()
    assert report.events_signed.segment.startswith("00000001-")
    assert tick_numbers(signed) == list(range(TICKS))


def test_each_segment_names_the_key_and_ends_with_a_signed_head(signed, signer):
    for path in ticks_of(signed):
        assert next(read(path)).header.about == replace(ABOUT, public_key=signer.public_key.hex())
        report = verify(path, keys=[signer.public_key])
        assert (report.fault, report.unsigned, report.closed) == (None, 0, True)


def test_heads_come_as_often_as_asked_for(signed, tmp_path, signer):
    heads = [f for p in ticks_of(signed) for f, _, _ in records(p) if f.kind == Kind.HEAD]
    write(tmp_path, signer, sign_every_s=1.0)
    often = [f for p in ticks_of(tmp_path) for f, _, _ in records(p) if f.kind == Kind.HEAD]
    # Ten ticks of 1 s a segment: at the ticks 0, 4 and 8 of the first, 4 and 8 of the others.
    assert len(heads) == 3 + 2 + 2 + 3
    assert len(often) == TICKS - 2 + 3 + 0
    assert all(parse_payload(f.payload).is_signed for f in heads + often)


def test_without_a_key_both_chains_are_bound_and_nothing_is_signed(tmp_path):
    write(tmp_path, None)
    report = verify(tmp_path)
    assert (report.fault, report.signed, report.key_ids, report.has_events) == (
        None,
        None,
        (),
        True,
    )
    said = vppd("verify", tmp_path)
    assert said.exit_code == 0
    assert "NOT SIGNED" in said.output
    assert script(tmp_path)[0] == 0


def test_a_journal_that_is_not_signed_does_not_pass_for_one_that_is(tmp_path, signer):
    write(tmp_path, None)
    fault = verify(tmp_path, keys=[signer.public_key]).fault
    assert fault.what == "no head is signed with the key given"
    assert script(tmp_path, signer.public_key)[0] == 1


def test_another_key_does_not_hold(signed, other):
    report = verify(signed, keys=[other.public_key])
    assert report.fault.what.startswith("signed with another key")
    assert script(signed, other.public_key)[0] == 1
    assert vppd("verify", signed, "--key", other.public_key.hex()).exit_code == 1


def test_each_of_two_keys_may_sign(tmp_path, signer, other):
    write(tmp_path, signer)
    daemon = Daemon(tmp_path, signer=other, with_events=True)
    daemon.run(100, 103)
    daemon.writer.close()
    both = [signer.public_key, other.public_key]
    assert verify(tmp_path, keys=both).fault is None
    assert set(verify(tmp_path).key_ids) == {key_id(k).hex() for k in both}
    assert verify(tmp_path, keys=both[:1]).fault.segment == ticks_of(tmp_path)[3].name


def rewritten(path: Path, change, signer=None) -> None:
    """Write a segment anew from the first changed payload on, with every chain and checksum.

    `change(i, frame)` gives the payload of record i. Heads are signed with `signer`, or copied.
    """
    out = b""
    chain, dirty = None, False
    for i, (f, data, before) in enumerate(records(path)):
        chain = before if chain is None else chain
        payload = change(i, f)
        dirty = dirty or payload != f.payload
        if not dirty:
            out, chain = out + data, f_chain(data)
            continue
        if f.kind == Kind.HEAD and signer is not None:
            said = parse_payload(payload)
            first = first_bytes(Kind.HEAD, 0, PAYLOAD_SIZE, f.seq)
            payload = head_payload(chain, first, said.other, said.utc_s, signer)
        data, chain = frame(Kind(f.kind), f.flags, f.seq, chain, payload)
        out += data
    with SegmentScan(path) as scan:
        header = path.read_bytes()[: scan.header.size]
    path.write_bytes(header + out)


def f_chain(data: bytes) -> bytes:
    return data[24:56]


def test_a_writer_without_the_key_cannot_write_a_segment_anew(copy, signer, other):
    last = ticks_of(copy)[-1]
    tick = next(i for i, (f, _, _) in enumerate(records(last)) if f.kind == Kind.TICK)
    rewritten(last, lambda i, f: f.payload + b"x" if i == tick else f.payload)
    report = verify(copy, keys=[signer.public_key])
    assert "the signature of key" in report.fault.what
    assert script(copy, signer.public_key)[0] == 1
    assert "the signature of key" in verify(last).fault.what  # held to the key that it names


def test_who_signs_anew_with_a_key_of_his_own_is_found_by_the_right_one(copy, signer, other):
    last = ticks_of(copy)[-1]
    rewritten(last, lambda i, f: f.payload[:-1] if i == 1 else f.payload, other)
    assert verify(copy, keys=[signer.public_key]).fault.what.startswith("signed with another key")
    assert script(copy, signer.public_key)[0] == 1


def test_signatures_that_are_taken_out_leave_an_end_that_is_not_signed(copy, signer):
    """The tail is written anew without a signature, and closed."""
    shutil.rmtree(copy / "events")
    last = ticks_of(copy)[-1]
    blank = bytes(64)
    rewritten(
        last, lambda i, f: f.payload[:-64] + blank if f.kind == Kind.HEAD and i > 5 else f.payload
    )
    report = verify(copy, keys=[signer.public_key])
    assert report.fault.what == "the end is not signed"
    assert script(copy, signer.public_key)[0] == 1


def test_a_tail_cut_off_shows_by_the_events(copy, signer):
    last = ticks_of(copy)[-1]
    found = records(last)
    at = [f.offset for f, _, _ in found if f.kind == Kind.TICK][-1]
    os.truncate(last, at)
    fault = verify(copy, keys=[signer.public_key]).fault
    assert fault.segment.startswith("events/")
    assert "cut off" in fault.what
    assert verify(copy).fault == fault  # no key is needed for that
    last.unlink()
    assert "cut off" in verify(copy).fault.what


def test_a_tail_of_the_events_cut_off_shows_by_the_ticks(copy, signer):
    (events,) = ticks_of(copy / "events")
    found = records(events)
    os.truncate(events, found[4][0].offset)
    fault = verify(copy).fault
    assert not fault.segment.startswith("events/")
    assert "the events went to" in fault.what
    shutil.rmtree(copy / "events")
    report = verify(copy, keys=[signer.public_key])  # a day that was handed over without them
    assert (report.fault, report.has_events) == (None, False)
    assert "events are not here" in vppd("verify", copy).output


def test_an_event_that_is_written_anew_shows_by_the_ticks(copy):
    (events,) = ticks_of(copy / "events")
    rewritten(events, lambda i, f: f.payload.replace(b'"number":2}', b'"number":3}'))
    assert verify(copy).fault is not None


def test_ticks_that_are_written_anew_show_by_the_events(tmp_path):
    write(tmp_path, None, segment_s=1e9)
    (path,) = ticks_of(tmp_path)
    rewritten(path, lambda i, f: b'{"event":"x"}' if f.kind == Kind.EVENT else f.payload)
    fault = verify(tmp_path).fault
    assert fault.segment.startswith("events/")
    assert fault.what == "the ticks it was written beside were others"


def test_a_head_that_was_kept_elsewhere_finds_a_cut(copy, tmp_path, signer):
    shutil.rmtree(copy / "events")
    heads = [f_chain(data) for p in ticks_of(copy) for f, data, _ in records(p)]
    places = [Place(-1, head) for head in heads]
    assert verify(copy, heads=places).heads == len(heads)
    last = ticks_of(copy)[-1]
    os.truncate(last, records(last)[-2][0].offset)
    fault = verify(copy, heads=places).fault
    assert fault.what == f"head {heads[-2].hex()} is not there: cut off, or written anew"
    assert verify(copy, heads=places[:-2]).fault is None
    said = vppd("verify", copy, "--head", heads[-1].hex())
    assert (said.exit_code, heads[-1].hex() in said.output) == (1, True)
    assert vppd("verify", copy, "--head", heads[0].hex()).exit_code == 0
    assert vppd("verify", copy, "--head", "12").exit_code == 2


@pytest.mark.parametrize("name", ["removed", "doubled", "swapped", "inserted", "end"])
def test_both_verifiers_find_records_out_of_their_order(copy, signer, name):
    path = ticks_of(copy)[1]
    found = [data for _, data, _ in records(path)]
    with SegmentScan(path) as scan:
        header = path.read_bytes()[: scan.header.size]
    if name == "removed":
        del found[4]
    elif name == "doubled":
        found.insert(4, found[4])
    elif name == "swapped":
        found[4], found[5] = found[5], found[4]
    elif name == "inserted":
        found.insert(4, frame(Kind.EVENT, 0, 4, bytes(32), b"{}")[0])
    else:
        found.append(found[-1])
    path.write_bytes(header + b"".join(found))
    assert verify(copy).fault.segment == path.name
    assert script(copy)[0] == 1
    assert script(copy, signer.public_key)[0] == 1


def test_the_script_agrees_on_a_whole_journal(signed, signer):
    code, said = script(signed, signer.public_key)
    assert code == 0, said
    assert verify(signed).head in said
    assert "signed up to record" in said
    assert script(signed)[0] == 0


def test_a_killed_writer_leaves_a_tail_that_is_not_signed(tmp_path, signer):
    daemon = Daemon(
        tmp_path, limits=Limits(sign_every_s=4.0), signer=signer, with_events=True
    )  # fmt: skip
    daemon.run(0, 7)
    report = verify(tmp_path, keys=[signer.public_key])
    assert (report.fault, report.closed, report.unsigned) == (None, False, 2)
    again = Daemon(tmp_path, signer=signer, with_events=True)
    again.run(10, 12)
    report = verify(tmp_path, keys=[signer.public_key])
    assert report.fault is None
    assert report.signed.segment == ticks_of(tmp_path)[1].name


# -- keys ---------------------------------------------------------------------------------------


def test_a_new_key_is_for_its_owner_alone_and_never_replaced(tmp_path):
    path = tmp_path / "key.pem"
    made = vppd("key", "new", path)
    assert made.exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o400
    hex_key = made.stdout.strip()
    assert load_signer(path).public_key == public_key_of(hex_key)
    assert vppd("key", "public", path).stdout == made.stdout
    assert key_id(public_key_of(hex_key)).hex() in made.stderr
    before = path.read_bytes()
    assert vppd("key", "new", path).exit_code == 2
    assert path.read_bytes() == before
    secret = b"".join(before.splitlines()[1:-1]).decode()
    assert secret not in made.output


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o600 | 0o001])
def test_a_key_that_others_may_have_is_refused(tmp_path, mode):
    path = tmp_path / "key.pem"
    write_new_key(path)
    path.chmod(mode)
    with pytest.raises(BadKeyError, match=f"mode {mode:04o} lets others"):
        load_signer(path)
    assert vppd("key", "public", path).exit_code == 3
    assert load_signer(path, guarded=True).public_key  # the service manager's own folder


def test_what_is_no_key_is_refused_and_not_quoted(tmp_path):
    path = tmp_path / "key.pem"
    for content in (b"", b"hunter2", b"-----BEGIN PRIVATE KEY-----\nhunter2\n"):
        path.write_bytes(content)
        path.chmod(0o400)
        with pytest.raises(BadKeyError, match="no Ed25519 private key in PEM") as error:
            load_signer(path)
        assert "hunter2" not in str(error.value)
        path.unlink()
    with pytest.raises(BadKeyError, match="no such file"):
        load_signer(path)
    with pytest.raises(BadKeyError, match="neither 64 hex digits nor a file"):
        public_key_of("12345")


def test_keys_of_openssl_are_read(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    for command in (
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)],
        ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    private.chmod(0o400)
    assert load_signer(private).public_key == public_key_of(str(public))
    hexed = tmp_path / "public.hex"
    hexed.write_text(load_signer(private).public_key.hex() + "\n")
    assert public_key_of(str(hexed)) == public_key_of(str(public))


def test_verify_says_what_is_signed(signed, signer, tmp_path):
    said = vppd("verify", signed, "--key", signer.public_key.hex())
    assert said.exit_code == 0
    assert f"by key {key_id(signer.public_key).hex()}" in said.output
    assert "0 records after it not signed" in said.output
    assert "names" not in said.output
    assert "a key that the journal itself names" in vppd("verify", signed).output
    data = json.loads(vppd("verify", signed, "--json").stdout)
    assert (data["chain_ok"], data["unsigned"], data["signed"]["key_id"]) == (
        True, 0, key_id(signer.public_key).hex(),
    )  # fmt: skip
    assert vppd("verify", signed, "--key", "nonsense").exit_code == 2
    assert vppd("verify", tmp_path / "nothing").exit_code == 3


def test_signatures_are_those_of_rfc_8032(signer):
    """The first test vector of section 7.1: the library is what it should be."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    assert key.public_key.hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
