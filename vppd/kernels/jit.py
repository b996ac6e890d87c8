"""The one way in which vppd compiles a function, and the array types of the signatures.

Every kernel has one explicit signature, so it is compiled (or read from the cache) when its
module is imported and never in a tick. `IN` takes read-only arrays too, as replay gives them.

`fastmath` stays off: it would let LLVM reorder sums and drop the checks for NaN. LLVM fuses no
multiply-add by itself, so the bits are the same on every IEEE-754 machine and with
NUMBA_DISABLE_JIT=1.

Kernels that do one thing take arrays by name and stand by themselves. A *phase* of the tick calls
several of them, of other files, so that the way from Python and back is gone once; the cache knows
which files a kernel is made of (`compiler`).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from vppd.kernels.kinds import Array, Checked, Scalar, Several, Signature

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

_F8, _I8, _U1 = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.uint8)
b1 = Scalar("boolean")
f8 = Scalar("float64")
i8 = Scalar("int64")
void = Scalar("void")
IN = Array(_F8, 1, readonly=True)
OUT = Array(_F8, 1, readonly=False)
IN_2D = Array(_F8, 2, readonly=True)
OUT_2D = Array(_F8, 2, readonly=False)
IN_I8 = Array(_I8, 1, readonly=True)
OUT_I8 = Array(_I8, 1, readonly=False)
IN_U1 = Array(_U1, 1, readonly=True)
OUT_U1 = Array(_U1, 1, readonly=False)
OUT_U1_2D = Array(_U1, 2, readonly=False)

Function = TypeVar("Function", bound=Callable[..., object])
Code = Callable[..., object]

compiled: list[Any] = []  # Numba's dispatchers, each with its one signature
linked: dict[str, dict[str, Code]] = {}  # by module and name: see `runtime.kernel_library`


def several(*kinds: Scalar) -> Several:
    """Type of a kernel that returns several values, for its signature."""
    return Several(kinds)


def kernel(signature: Signature | None = None) -> Callable[[Function], Function]:
    """Compile with strict IEEE arithmetic; without a signature: when its caller is compiled.

    A kernel allocates nothing, and its arrays are its caller's: nothing has to count who holds
    them. So it is compiled without Numba's reference counts (`_nrt`), and one that would allocate
    is refused. With them each array that is handed on to a helper costs two atomic operations, and
    each that comes from Python an allocation. Helpers become a part of their callers.

    Nothing is compiled where the machine code is `linked`; helpers of such kernels stay functions
    of Python, which nobody calls.
    """

    def made(function: Function) -> Function:
        codes = linked.get(function.__module__)
        if codes is None:
            return _compiled(function, signature)
        if signature is None:
            return function
        code = codes[function.__name__]
        return Checked(function.__name__, code, signature)  # type: ignore[return-value]

    return made


def _compiled(function: Function, signature: Signature | None) -> Function:
    from vppd.kernels.compiler import compile_kernel  # noqa: PLC0415 - Numba, where it is needed

    made = compile_kernel(function, signature)
    if signature is not None and made is not function:  # not with NUMBA_DISABLE_JIT=1
        compiled.append(made)
    return cast("Function", made)


def entry(compiled: Function) -> Function:
    """The machine code of a kernel, to be called without a look at the type of each argument.

    For a few hundred units that look takes as long as the kernel. Only for arrays that are known
    to be right: those that the core has made, and those that `fits` has seen.
    """
    if isinstance(compiled, Checked):
        return cast("Function", compiled.code)
    overloads = getattr(compiled, "overloads", None)
    if overloads is None:  # with NUMBA_DISABLE_JIT=1
        return compiled
    (overload,) = overloads.values()
    code: Function = overload.entry_point
    return code
