"""YAML text to nodes that know their lines; refuses what would be unsafe to read further."""

import re
from typing import Any

import yaml

from vppd.config import messages
from vppd.config.complaints import Complaints
from vppd.config.errors import WHOLE_FILE, ConfigError
from vppd.config.words import describe, tag_name

MAX_BYTES = 32 * 2**20
MAX_DEPTH = 64  # libyaml composes recursively in C: some 20,000 levels end in a crash, not an error
MAX_NODES = 3_000_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML counts as a line
# Characters no YAML text has (YAML 1.2.2, 5.1); a byte order mark stands at the beginning only.
_NOT_YAML = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def read_document(text: bytes, complaints: Complaints) -> yaml.MappingNode:
    """Give the root mapping of a file; raise ConfigError where there is none.

    Only the first error of syntax can be told: what comes behind it has no certain meaning.
    """
    decoded = _decode(text, complaints)
    try:
        _bound(decoded, complaints)
        root = yaml.compose(decoded, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise _syntax_error(error, decoded, complaints) from None
    if root is None or tag_name(root) == "null":
        keys = "site, links, fleet, signals and plan"
        raise complaints.fatal(1, WHOLE_FILE, messages.NOTHING.format(keys=keys))
    if not isinstance(root, yaml.MappingNode):
        message = messages.NOT_A_SECTION.format(what=describe(root))
        raise complaints.fatal(root.start_mark.line + 1, WHOLE_FILE, message)
    return root


def _decode(text: bytes, complaints: Complaints) -> str:
    if len(text) > MAX_BYTES:
        message = messages.TOO_LARGE.format(limit=MAX_BYTES)
        raise complaints.fatal(1, WHOLE_FILE, message)
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Count in what was decoded: `error.start` skips the byte order mark, if there is one.
        line = len(_LINE_BREAK.findall(error.object[: error.start].decode("utf-8"))) + 1
        message = messages.NOT_UTF8.format(byte=f"0x{error.object[error.start]:02x}")
        raise complaints.fatal(line, WHOLE_FILE, message) from None
    bad = _NOT_YAML.search(decoded)
    if bad:
        line = len(_LINE_BREAK.findall(decoded[: bad.start()])) + 1
        message = messages.CONTROL.format(char=f"U+{ord(bad[0]):04X}")
        raise complaints.fatal(line, WHOLE_FILE, message)
    return decoded


def _bound(text: str, complaints: Complaints) -> None:
    """Refuse a text whose tree would be too deep or too large to build."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth <= MAX_DEPTH and count <= MAX_NODES:
            continue
        message = messages.TOO_MANY.format(limit=MAX_NODES)
        if depth > MAX_DEPTH:
            message = messages.TOO_DEEP.format(limit=MAX_DEPTH)
        line = event.start_mark.line + 1 if event.start_mark else 1
        raise complaints.fatal(line, WHOLE_FILE, message)


def _syntax_error(error: yaml.YAMLError, text: str, complaints: Complaints) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:  # no parser raises another
        raise error
    last_line = len(_LINE_BREAK.split(text.rstrip()))
    line = min(mark.line + 1, last_line)  # the end of the file is no line to look at
    return complaints.fatal(line, WHOLE_FILE, _sentence(error, mark, text))


def _sentence(error: yaml.MarkedYAMLError, mark: yaml.Mark, text: str) -> str:
    problem, context = error.problem or "", error.context or ""
    at_tab = text[mark.index : mark.index + 1] == "\t" and "cannot start any token" in problem
    if at_tab or "tab character" in problem:
        return messages.TAB
    if "another document" in problem or "<document start>" in problem:
        return messages.SECOND_DOCUMENT
    if "undefined alias" in problem:
        alias = re.match(r"\*[^\s,\]}]*", text[mark.index : mark.index + 80])
        return messages.UNKNOWN_ALIAS.format(alias=alias[0] if alias else "this alias")
    began = error.context_mark
    if "duplicate anchor" in context and began is not None:
        return messages.SECOND_ANCHOR.format(line=began.line + 1)
    if began is not None and began.line != mark.line and context.startswith("while "):
        return messages.SYNTAX_SINCE.format(problem=problem, context=context, line=began.line + 1)
    return messages.SYNTAX.format(problem=problem)
