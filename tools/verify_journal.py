"""Check a journal of vppd with nothing of vppd: verify_journal.py FOLDER [PUBLIC_KEY_HEX].

Written from docs/journal.md. The chain needs Python alone, the signatures `cryptography`. Exit code
0: every record holds and, with a key, the last one is a signed head; 1: not so, and why.
"""

import struct
import sys
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

END, HEAD, UNSIGNED = 4, 5, bytes(64)


def need(holds: bool, what: str) -> None:
    """Give up where something does not hold."""
    if not holds:
        raise ValueError(what)


def segment(data: bytes, last: tuple[bytes, int] | None, key: Any) -> tuple[bytes, int, int]:
    """Check one segment: chain after it, number of the next record, and of the last signed one."""
    need(len(data) >= 76, "the header is cut off")
    magic, form, n_json, n_params, _, seq, before, crc = struct.unpack_from("<8sIIQQQ32sI", data)
    at = 76 + n_json + n_params
    need(magic == b"VPPDJRNL" and form in (1, 2) and at <= len(data), "no header of format 1 or 2")
    need(crc == zlib.crc32(data[:72] + data[76:at]), "checksum of the header")
    need(last in (None, (before, seq)), "does not link to the segment before it")
    chain, kind, signed = sha256(data[:at]).digest(), 0, -1
    while at < len(data):
        need(len(data) - at >= 60, f"record {seq} is cut off")
        first, ended = data[at : at + 20], kind == END
        magic, kind, _, size, number = struct.unpack("<4sHHIQ", first)
        head_crc, link, crc = struct.unpack_from("<I32sI", data, at + 20)
        payload = data[at + 60 : at + 60 + size]
        need(magic == b"\xf5VPR" and head_crc == zlib.crc32(first), f"head of record {seq}")
        need(len(payload) == size, f"record {seq} is cut off")
        need(crc == zlib.crc32(first + link + payload), f"checksum of record {seq}")
        need(number == seq, f"record {number} stands where {seq} should")
        need(link == sha256(chain + first + payload).digest(), f"chain of record {seq}")
        need(not ended or kind == HEAD, f"record {seq} stands after the end")
        if key and kind == HEAD and payload[-64:] != UNSIGNED:
            said, signature = payload[:-64], payload[-64:]
            key.verify(signature, b"vppd journal head 1\0" + chain + first + said)
            signed = seq
        chain, seq, at = link, seq + 1, at + 60 + size
    return chain, seq, signed


def check(folder: Path, key: Any) -> str:
    """Check all segments of a folder in their order; say what holds."""
    last, signed, path = None, -1, folder
    try:
        for path in sorted(folder.glob("*.vppj")):
            chain, seq, found = segment(path.read_bytes(), last, key)
            last, signed = (chain, seq), max(signed, found)
        need(last is not None, "no segment")
        need(not key or signed == seq - 1, f"not signed from record {signed + 1} on")
    except Exception as error:  # noqa: BLE001 - whatever it is, the journal does not hold
        sys.exit(f"{path}: DOES NOT HOLD: {error or type(error).__name__}")
    return f"{folder}: holds{' and is signed' if key else ''} up to record {seq - 1}, {chain.hex()}"


if __name__ == "__main__":
    public = None
    if len(sys.argv) > 2:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[2]))
    for part in (Path(sys.argv[1]), Path(sys.argv[1], "events")):
        if part.is_dir() or part.name != "events":
            print(check(part, public))
