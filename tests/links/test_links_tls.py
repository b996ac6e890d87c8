"""Secrets come from files that others cannot read, and from nowhere else."""

import pytest
from certificates import OPENSSL, make_certificates

from vppd.links.tls import client_context, locate, locate_secret


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_secret_of_its_owner_is_taken(tmp_path, mode):
    (tmp_path / "key").write_text("s3cret")
    (tmp_path / "key").chmod(mode)
    assert locate_secret("key", tmp_path) == tmp_path / "key"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o601, 0o666])
def test_one_that_others_may_read_is_refused_and_the_message_says_what_to_do(tmp_path, mode):
    (tmp_path / "key").write_text("s3cret")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(PermissionError, match=f"mode {mode:04o}.*chmod 600") as caught:
        locate_secret("key", tmp_path)
    assert "s3cret" not in str(caught.value)


def test_a_credential_of_the_service_manager_comes_first(tmp_path, monkeypatch):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "key").write_text("from systemd")
    (tmp_path / "credentials" / "key").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert locate("key", tmp_path) == tmp_path / "credentials" / "key"
    assert locate("other", tmp_path) == tmp_path / "other"


@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_a_key_that_others_may_read_makes_no_context(tmp_path):
    make_certificates(tmp_path, "vppd")
    client_context(tmp_path, "ca.pem", "vppd.pem", "vppd.key")
    (tmp_path / "vppd.key").chmod(0o644)
    with pytest.raises(PermissionError, match=r"vppd\.key"):
        client_context(tmp_path, "ca.pem", "vppd.pem", "vppd.key")
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "vppd.pem").read_text() + (tmp_path / "vppd.key").read_text())
    both.chmod(0o644)
    with pytest.raises(PermissionError, match=r"both\.pem"):
        client_context(tmp_path, "ca.pem", "both.pem", None)
