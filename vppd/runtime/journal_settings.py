"""From the section `journal` of the configuration to what the writer takes."""

import os
from pathlib import Path
from typing import Final

import structlog

from vppd.config.sections import JournalConfig
from vppd.journal.heads import Signer
from vppd.journal.items import Limits

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
_DAY_S: Final = 86400.0

log = structlog.get_logger()


def limits_of(settings: JournalConfig) -> Limits:
    """Sizes and times of the journal."""
    return Limits(
        segment_s=settings.segment_s,
        sign_every_s=settings.sign_every_s,
        reserve_bytes=int(settings.reserve_mb * 1e6),
        keep_s=settings.keep_days * _DAY_S,
        keep_bytes=settings.keep_gb * 1e9,
    )


def heads_path(settings: JournalConfig, base_dir: Path) -> Path | None:
    """File on another machine that gets the heads."""
    return None if settings.heads_file is None else base_dir / settings.heads_file


def has_key(settings: JournalConfig) -> bool:
    """Whether the journal is to be signed."""
    return settings.key_credential is not None or settings.key_file is not None


def signer_of(settings: JournalConfig, base_dir: Path) -> Signer | None:
    """Read the key that signs. None where there is none, or none that can be used.

    A plant without its controller is worse than a journal without a signature: a key that cannot
    be used is an error in the log, in `vppd status` and in `vppd verify`, and no reason not to run.
    """
    if not has_key(settings):
        return None
    from vppd.journal.keys import BadKeyError  # noqa: PLC0415 - 30 ms that nobody pays without

    try:
        return _signer(settings, base_dir)
    except BadKeyError as error:
        reason = str(error)
    log.error("journal_unsigned", reason=reason)
    return None


def _signer(settings: JournalConfig, base_dir: Path) -> Signer:
    from vppd.journal.keys import BadKeyError, load_signer  # noqa: PLC0415

    if settings.key_credential is None:
        return load_signer(base_dir / str(settings.key_file))
    folder = os.environ.get(CREDENTIALS)
    if folder is None:
        raise BadKeyError(
            f"credential {settings.key_credential}: ${CREDENTIALS} is not set: not started by"
            " systemd with LoadCredential"
        )
    return load_signer(Path(folder) / settings.key_credential, guarded=True)
