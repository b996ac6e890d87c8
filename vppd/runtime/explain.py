"""`vppd explain`: find the tick, run it again, and say why each unit got its setpoint."""

import dataclasses
import difflib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vppd.core.explain import explain
from vppd.core.tick import tick
from vppd.journal.errors import DamageError
from vppd.journal.explain import Explanation, Unit, explanation
from vppd.journal.find import find
from vppd.journal.instant import parse
from vppd.journal.scan import Progress
from vppd.runtime.explain_text import render
from vppd.runtime.explain_unit_text import render_unit


class UnknownUnitError(Exception):
    """A unit that the plant does not have."""


def explained(
    journal: Path, at: str, der: str | None, *, as_json: bool, progress: Progress | None = None
) -> tuple[str, DamageError | None]:
    """Give the text, or JSON document, and what is damaged behind the tick in its segment.

    Raises
    ------
    InstantError
        No such instant in this journal.
    UnknownUnitError
        No such unit in this plant.
    JournalError
        As `find`.
    """
    found = find(journal, parse(at), tick, progress=progress)
    params = found.header.params
    if der is not None and der not in params.ids:
        raise UnknownUnitError(_unknown(der, params.ids))
    why = explain(found.before, found.record.image, params, found.decision)
    about = explanation(found, why)
    unit = next((unit for unit in about.units if unit.id == der), None)
    return _written(about, unit, as_json=as_json), found.damage


def _written(about: Explanation, unit: Unit | None, *, as_json: bool) -> str:
    if as_json:
        return to_json(about if unit is None else dataclasses.replace(about, units=(unit,)))
    return render(about) if unit is None else render_unit(about, unit)


def _unknown(der: str, ids: Sequence[str]) -> str:
    near = difflib.get_close_matches(der, ids, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; the first is {ids[0]}"
    return f"no unit {der!r} among {len(ids)}{hint}"


def to_json(about: Explanation) -> str:
    """One JSON document; what is not finite in the record is null there."""
    return json.dumps(_plain(dataclasses.asdict(about)), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
