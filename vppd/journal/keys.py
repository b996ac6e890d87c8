"""Keys that sign a journal: Ed25519, the private one as PKCS #8 in PEM, as openssl writes it."""

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vppd.journal.heads import PUBLIC_KEY_SIZE, Verifier

_SIZE_MAX: Final = 1 << 16
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MODE: Final = 0o400


class BadKeyError(Exception):
    """A key that cannot be used. The text names its file and never what is in it."""


class KeySigner:
    """Signs with a private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature, 64 bytes."""
        return self._private.sign(message)


def load_signer(path: Path, *, guarded: bool = False) -> KeySigner:
    """Read a private key.

    `guarded`: the service manager keeps it from others (a systemd credential), whatever its mode
    seems to be: access lists show there as rights of a group.

    Raises
    ------
    BadKeyError
        No such file, others may read it, or it is no Ed25519 key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_SIZE_MAX)
    except OSError as error:
        raise BadKeyError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not guarded and stat.S_IMODE(mode) & _OTHERS:
        raise BadKeyError(
            f"{path}: mode {stat.S_IMODE(mode):04o} lets others read or write the private key:"
            " `chmod 400` it, and make a new one if they may have"
        )
    try:
        private = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None  # the reason may quote the file
    if not isinstance(private, Ed25519PrivateKey):
        raise BadKeyError(f"{path}: no Ed25519 private key in PEM: `vppd key new` makes one")
    return KeySigner(private)


def write_new_key(path: Path) -> KeySigner:
    """Make a private key and write it, readable by its owner alone.

    Raises
    ------
    OSError
        The file is there already, or cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    data = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    return KeySigner(private)


def public_key_of(text: str) -> bytes:
    """Public key, 32 bytes, from 64 hex digits, or from a file that holds them or PEM.

    Raises
    ------
    BadKeyError
        It is neither.
    """
    key = _from_hex(text)
    if key is not None:
        return key
    try:
        with Path(text).open("rb") as file:
            data = file.read(_SIZE_MAX)
    except (OSError, ValueError) as error:
        raise BadKeyError(f"{text}: neither 64 hex digits nor a file with a public key") from error
    key = _from_hex(data.decode("ascii", "replace").strip())
    return _from_pem(text, data) if key is None else key


def _from_hex(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == PUBLIC_KEY_SIZE else None


def _from_pem(name: str, data: bytes) -> bytes:
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BadKeyError(f"{name}: neither 64 hex digits nor an Ed25519 public key in PEM")
    return key.public_bytes_raw()


def verifier(public_key: bytes) -> Verifier:
    """Give what checks signatures made with the private key that belongs to this one.

    Raises
    ------
    BadKeyError
        No Ed25519 key.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise BadKeyError("not an Ed25519 public key") from error

    def holds(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return holds
