"""Numba, as kernels are compiled with it. Imported where one is compiled or read from its cache."""

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, Final

from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher
from numba.np.numpy_support import from_dtype

from vppd.kernels.kinds import Scalar, Several, Signature, Taken

_KERNELS: Final = "vppd.kernels."


class _Cache(FunctionCache):
    """Numba's cache of a function, that reads machine code and nothing else.

    Numba's own imports all that it can compile before it looks for a file: 0.15 s of a start that
    compiles nothing. Who finds no file compiles, and the compiler imports it then.

    Numba's own looks at the file of the function alone; this one at those of all kernels that it
    may call, too.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]  # numba's own
        own = self._impl.locator.get_source_stamp()
        self._cache_file = IndexDataCacheFile(  # type: ignore[no-untyped-call]  # numba's own
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(own, *(_stamp(name) for name in _modules_below(function.__module__))),
        )

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
        compiled._cache = _Cache(function)  # type: ignore[attr-defined]
        if signature is not None:
            compiled.compile(_in_numba(signature))
            compiled.disable_compile()
    return compiled


def _modules_below(module: str) -> list[str]:
    """Modules of kernels that a module takes modules or functions from, in order."""
    seen = {module}
    left = [module]
    while left:
        for value in vars(sys.modules[left.pop()]).values():
            name = value.__name__ if isinstance(value, ModuleType) else _home(value)
            if name.startswith(_KERNELS) and name not in seen:
                seen.add(name)
                left.append(name)
    return sorted(seen - {module})


def _home(value: object) -> str:
    return str(getattr(value, "__module__", ""))


@cache
def _stamp(name: str) -> str:
    """Digest of a module's file."""
    module: Any = sys.modules[name]
    return hashlib.sha256(module.__loader__.get_data(module.__file__)).hexdigest()


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
