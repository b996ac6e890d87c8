"""The machine code of every kernel in one file, for starts that do without the compiler.

Numba's own cache has a file for each kernel, and to read them takes Numba itself: its import and
its tables of types are 0.6 s of CPU, more than all else that a start does. The machine code in
these files needs none of that. So the first start, which compiles or reads that cache, puts the
code of all kernels into one file beside it. Later ones link this file: 0.05 s.

    magic 8s | crc u4 | header_size u4 | header, JSON | objects (ELF), one after the other

Little endian; `crc` is the CRC-32 of all that follows it. The header says what the code was made
of: sources of the kernels, versions, processor, settings of Numba. A file that is not of what is
there now is not used, and written anew. It is as trusted as the program: whoever may write it
decides what the daemon does, as with Numba's cache.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from vppd.kernels import jit

NAME: Final = "vppd-kernels.bin"
MAGIC: Final = b"VPPDKERN"
_PRELUDE: Final = struct.Struct("<8sII")
_CRC_AT: Final = 12  # behind magic and crc
_PACKAGE: Final = Path(__file__).parents[1]
_SOURCES: Final = ("kernels/*.py", "journal/coder.py")  # all that have kernels, or numbers of them
# Settings of Numba that change no code.
_HARMLESS: Final = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"}
_CHECK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One kernel: where it was written, and its machine code."""

    module: str
    name: str
    wrapper: str  # symbol of the function that Python calls
    environments: tuple[str, ...]  # symbols of pointers that must not be null
    code: bytes


def use(file: Path | None = None) -> bool:
    """Take kernels from the library, if there is one of just these sources on this machine.

    Returns whether they are; not where the process has compiled some, for all are to be of one
    make. `file`: None is `path()`.
    """
    if jit.compiled or jit.linked:
        return bool(jit.linked)
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return False
    pieces = read(file or path())
    if pieces is None:
        return False
    from vppd.runtime.kernel_link import link  # noqa: PLC0415 - llvmlite, only where it is needed

    for (module, name), code in link(pieces).items():
        jit.linked.setdefault(module, {})[name] = code
    return True


def path() -> Path:
    """Where the library lies: beside Numba's cache."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(folder) if folder else Path(jit.__file__).parent / "__pycache__") / NAME


def made_of() -> dict[str, Any]:
    """All that the code depends on, as it is now."""
    from vppd.runtime.kernel_link import processor  # noqa: PLC0415 - llvmlite, as above

    sources = [file for where in _SOURCES for file in sorted(_PACKAGE.glob(where))]
    settings = {
        name: value for name, value in sorted(os.environ.items())
        if name.startswith("NUMBA_") and name not in _HARMLESS
    }  # fmt: skip
    return {
        "python": sys.version,
        "packages": {name: version(name) for name in ("numba", "llvmlite", "numpy")},
        "processor": list(processor()),
        "settings": settings,
        "sources": {
            source.relative_to(_PACKAGE).as_posix(): hashlib.sha256(source.read_bytes()).hexdigest()
            for source in sources
        },
    }


def pack(pieces: Iterable[Piece]) -> bytes:
    """Put kernels into the bytes of a file."""
    pieces = list(pieces)
    rows = [
        [piece.module, piece.name, piece.wrapper, piece.environments, len(piece.code)]
        for piece in pieces
    ]
    header = json.dumps({"made_of": made_of(), "kernels": rows}).encode()
    rest = struct.pack("<I", len(header)) + header + b"".join(piece.code for piece in pieces)
    return MAGIC + struct.pack("<I", zlib.crc32(rest)) + rest


def read(file: Path) -> Sequence[Piece] | None:
    """Kernels of a file; None: there is none that is whole and of what is there now."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    if len(data) < _PRELUDE.size:
        return None
    magic, crc, header_size = _PRELUDE.unpack_from(data)
    if magic != MAGIC or zlib.crc32(memoryview(data)[_CRC_AT:]) != crc:
        return None
    at = _PRELUDE.size + header_size
    header = json.loads(data[_PRELUDE.size : at])
    if header["made_of"] != made_of():
        return None
    pieces = []
    for module, name, wrapper, environments, size in header["kernels"]:
        pieces.append(Piece(module, name, wrapper, tuple(environments), data[at : at + size]))
        at += size
    return pieces


def write(file: Path | None = None) -> str:
    """Write the library of the kernels that are loaded now; returns why not, empty if it was.

    It is linked in a process of its own first: what cannot be linked ends the process that tries,
    and must not end every start.
    """
    from vppd.runtime.kernel_link import loaded  # noqa: PLC0415 - Numba, as above

    pieces = loaded()
    if pieces is None:
        return "Numba keeps no cache"
    target = file or path()
    new = target.with_name(f"{NAME}.{os.getpid()}")
    try:
        new.write_bytes(pack(pieces))
        new.chmod(0o640)
        if _can_be_linked(new):
            new.replace(target)
            return ""
    except OSError as error:
        return str(error)
    finally:
        new.unlink(missing_ok=True)
    return "it cannot be linked"


def _can_be_linked(file: Path) -> bool:
    command = [sys.executable, "-P", "-m", "vppd.runtime.kernel_link", str(file)]
    try:
        done = subprocess.run(command, check=False, timeout=_CHECK_S)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
