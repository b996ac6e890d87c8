"""JSON messages of devices and signals: read with suspicion, and their powers as data."""

import json
import math
from dataclasses import dataclass

NUMBERS = (int, float)  # of JSON; a union would be made anew for each
OCTETS_MAX = 4096  # of a message; the largest that is meant has 200


class MessageError(ValueError):
    """A message that is not what its topic promises; the text says why."""


def parse_object(payload: bytes) -> dict[str, object]:
    """Object in a payload. Raises MessageError for anything else, however it is malformed."""
    if len(payload) > OCTETS_MAX:
        raise MessageError(f"{len(payload)} octets")
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MessageError("not a JSON object")
    return document


def number(document: dict[str, object], key: str) -> float:
    """Finite number under a key. Raises MessageError; true, false and text are no numbers."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        raise MessageError(f"{key} is not a number")
    try:
        real = float(value)
    except OverflowError as error:  # JSON has integers of any size
        raise MessageError(f"{key} is too large") from error
    if not math.isfinite(real):
        raise MessageError(f"{key} is {real}")
    return real


def whole(document: dict[str, object], key: str) -> int:
    """Whole number under a key. Raises MessageError."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MessageError(f"{key} is not a whole number")
    return value


@dataclass(frozen=True, slots=True)
class JsonPower:
    """One power in a message. `scale` turns it into MW, `sign` into our direction."""

    key: str
    scale: float
    sign: int

    def decode(self, document: dict[str, object]) -> float:
        """MW, generation positive. Raises MessageError."""
        return number(document, self.key) * self.scale * self.sign

    def encode(self, p_mw: float) -> dict[str, float]:
        """Key and raw value, to the watt. Raises ValueError if it is not finite."""
        if not math.isfinite(p_mw):
            raise ValueError(f"{p_mw} MW cannot be sent")
        return {self.key: round(p_mw / self.scale * self.sign, 3) + 0.0}  # never -0.0


# EV depot over MQTT, "maker D" (docs/points.md): load positive, kW. Their lowest load is our
# highest power.
DEPOT_P_MEAS = JsonPower("p_kw", 1e-3, -1)
DEPOT_P_AVAIL_MAX = JsonPower("min_kw", 1e-3, -1)
DEPOT_P_AVAIL_MIN = JsonPower("max_kw", 1e-3, -1)
DEPOT_ENERGY = JsonPower("e_kwh", 1e-3, -1)  # MWh
DEPOT_SETPOINT = JsonPower("p_kw", 1e-3, -1)
DEPOT_FALLBACK = JsonPower("fallback_kw", 1e-3, -1)
DEPOT_RATED = JsonPower("rated_kw", 1e-3, -1)  # full load, so our lowest power
