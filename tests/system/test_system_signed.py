"""A daemon that signs: by a file, by a credential, and with a key that it must not use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import Daemon, vppd, write_config

SCRIPT = Path(__file__).parents[2] / "tools" / "verify_journal.py"


@pytest.fixture
def key(tmp_path):
    """Path of a private key, and its public half."""
    path = tmp_path / "journal-key.pem"
    made = vppd("key", "new", path)
    assert made.returncode == 0, made.stderr
    return path, made.stdout.strip()


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "daemon.log").read_text().splitlines()]


def configured(folder: Path, **keys: object) -> Path:
    config = write_config(folder)
    lines = "".join(f"  {name}: {value}\n" for name, value in keys.items())
    config.write_text(config.read_text() + "journal:\n" + lines)
    return config


def test_a_journal_that_was_signed_is_checked_by_both(tmp_path, key):
    private, public = key
    config = configured(
        tmp_path, key_file=private.name, sign_every_s=1.0, heads_file="share/heads.jsonl"
    )
    (tmp_path / "share").mkdir()
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(15)
        status = json.loads(vppd("status", "--config", config, "--json").stdout)["journal"]
        text = vppd("status", "--config", config).stdout
        assert daemon.stop() == 0
    journal, heads = tmp_path / "state" / "journal", tmp_path / "share" / "heads.jsonl"
    verified = vppd("verify", journal, "--key", public, "--heads", heads, "--json")
    found = json.loads(verified.stdout)
    assert (verified.returncode, found["fault"], found["unsigned"]) == (0, None, 0)
    assert found["events"] >= 4  # start, mode, order, stop
    assert found["heads"] >= 2
    assert found["signed"]["key_id"] == status["key_id"]
    assert f"key {status['key_id']}, signed 2" in text
    told = [line for line in log_of(tmp_path) if line["event"] == "journal_head"]
    written = [json.loads(line) for line in heads.read_text().splitlines()]
    assert {line["chain"] for line in written} <= {line["chain"] for line in told}
    secret = "".join(private.read_text().splitlines()[1:-1])
    assert secret not in (tmp_path / "daemon.log").read_text()
    command = [sys.executable, str(SCRIPT), str(journal), public]
    script = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (script.returncode, script.stdout.count("is signed")) == (0, 2), script.stderr
    last = max(journal.glob("*.vppj"))
    os.truncate(last, last.stat().st_size - 1)
    cut = vppd("verify", journal, "--key", public, "--heads", heads)
    assert cut.returncode == 1
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_a_credential_of_the_service_manager_signs(tmp_path, key, monkeypatch):
    private, public = key
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config = configured(tmp_path, key_credential=private.name)
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(3)
        assert daemon.stop() == 0
    assert vppd("verify", tmp_path / "state" / "journal", "--key", public).returncode == 0


def test_a_key_that_others_may_read_signs_nothing_and_stops_nothing(tmp_path, key):
    private, public = key
    private.chmod(0o444)
    config = configured(tmp_path, key_file=private.name)
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(3)
        assert "NOT SIGNED" in vppd("status", "--config", config).stdout
        assert daemon.stop() == 0
    (why,) = [line for line in log_of(tmp_path) if line["event"] == "journal_unsigned"]
    assert why["level"] == "error"
    assert "mode 0444 lets others read" in why["reason"]
    journal = tmp_path / "state" / "journal"
    assert "NOT SIGNED" in vppd("verify", journal).stdout
    assert vppd("verify", journal, "--key", public).returncode == 1
