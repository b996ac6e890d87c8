"""Numba, as kernels are compiled with it. Imported where one is compiled or read from its cache."""

from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.np.numpy_support import from_dtype

from vppd.kernels.kinds import Scalar, Several, Signature, Taken


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


def compile_kernel(function: Callable[..., object], signature: Signature | None) -> Any:
    """Compile, or read from the cache, as `jit.kernel` says.

    Numba's dispatcher; the function itself with NUMBA_DISABLE_JIT=1.
    """
    compiled: Any = njit(  # type: ignore[call-overload]  # of `_nrt`
        fastmath=False,
        error_model="numpy",
        cache=True,
        forceinline=signature is None,
        _nrt=False,
    )(function)
    if isinstance(compiled, Dispatcher):
        compiled._cache = _Cache(function)  # type: ignore[no-untyped-call, attr-defined]
        if signature is not None:
            compiled.compile(_in_numba(signature))
            compiled.disable_compile()
    return compiled


def _in_numba(signature: Signature) -> Any:
    """Tell a signature in Numba's types."""
    returns = signature.returns
    if isinstance(returns, Several):
        kinds = [_type(kind) for kind in returns.kinds]
        result: Any = types.Tuple(kinds)  # type: ignore[no-untyped-call]  # numba does not annotate
    else:
        result = _type(returns)
    return result(*(_type(kind) for kind in signature.takes))


def _type(kind: Taken) -> Any:
    if isinstance(kind, Scalar):
        return getattr(types, kind.name)
    return types.Array(from_dtype(kind.dtype), kind.ndim, "C", readonly=kind.readonly)
