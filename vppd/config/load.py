"""A configuration file to a `Config`, or to every problem in it at once."""

import hashlib
import os
from pathlib import Path

from vppd.config.build import Builder
from vppd.config.checks import check_file
from vppd.config.complaints import Complaints
from vppd.config.document import MAX_BYTES, read_document
from vppd.config.schema import Config, Registry


def load_config(path: Path, registry: Registry) -> Config:
    """Read, check and build a configuration file.

    Raises ConfigError with every problem, or OSError when the file cannot be read.
    """
    return parse_config(read_config(path), str(path), registry)


def read_config(path: Path) -> bytes:
    """Give the bytes of a configuration file; of one that is too large only the beginning."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def parse_config(text: bytes | str, file: str, registry: Registry) -> Config:
    """Check and build a configuration. `file` is its name in the problems.

    Raises ConfigError with every problem: text, keys, values, records and the file as a whole.
    """
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    complaints = Complaints(file)
    root = read_document(text, complaints)
    draft = Builder(registry, complaints).record(Config, root, "")
    check_file(draft, complaints, registry.alarms)
    complaints.raise_if_any()
    config: Config = draft.record
    return config


def config_hash(text: bytes) -> str:
    """Give the SHA-256 of a configuration's bytes, in hexadecimal: the journal names it."""
    return hashlib.sha256(text).hexdigest()


def resolve_path(config_file: Path, written: str) -> Path:
    """Give a path of the configuration, without `..`; a relative one starts at its folder."""
    return Path(os.path.realpath(config_file.absolute().parent / written))
