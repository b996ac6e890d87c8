"""The daemon's log in virtual time: a file of JSON lines, and what is wrong in it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict

WRONG = ("error", "critical")


@dataclass(slots=True)
class SimulatedLog:
    """Takes structlog for one run; use it as a context."""

    path: Path
    clock: Callable[[], float]
    errors: list[dict[str, Any]] = field(default_factory=list)
    _file: TextIO | None = None

    def __enter__(self) -> "SimulatedLog":
        self._file = self.path.open("w", encoding="utf-8")
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                self._stamp,
                structlog.processors.format_exc_info,
                self._note,
                structlog.processors.JSONRenderer(default=str),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.WriteLoggerFactory(self._file),
            cache_logger_on_first_use=False,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        structlog.reset_defaults()
        if self._file is not None:
            self._file.close()

    def _stamp(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return {"t_s": round(self.clock(), 6), **event}

    def _note(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        if event["level"] in WRONG:
            self.errors.append(dict(event))
        return event
