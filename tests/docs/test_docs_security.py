"""Secrets are nowhere but in their files; the table of TLS names tests that there are."""

import re
from pathlib import Path

from blocks import ROOT
from daemons import Daemon, vppd, write_config
from processes import free_port

SECRET = "correct-horse-battery-staple"  # noqa: S105 - of this test alone


def test_a_password_is_in_no_log_no_journal_no_status_and_no_metrics(tmp_path):
    """A daemon that uses it, and cannot reach the broker, which is when people log too much."""
    port = free_port()
    config = write_config(tmp_path)
    (tmp_path / "password").write_text(SECRET)
    (tmp_path / "password").chmod(0o600)
    text = config.read_text()
    text = text.replace("  tick_s", "  log_level: debug\n  tick_s")
    text = text.replace(
        "links:\n",
        f"links:\n  - {{id: broker, type: mqtt, port: {free_port()}, username: vppd,"
        " password_file: password}\n",
    ).replace(
        "signals:\n",
        "  - id: depot\n    kind: ev_hub\n    device: {driver: mqtt_load, link: broker,"
        " prefix: ev/ev001}\n    p_min_mw: -1.0\n    p_max_mw: 0.0\n    basepoint_mw: -0.5\n"
        "    ramp_up_mw_per_s: 1.0\n    ramp_down_mw_per_s: 1.0\nsignals:\n",
    )
    config.write_text(text + f"metrics: {{port: {port}}}\n")
    checked = vppd("check", config)
    assert checked.returncode == 0, checked.stderr
    with Daemon(config) as daemon:
        daemon.hear("READY=1")
        daemon.hear_ticks(15)
        status = vppd("status", "--config", config, "--json").stdout
        assert daemon.stop() == 0
    assert '"depot"' in status
    needles = (SECRET.encode(), SECRET.encode("utf-16-le"), SECRET[::-1].encode())
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "password"]
    assert any("journal" in str(path) for path in written)
    for path in written:
        assert not any(needle in path.read_bytes() for needle in needles), path
    assert SECRET not in status + checked.stdout


def test_no_key_of_the_configuration_takes_a_secret_itself():
    """A password, key or token is named by its file, or by its credential."""
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    keys = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    about = {key for key in keys if re.search(r"passw|secret|token|(^|_)key", key)}
    assert "password_file" in about
    assert all(key.endswith(("_file", "_credential")) for key in about), about


def test_each_kind_of_link_with_a_certificate_has_a_test_of_it():
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|[^|]+\|[^|]+\|[^|]+\| `(tests/[^`]+)` \|$", page, re.MULTILINE)
    assert len(rows) == 6
    for row in rows:
        text = Path(ROOT, row).read_text(encoding="utf-8")
        assert "make_certificates" in text, row


def test_the_locks_of_what_runs_have_hashes_for_every_package():
    for name in ("requirements-run.lock", "requirements.lock", "requirements-audit.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pinned = re.findall(r"^[A-Za-z0-9_.\[\]-]+==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)
        wanted = re.findall(r"^[A-Za-z0-9_.\[\]-]+==", text, re.MULTILINE)
        assert len(pinned) == len(wanted) > 10
