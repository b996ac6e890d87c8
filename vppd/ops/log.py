"""Structured log: for people on a terminal, one JSON object a line everywhere else.

Changes are logged, not states: one line when something is lost, one when it is back. The name of
an event is a constant in snake_case, what varies stands in fields. Time stamps are UTC. Libraries
that log by the standard library come out as `library_message`.
"""

import atexit
import json
import logging
import math
import os
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from vppd.ops.sink import LineSink

LOG_LINES_DROPPED = "log_lines_dropped"
LIBRARY_MESSAGE = "library_message"

# Protocol libraries call each lost answer an error. Here a lost answer is an event of the device,
# logged once when it begins and once when it ends; their lines are for the debug level.
DEMOTED = ("pymodbus", "gmqtt", "py1815")


PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}


class LogSetup:
    """The log in force. `close()` flushes it and takes the standard library's handler away."""

    def __init__(self, sink: LineSink, handler: logging.Handler) -> None:
        self.sink = sink
        self._handler = handler
        atexit.register(self.close)

    @property
    def dropped(self) -> int:
        """Lines that were dropped because the reader of the log was too slow."""
        return self.sink.dropped

    def close(self) -> None:
        """Write what waits, and put the log back to what it was before `setup_log`."""
        atexit.unregister(self.close)
        logging.getLogger().removeHandler(self._handler)
        structlog.reset_defaults()
        self.sink.close()


def setup_log(
    level: str, *, fd: int | None = None, people: bool | None = None, threaded: bool = True
) -> LogSetup:
    """Start logging to standard error, or to `fd`.

    Parameters
    ----------
    level : str
        Least level that is logged: debug, info, warning, error.
    fd : int or None
        Descriptor to write to; None: that of standard error.
    people : bool or None
        Colours and columns instead of JSON; None: if `fd` is a terminal.
    threaded : bool
        False: write in the caller's thread. For virtual time, where nothing may run beside.
    """
    fd = sys.stderr.fileno() if fd is None else fd
    people = os.isatty(fd) if people is None else people
    renderers = renderers_for_people() if people else renderers_for_machines()
    if is_journal(fd):
        renderers.append(with_priority)
    sink = LineSink(fd, lambda count: _dropped_line(renderers, count), threaded=threaded)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *COMMON, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: SinkLogger(sink),
        cache_logger_on_first_use=False,
    )
    handler = LibraryHandler()
    logging.getLogger().addHandler(handler)
    return LogSetup(sink, handler)


class SinkLogger:
    """The last link of structlog's chain: hands rendered lines to the sink."""

    def __init__(self, sink: LineSink) -> None:
        self._put = sink.put

    def msg(self, line: str) -> None:
        """Queue a line."""
        self._put(line)

    debug = info = warning = error = critical = msg


class LibraryHandler(logging.Handler):
    """Brings the standard library's records into the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as `library_message`."""
        demoted = record.name.split(".", 1)[0] in DEMOTED
        structlog.get_logger().log(
            logging.DEBUG if demoted else record.levelno,
            LIBRARY_MESSAGE,
            library=record.name,
            message=_text(record),
            exc_info=record.exc_info or None,
        )


def _text(record: logging.LogRecord) -> str:
    """Message of a record; its bare form if the library's values do not fit it.

    What a library gets wrong in its log must not end what it was doing.
    """
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def is_journal(fd: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a descriptor leads to the journal of systemd (JOURNAL_STREAM, systemd.exec(5))."""
    about = os.fstat(fd)
    return environ.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def with_priority(_logger: WrappedLogger, name: str, line: Any) -> str:
    """Put the priority before a line, as the journal takes it (sd-daemon(3)): `journalctl -p`."""
    return f"<{PRIORITY.get(name, PRIORITY['info'])}>{line}"


def renderers_for_people() -> list[Processor]:
    """Columns and colours; tracebacks without the values of variables."""
    return [
        structlog.dev.ConsoleRenderer(
            colors="NO_COLOR" not in os.environ,
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]


def renderers_for_machines() -> list[Processor]:
    """One JSON object a line; a number that is not finite is null, as JSON has no NaN."""
    return [structlog.processors.format_exc_info, plain_values, render_json]


def plain_values(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Put time, level and name first, and make each value one that JSON knows."""
    head = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**head, **{key: _plain(value) for key, value in event.items()}}


def render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    """Render one line of JSON. Never raises for a value: what JSON does not know becomes text."""
    return json.dumps(event, default=repr, ensure_ascii=False)


COMMON: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _plain(value: Any) -> Any:
    if isinstance(value, float):  # numpy's float64 is one
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _dropped_line(renderers: list[Processor], count: int) -> str:
    event: Any = {"event": LOG_LINES_DROPPED, "count": count}
    for processor in (*COMMON, *renderers):
        event = processor(None, "warning", event)
    return str(event)
