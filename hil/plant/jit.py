"""The one way in which the bench compiles a function, and the array types of the signatures.

Every kernel has one explicit signature, so that it is compiled (or read from Numba's cache) when
its module is imported and never in a step. `fastmath` stays off, and no kernel calls `exp` or
`pow`: decays are computed once, outside, so the same seed gives the same bits, with and without
a compiler (NUMBA_DISABLE_JIT=1).

Numba's cache looks only at the file of the kernel itself. Therefore no kernel calls a compiled
function of another file; `tests/hil/test_hil_plant_rules.py` holds that.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import float64, from_dtype, int64, njit, types, void
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Records = NDArray[np.void]  # structured: one record for each unit

Function = TypeVar("Function", bound=Callable[..., object])
Fields = list[tuple[str, str]]

f8 = float64
i8 = int64
vector_i8 = int64[::1]
vector_f8 = float64[::1]
matrix_f8 = float64[:, ::1]


def records(dtype: np.dtype[np.void]) -> Any:
    """Type of a contiguous array of records, for a signature."""
    return types.Array(from_dtype(dtype), 1, "C")


def kernel(*arguments: Any, returns: Any = void) -> Callable[[Function], Function]:
    """Compile a function that works in place on the arrays it is given."""
    decorate: Callable[[Function], Function] = njit(
        returns(*arguments), fastmath=False, error_model="numpy", cache=True
    )
    return decorate


def law(function: Function) -> Function:
    """Compile a formula of scalars when the kernel that calls it is compiled."""
    compiled: Any = njit(fastmath=False, error_model="numpy")(function)
    return cast("Function", compiled)
