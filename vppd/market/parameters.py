"""Parameters of a market from words: `key=value` into its frozen record of rules."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

Value = float | bool | str
# Parameters that may be nothing at all; any other with a default above 0 must stay above it.
MAY_BE_ZERO = frozenset({
    "accuracy_least", "adjustment_limit_pu", "adjustment_skip_s", "begin_hz", "begin_s",
    "charged_above_pu", "command_mw", "command_pct", "deadband_hz", "deviation_mw", "deviation_pct",
    "error_since_s", "flat_signal_pu", "floor", "intervals_pct", "lead_s", "low_usage_pu",
    "merge_s", "mileage_ratio", "price_cny_per_mw", "response_stays_s", "room_down_pu",
    "room_up_pu", "stuck_response_pu", "target_band_pct", "tolerance_pu",
})  # fmt: skip
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class HasRules(Protocol):
    """A market, or a baseline: whatever has a record of parameters."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def rules(self) -> Any: ...  # noqa: D102
    @property
    def needs(self) -> tuple[str, ...]: ...  # noqa: D102


class ParameterError(ValueError):
    """A parameter that the market does not have, cannot read, or lacks."""


def rules_from(market: HasRules, words: Sequence[str]) -> Any:
    """Build the rules of a market from `key=value` words.

    Raises
    ------
    ParameterError
        An unknown or repeated key, a value that is not of its kind, a rule that the record itself
        refuses, or a parameter that must be given and is not.
    """
    kinds = get_type_hints(market.rules)
    given: dict[str, Value] = {}
    for word in words:
        key, sign, text = word.partition("=")
        if not sign:
            raise ParameterError(f"{word!r}: a parameter is key=value")
        if key not in kinds:
            raise ParameterError(_unknown(market.name, key, list(kinds)))
        if key in given:
            raise ParameterError(f"{key} is given twice")
        given[key] = _value(key, text, kinds[key])
    missing = [key for key in market.needs if key not in given]
    if missing:
        raise ParameterError(f"{market.name} needs --param " + " --param ".join(
            f"{key}=…" for key in missing))  # fmt: skip
    try:
        rules = market.rules(**given)
        check_positive(rules, market.needs)
        check_signs(rules)
    except ValueError as error:
        raise ParameterError(str(error)) from error
    return rules


def with_capacity(market: HasRules, words: Sequence[str], capacity_mw: float) -> list[str]:
    """Add what was sold where the market needs it and nobody gave it. NaN: it is not known."""
    told = any(word.startswith("capacity_mw=") for word in words)
    if "capacity_mw" in market.needs and not told and capacity_mw > 0.0:
        return [*words, f"capacity_mw={capacity_mw!r}"]
    return list(words)


def check_positive(rules: object, names: Sequence[str]) -> None:
    """Raise ValueError unless each of these is finite and above 0."""
    for name in names:
        value = getattr(rules, name)
        if isinstance(value, float) and not 0.0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, is {value:g}")


def check_whole(rules: object, names: Sequence[str]) -> None:
    """Raise ValueError unless each of these is a whole number above 0."""
    for name in names:
        value = getattr(rules, name)
        if value != int(value) or value < 1.0:
            raise ValueError(f"{name} must be a whole number above 0, is {value:g}")


def check_signs(rules: Any) -> None:
    """Raise ValueError where a parameter is below 0 whose default is not, or 0 where it cannot."""
    for known in fields(rules):
        value, default = getattr(rules, known.name), known.default
        if not isinstance(default, float) or not default >= 0.0:
            continue  # a word, or a figure without a default: a price may be below 0
        if value < 0.0:
            raise ValueError(f"{known.name} must not be below 0, is {value:g}")
        if value == 0.0 and default > 0.0 and known.name not in MAY_BE_ZERO:
            raise ValueError(f"{known.name} must be above 0, is 0")


def as_mapping(rules: Any) -> Mapping[str, Value]:
    """The parameters by name, in the order of the record."""
    return {f.name: getattr(rules, f.name) for f in fields(rules)}


def _value(key: str, text: str, kind: Any) -> Value:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ParameterError(f"{key} must be one of {', '.join(get_args(kind))}, is {text!r}")
        return text
    if kind is bool:
        if text.lower() not in WORDS:
            raise ParameterError(f"{key} must be true or false, is {text!r}")
        return WORDS[text.lower()]
    try:
        number = float(text)
    except ValueError:
        raise ParameterError(f"{key} must be a number, is {text!r}") from None
    if not math.isfinite(number):
        raise ParameterError(f"{key} must be finite, is {text!r}")
    return number


def _unknown(market: str, key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
    return f"{market} has no parameter {key!r}{hint}"
