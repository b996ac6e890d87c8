"""One register that is written again and again, within the same limits."""

import math
import struct

from vppd.points.register import COUNTS, FORMATS, Register


class Encoder:
    """Encodes values of one register, as `Register.encode` does, at a third of the cost.

    Parameters
    ----------
    lower, upper : float
        Limits that rounding must not cross, in the register's unit.
    """

    __slots__ = (
        "_factor", "_lower", "_lowest", "_missing", "_pack", "_register", "_unpack", "_upper",
        "_uppermost", "_whole",
    )  # fmt: skip

    def __init__(self, register: Register, *, lower: float, upper: float) -> None:
        self._register = register
        self._lower, self._upper = lower, upper
        slack = 1e-6 * register.scale
        self._lowest, self._uppermost = lower - slack, upper + slack
        self._factor = register.scale * register.sign
        self._missing = register.missing
        self._whole = register.format != "float32"
        # little endian throughout, in words and octets: the low word comes first
        order = ">" if register.word_order == "high_first" else "<"
        self._pack = struct.Struct(f"{order}{FORMATS[register.format]}").pack
        self._unpack = struct.Struct(f"{order}{COUNTS[register.format]}H").unpack

    def encode(self, value: float) -> list[int]:
        """Registers for a value. Raises ValueError if it is not finite or does not fit."""
        pack, unpack, factor = self._pack, self._unpack, self._factor
        raw = value / factor + 0.0
        try:
            if self._whole:
                step = round(raw)
                if self._lowest <= step * factor <= self._uppermost and step != self._missing:
                    return [*unpack(pack(step))]
            elif math.isfinite(raw):
                return [*unpack(pack(raw))]
        except (ValueError, OverflowError, struct.error):
            pass  # below it is said what is wrong
        return self._register.encode(value, lower=self._lower, upper=self._upper)
