"""The one way in which vppd compiles a function, and the array types of the signatures.

Every kernel has one explicit signature, so it is compiled (or read from the cache) when its
module is imported and never in a tick. `IN` takes read-only arrays too, as replay gives them.

`fastmath` stays off: it would let LLVM reorder sums and drop the checks for NaN. LLVM fuses no
multiply-add by itself, so the bits are the same on every IEEE-754 machine and with
NUMBA_DISABLE_JIT=1.

Numba's cache looks only at the file of the kernel itself. Therefore no kernel calls a compiled
function of another file; `tests/kernels/test_kernels_rules.py` holds that.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import boolean, float64, int64, njit, types, uint8
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

b1 = boolean
f8 = float64
i8 = int64
void = types.void
IN = types.Array(float64, 1, "C", readonly=True)
OUT = types.Array(float64, 1, "C")
IN_2D = types.Array(float64, 2, "C", readonly=True)
OUT_2D = types.Array(float64, 2, "C")
IN_I8 = types.Array(int64, 1, "C", readonly=True)
OUT_I8 = types.Array(int64, 1, "C")
IN_U1 = types.Array(uint8, 1, "C", readonly=True)
OUT_U1 = types.Array(uint8, 1, "C")

Function = TypeVar("Function", bound=Callable[..., object])


def several(*kinds: Any) -> Any:
    """Type of a kernel that returns several values, for its signature."""
    return types.Tuple(kinds)  # type: ignore[no-untyped-call]  # numba does not annotate it


class _Cache(FunctionCache):
    """Numba's cache of a function, that reads machine code and nothing else.

    Numba's own imports all that it can compile before it looks for a file: 0.15 s of a start that
    compiles nothing. Who finds no file compiles, and the compiler imports it then.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Give what is on disk for a signature; None: nothing."""
        with self._guard_against_spurious_io_errors():
            return self._load_overload(  # type: ignore[no-untyped-call]  # numba's own
                sig, target_context
            )


def kernel(signature: Any = None) -> Callable[[Function], Function]:
    """Compile with strict IEEE arithmetic; without a signature: when its caller is compiled.

    A kernel allocates nothing, and its arrays are its caller's: nothing has to count who holds
    them. So it is compiled without Numba's reference counts (`_nrt`), and one that would allocate
    is refused. With them each array that is handed on to a helper costs two atomic operations, and
    each that comes from Python an allocation. Helpers become a part of their callers.
    """

    def decorate(function: Function) -> Function:
        compiled: Any = njit(  # type: ignore[call-overload]  # of `_nrt`
            fastmath=False,
            error_model="numpy",
            cache=True,
            forceinline=signature is None,
            _nrt=False,
        )(function)
        if isinstance(compiled, Dispatcher):  # else NUMBA_DISABLE_JIT=1
            compiled._cache = _Cache(function)  # type: ignore[no-untyped-call, attr-defined]
            if signature is not None:
                compiled.compile(signature)
                compiled.disable_compile()
        return cast("Function", compiled)

    return decorate


def entry(compiled: Function) -> Function:
    """The machine code of a kernel, to be called without a look at the type of each argument.

    For a few hundred units that look takes as long as the kernel. Only for arrays that are known
    to be right: those that the core has made, and those that `fits` has seen.
    """
    if not isinstance(compiled, Dispatcher):  # with NUMBA_DISABLE_JIT=1
        return compiled
    (overload,) = compiled.overloads.values()
    code: Function = overload.entry_point  # type: ignore[attr-defined]  # numba does not tell
    return code
