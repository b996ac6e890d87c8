"""Files of secrets and certificates, and TLS contexts from them (version 1.2 at least)."""

import errno
import os
import ssl
from pathlib import Path
from typing import Final

OTHERS: Final = 0o027  # group writes, others do anything


def locate(name: str, base_dir: Path) -> Path:
    """Path of a file that the configuration names.

    A credential that systemd passed under that name (`LoadCredential=`), else relative to the
    folder of the configuration. Secrets are read from files only, never from the environment.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / name).is_file():
        return Path(directory) / name
    return base_dir / name


def locate_secret(name: str, base_dir: Path) -> Path:
    """Path of a secret, as `locate`. Raises OSError if others than its owner and group may read it.

    A key that everybody on the machine can copy is none; it is refused rather than used.
    """
    path = locate(name, base_dir)
    mode = path.stat().st_mode & 0o777
    if mode & OTHERS:
        what = f"may be read or written by others (mode {mode:04o}); chmod 600 it"
        raise PermissionError(errno.EACCES, what, str(path))
    return path


def client_context(
    base_dir: Path, ca_file: str, cert_file: str | None, key_file: str | None
) -> ssl.SSLContext:
    """Context that checks the server against `ca_file`. Raises OSError, which ssl.SSLError is."""
    ca = locate(ca_file, base_dir)
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        _load_own(context, base_dir, cert_file, key_file)
    return context


def server_context(
    base_dir: Path, ca_file: str, cert_file: str, key_file: str | None
) -> ssl.SSLContext:
    """Context that admits only clients with a certificate of `ca_file`. Raises OSError."""
    ca = locate(ca_file, base_dir)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    _load_own(context, base_dir, cert_file, key_file)
    return context


def tls_words(error: ssl.SSLError) -> str:
    """Say what went wrong, for people. Its errno is not one of the system's."""
    return f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}"


def _load_own(
    context: ssl.SSLContext, base_dir: Path, cert_file: str, key_file: str | None
) -> None:
    if key_file is None:  # then the key is in the file of the certificate
        context.load_cert_chain(locate_secret(cert_file, base_dir))
    else:
        context.load_cert_chain(locate(cert_file, base_dir), locate_secret(key_file, base_dir))
