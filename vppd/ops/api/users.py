"""Users of the API: names, roles, and hashes of their passwords.

One line a user, as `vppd user` prints it:

    name:role:scrypt:n:r:p:salt:hash          salt and hash in base64; # begins a comment

scrypt is RFC 7914; n = 2^15, r = 8, p = 1 take 32 MB and about 60 ms, so that guessing is dear.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stat
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

N, R, P = 2**15, 8, 1
SALT_BYTES, HASH_BYTES = 16, 32
MEMORY_MAX: Final = 256 << 20
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
PASSWORD_MIN, PASSWORD_MAX = 12, 1024
FIELDS: Final = 8


class Role(IntEnum):
    """What somebody may do; each may all that the ones before may."""

    NONE = 0
    VIEWER = 1  # see
    OPERATOR = 2  # give orders, acknowledge
    ENGINEER = 3  # propose plans


class UsersError(ValueError):
    """A file of users that cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """One user."""

    name: str
    role: Role
    n: int
    r: int
    p: int
    salt: bytes
    hashed: bytes

    def has(self, password: str) -> bool:
        """Whether that is the password. Takes as long for a wrong one."""
        found = _scrypt(password, self.salt, self.n, self.r, self.p)
        return hmac.compare_digest(found, self.hashed)


# Whoever names a user that there is not waits as long as for a wrong password.
NOBODY: Final = User("", Role.NONE, N, R, P, bytes(SALT_BYTES), bytes(HASH_BYTES))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode()
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=MEMORY_MAX, dklen=HASH_BYTES)


def user_line(name: str, role: Role, password: str) -> str:
    """Line for the file. Raises UsersError for a name or password that will not do."""
    if NAME.fullmatch(name) is None:
        raise UsersError("a name is made of letters, digits and . _ @ -, at most 64 of them")
    if role is Role.NONE:
        raise UsersError("a user is a viewer, an operator or an engineer")
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise UsersError(f"a password has at least {PASSWORD_MIN} characters")
    salt = secrets.token_bytes(SALT_BYTES)
    hashed = _scrypt(password, salt, N, R, P)
    salt_text, hash_text = (base64.b64encode(value).decode() for value in (salt, hashed))
    return f"{name}:{role.name.lower()}:scrypt:{N}:{R}:{P}:{salt_text}:{hash_text}"


def read_users(path: Path) -> dict[str, User]:
    """Users of a file, by name. Raises UsersError, OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsersError(f"{path}: others may read or write it; chmod 600 {path}")
    users: dict[str, User] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            user = _user(line.strip())
        except ValueError as error:
            raise UsersError(f"{path}:{number}: {error}") from error
        if user.name in users:
            raise UsersError(f"{path}:{number}: {user.name} is there twice")
        users[user.name] = user
    if not users:
        raise UsersError(f"{path}: has no users; make a line by `vppd user NAME ROLE`")
    return users


def _user(line: str) -> User:
    """User of a line. Raises ValueError."""
    fields = line.split(":")
    if len(fields) != FIELDS or fields[2] != "scrypt":
        raise ValueError("is no line of `vppd user`")
    name, role_name = fields[0], fields[1].upper()
    if NAME.fullmatch(name) is None or role_name not in Role.__members__ or role_name == "NONE":
        raise ValueError("is no line of `vppd user`: name or role")
    try:
        n, r, p = (int(field) for field in fields[3:6])
        salt, hashed = (base64.b64decode(field, validate=True) for field in fields[6:])
    except (ValueError, binascii.Error) as error:
        raise ValueError("is no line of `vppd user`: numbers or hash") from error
    costs_enough = n >= N and n & (n - 1) == 0 and r >= R and p >= 1
    if not costs_enough or 128 * n * r * p > MEMORY_MAX or len(hashed) != HASH_BYTES:
        raise ValueError("has parameters of scrypt that are too weak or too dear")
    return User(name, Role[role_name], n, r, p, salt, hashed)
