"""Types of a kernel's arguments and results, told without the compiler.

A start that takes the kernels from their library (`runtime.kernel_library`) does without Numba,
which takes longer than all else that a start does. So signatures are told in words of our own,
which `jit` gives to Numba when it compiles, and by which `Checked` looks at arguments when it does
not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

_TAKEN_AS = {
    "float64": (float, int, np.floating, np.integer),
    "int64": (int, np.integer),
    "boolean": (bool, np.bool_),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `name` is Numba's; called with the types of the arguments it is a signature."""

    name: str

    def __call__(self, *takes: "Taken") -> "Signature":
        """Signature of a kernel that returns this."""
        return Signature(self, takes)

    def fits(self, value: object) -> bool:
        """Whether a value can be taken as this."""
        return isinstance(value, _TAKEN_AS[self.name])


@dataclass(frozen=True, slots=True)
class Array:
    """A contiguous array. `readonly`: one that may be read-only."""

    dtype: "np.dtype[Any]"
    ndim: int
    readonly: bool

    def fits(self, value: object) -> bool:
        """Whether a value is such an array."""
        if not isinstance(value, np.ndarray) or value.ndim != self.ndim:
            return False
        flags = value.flags
        return (
            value.dtype == self.dtype
            and flags.c_contiguous
            and flags.aligned
            and (self.readonly or flags.writeable)
        )


@dataclass(frozen=True, slots=True)
class Several:
    """Several values, of a kernel that returns more than one."""

    kinds: tuple[Scalar, ...]

    def __call__(self, *takes: "Taken") -> "Signature":
        """Signature of a kernel that returns these."""
        return Signature(self, takes)


Taken: TypeAlias = Scalar | Array


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kernel takes and returns."""

    returns: Scalar | Several
    takes: tuple[Taken, ...]


class Checked:
    """Machine code behind a look at each argument, as Numba's dispatcher has it.

    The code itself believes what it is given. `entry` takes it out from behind the look.
    """

    __slots__ = ("__name__", "_takes", "code")

    def __init__(self, name: str, code: Callable[..., object], signature: Signature) -> None:
        self.__name__ = name
        self.code = code
        self._takes = signature.takes

    def __call__(self, *values: object) -> object:
        """Run the kernel. Raises TypeError for arguments that do not fit its signature."""
        if len(values) != len(self._takes):
            raise TypeError(
                f"{self.__name__} takes {len(self._takes)} arguments, not {len(values)}"
            )
        for kind, value in zip(self._takes, values, strict=True):
            if not kind.fits(value):
                raise TypeError(f"{self.__name__}: {_told(value)} where it takes {kind}")
        return self.code(*values)


def _told(value: object) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    how = "" if value.flags.c_contiguous else ", not contiguous"
    how += "" if value.flags.writeable else ", read-only"
    return f"array of {value.dtype}, {value.ndim} dimensions{how}"
