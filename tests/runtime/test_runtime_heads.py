"""Heads that are told to others, and the changes that go to the log of events."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from vppd.config.sections import JournalConfig
from vppd.core.types import Mode, Order
from vppd.journal.heads import Place, ToldHead
from vppd.runtime.changes import ChangeRecorder
from vppd.runtime.heads import HeadsError, HeadTeller, head_of, read_heads
from vppd.runtime.journal_settings import limits_of, signer_of


def wait_for(condition) -> None:
    """Wait until another thread has done something."""
    give_up_s = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


HEAD = ToldHead(
    1_790_000_000.0, "00000001-x.vppj", 7, b"\x11" * 32, b"\x22" * 8, b"\x33" * 64,
    Place(3, b"\x44" * 32),
)  # fmt: skip


def test_a_head_is_one_line_of_the_log_and_one_of_the_file(tmp_path):
    path = tmp_path / "heads.jsonl"
    teller = HeadTeller(path)
    with capture_logs() as logs:
        teller.tell(HEAD)
        teller.tell(replace(HEAD, seq=9))
    assert [(line["event"], line["seq"], line["chain"]) for line in logs] == [
        ("journal_head", 7, "11" * 32), ("journal_head", 9, "11" * 32),
    ]  # fmt: skip
    teller.close()
    assert json.loads(path.read_text().splitlines()[0])["signature"] == "33" * 64
    assert read_heads(path)[:2] == [Place(7, b"\x11" * 32), Place(-1, b"\x44" * 32)]


def test_a_head_that_is_not_signed_says_so():
    assert replace(HEAD, signature=bytes(64)).fields()["signature"] == ""
    assert replace(HEAD, signature=bytes(64)).fields()["key_id"] == ""


def test_a_file_that_cannot_be_written_is_told_once_and_when_it_is_back(tmp_path):
    path = tmp_path / "share" / "heads.jsonl"
    with capture_logs() as logs:
        teller = HeadTeller(path)
        for _ in range(3):
            teller.tell(HEAD)
        wait_for(lambda: teller.dropped == 3)
        path.parent.mkdir()
        teller.tell(HEAD)
        wait_for(lambda: any(line["event"] == "journal_heads_back" for line in logs))
    named = [line["event"] for line in logs if line["event"] != "journal_head"]
    assert named == ["journal_heads_failed", "journal_heads_back"]
    assert len(read_heads(path)) == 2


def test_a_line_that_was_cut_short_is_left_out_and_another_is_refused(tmp_path):
    path = tmp_path / "heads.jsonl"
    line = json.dumps(HEAD.fields())
    path.write_text(line + "\n" + line[:40])
    assert len(read_heads(path)) == 2
    path.write_text("{}\n" + line + "\n")
    with pytest.raises(HeadsError, match=r"heads\.jsonl:1: no head of a journal"):
        read_heads(path)
    (tmp_path / "empty").touch()  # it would hold any journal
    with pytest.raises(HeadsError, match="empty: no head in it"):
        read_heads(tmp_path / "empty")
    with pytest.raises(HeadsError, match="no such file"):
        read_heads(tmp_path / "nothing")
    with pytest.raises(HeadsError, match="64 hex digits"):
        head_of("abc")


def test_settings_are_in_the_units_of_the_writer():
    settings = JournalConfig(reserve_mb=2.0, keep_days=2.0, keep_gb=3.0, sign_every_s=15.0)
    limits = limits_of(settings)
    assert (limits.reserve_bytes, limits.keep_s, limits.keep_bytes) == (2_000_000, 172_800.0, 3e9)
    assert limits.sign_every_s == 15.0


def test_a_credential_without_a_service_manager_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert signer_of(JournalConfig(), tmp_path) is None
    with capture_logs() as logs:
        assert signer_of(JournalConfig(key_credential="vppd_key"), tmp_path) is None
    assert logs[0]["event"] == "journal_unsigned"
    assert "CREDENTIALS_DIRECTORY is not set" in logs[0]["reason"]


def test_each_change_of_mode_and_order_is_an_event():
    events = []
    journal = SimpleNamespace(put_event=lambda utc_s, name, **fields: events.append((name, fields)))
    recorder = ChangeRecorder(journal)
    for tick, (mode, order) in enumerate(
        [
            (Mode.STARTING, Order.AUTO),
            (Mode.STARTING, Order.AUTO),
            (Mode.REGULATING, Order.AUTO),
            (Mode.SAFE, Order.SAFE),
        ]
    ):
        decision = SimpleNamespace(mode=mode, tick=tick)
        image, meta = SimpleNamespace(order=order), SimpleNamespace(utc_s=float(tick))
        recorder.tell(SimpleNamespace(decision=decision, image=image, meta=meta))
    assert events == [
        ("mode_changed", {"tick": 0, "before": "", "now": "STARTING"}),
        ("order_changed", {"tick": 0, "before": "", "now": "AUTO"}),
        ("mode_changed", {"tick": 2, "before": "STARTING", "now": "REGULATING"}),
        ("mode_changed", {"tick": 3, "before": "REGULATING", "now": "SAFE"}),
        ("order_changed", {"tick": 3, "before": "AUTO", "now": "SAFE"}),
    ]
