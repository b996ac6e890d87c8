"""One scalar of the file to one value of the schema: number, text or flag."""

import math
import operator
import re

import yaml

from vppd.config import messages
from vppd.config.fields import Number, Text
from vppd.config.schema import ID
from vppd.config.words import describe, listed, nearest, quoted, shorten, tag_name, with_unit

_WHOLE = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][-+][0-9]+)?")
_EXPONENT = re.compile(r"([-+]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([-+]?)([0-9]+))?")
_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_NUMBER_THEN_WORD = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?)\s*([^\s0-9].*)")
_INFINITE = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_PATTERNS = {ID: "1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit"}
_MAX_DIGITS = 15  # more, and a float is no longer the whole number that was written


class RefusedError(Exception):
    """The value is refused; the text says why."""


def to_number(node: yaml.Node, rule: Number | None, *, whole: bool) -> float:
    """Give the number of a node within its rule, as int where `whole`; raise RefusedError."""
    rule = rule or Number("")
    in_unit = f" in {rule.unit}" if rule.unit else ""
    if not isinstance(node, yaml.ScalarNode) or tag_name(node) not in ("int", "float"):
        raise RefusedError(_not_a_number(node, rule.unit, in_unit))
    number = _finite_number(node.value, rule, in_unit)
    if whole and not _WHOLE.fullmatch(node.value):
        raise RefusedError(messages.NOT_WHOLE.format(written=shorten(node.value)))
    _check_range(number, rule, shorten(node.value))
    return int(node.value) if whole else number


def _finite_number(written: str, rule: Number, in_unit: str) -> float:
    lower = written.lower()
    if lower == ".nan":
        raise RefusedError(messages.IS_NAN.format(in_unit=in_unit))
    if lower in _INFINITE:
        if not rule.allow_inf:
            raise RefusedError(messages.NOT_FINITE.format(written=lower.replace(".", "")))
        return _INFINITE[lower]
    # YAML 1.1 has more: 010 is 8, 1:30 is 90, 0x10 is 16, 1_0 is 10. Nobody means that here.
    if not _DECIMAL.fullmatch(written):
        raise RefusedError(messages.NUMBER_BASE.format(in_unit=in_unit, written=shorten(written)))
    number = float(written)
    too_long = _WHOLE.fullmatch(written) and len(written.lstrip("+-")) > _MAX_DIGITS
    if math.isinf(number) or too_long:
        raise RefusedError(messages.TOO_BIG.format(written=shorten(written)))
    return number


def _check_range(number: float, rule: Number, written: str) -> None:
    for bound, message, breaks in (
        (rule.minimum, messages.MINIMUM, operator.lt),
        (rule.maximum, messages.MAXIMUM, operator.gt),
        (rule.above, messages.ABOVE, operator.le),
        (rule.below, messages.BELOW, operator.ge),
    ):
        if bound is not None and breaks(number, bound):
            shown = written.replace(".inf", "inf")
            raise RefusedError(message.format(bound=with_unit(bound, rule.unit), written=shown))


def _not_a_number(node: yaml.Node, unit: str, in_unit: str) -> str:
    """Say why a node is no number, and what to write where that can be known."""
    sorry = messages.NOT_A_NUMBER.format(in_unit=in_unit, what=describe(node))
    if not isinstance(node, yaml.ScalarNode) or tag_name(node) != "str":
        return sorry
    written, plain = node.value.strip(), node.style in (None, "")
    if _COMMA.fullmatch(written):
        number = written.replace(",", ".")
        return messages.NUMBER_COMMA.format(in_unit=in_unit, number=shorten(number))
    worded = _NUMBER_THEN_WORD.fullmatch(written)
    if worded and unit and worded[2].lower() == unit.lower():
        return messages.NUMBER_WITH_UNIT.format(in_unit=in_unit, number=shorten(worded[1]))
    number = _as_yaml_number(written)
    if number is None:
        return sorry
    if "inf" not in number and math.isinf(float(number)):
        return messages.TOO_BIG.format(written=shorten(written))
    if not plain:
        return messages.NUMBER_QUOTED.format(in_unit=in_unit, number=shorten(number))
    return messages.NUMBER_AS_TEXT.format(
        in_unit=in_unit, written=shorten(written), number=shorten(number)
    )


def _as_yaml_number(written: str) -> str | None:
    """Give `1e3` as YAML 1.1 wants it, `1.0e+3`; None where it is no number."""
    if written.lower().lstrip("+-") in ("inf", "infinity"):
        return "-.inf" if written.startswith("-") else ".inf"
    match = _EXPONENT.fullmatch(written)
    if match is None or not (match[2] or match[3]):
        return None
    sign, whole, fraction, exponent_sign, exponent = match.groups()
    if fraction is None and exponent is None:
        return written
    mantissa = f"{sign}{whole or '0'}.{fraction or '0'}"
    return f"{mantissa}e{exponent_sign or '+'}{exponent}" if exponent else mantissa


def to_text(node: yaml.Node, rule: Text | None, *, may_be_empty: bool) -> str:
    """Give the text of a node within its rule; raise RefusedError."""
    if not isinstance(node, yaml.ScalarNode) or tag_name(node) == "null":
        raise RefusedError(messages.NOT_A_TEXT.format(what=describe(node)))
    if tag_name(node) != "str":
        raise RefusedError(messages.TEXT_UNQUOTED.format(what=describe(node)))
    written: str = node.value
    if not written:
        if may_be_empty:
            return written
        raise RefusedError(messages.TEXT_EMPTY)
    if rule is not None:
        _check_text(written, rule)
    return written


def _check_text(written: str, rule: Text) -> None:
    if rule.choices and written not in rule.choices:
        near, choices = nearest(written, rule.choices), listed(rule.choices)
        template = messages.TEXT_CHOICE_NEAR if near else messages.TEXT_CHOICE
        raise RefusedError(template.format(choices=choices, written=quoted(written), near=near))
    if rule.pattern is not None and not re.fullmatch(rule.pattern, written):
        pattern = _PATTERNS.get(rule.pattern, f"of the form {rule.pattern}")
        raise RefusedError(messages.TEXT_PATTERN.format(pattern=pattern, written=quoted(written)))


def to_flag(node: yaml.Node) -> bool:
    """Give the flag of a node; raise RefusedError."""
    flag = None
    if isinstance(node, yaml.ScalarNode) and tag_name(node) == "bool":
        flag = _FLAGS.get(node.value.lower())
    if flag is None:
        raise RefusedError(messages.NOT_A_FLAG.format(what=describe(node)))
    return flag
