"""Frozen records of many fields, made in a tenth of the time.

A frozen dataclass sets each of its fields by `object.__setattr__`, and arguments that are given by
name are looked up one by one: with 40 of them that takes longer than to split a request over 200
units. A draft has the same fields in the same slots, and they are set one by one; then it is
declared to be the frozen record, which it is from then on.
"""

from dataclasses import fields
from typing import Any, TypeVar

Record = TypeVar("Record")


def draft_of(record: type[Record]) -> Any:
    """Class of drafts of a frozen dataclass with slots. Each of their fields has to be set."""
    names = tuple(field.name for field in fields(record))  # type: ignore[arg-type]  # it is one
    return type(f"{record.__name__}Draft", (), {"__slots__": names})


def freeze(draft: Any, record: type[Record]) -> Record:
    """The record that a draft becomes: the same object."""
    draft.__class__ = record
    return draft  # type: ignore[no-any-return]
