"""Machine code that Numba has made: taken out of it, and linked into a process without it.

This knows how Numba calls things inside: what its functions for Python expect of a process
(`numba.core.base`, `numba.core.codegen`), and where its cache keeps the code. requirements-run.lock
pins the version; `tests/runtime/test_runtime_kernel_library.py` fails when one changes that.
"""

import builtins
import ctypes
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm

from vppd.kernels import jit
from vppd.kernels.jit import Code
from vppd.runtime import kernel_library
from vppd.runtime.kernel_library import Piece

_alive: list[Any] = []  # what linked code lies in, and points to


def processor() -> tuple[str, str]:
    """Name and features of the processor, as code is made for them."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def loaded() -> Sequence[Piece] | None:
    """Every kernel that is loaded, from Numba's cache; None: that has not all of them."""
    pieces = [_piece(dispatcher) for dispatcher in jit.compiled]
    whole = [piece for piece in pieces if piece is not None]
    return whole if len(whole) == len(pieces) else None


def _piece(dispatcher: Any) -> Piece | None:
    """Give the code of a kernel as Numba's cache has it; None: it is not there."""
    (made,) = dispatcher.overloads.values()
    context, cache = made.target_context, dispatcher._cache
    kept = cache._cache_file.load(cache._index_key(made.signature, context.codegen()))
    if kept is None:
        return None
    (_, kind, (code, _)), *_, referenced = kept
    environments = {context.get_env_name(made.fndesc), *(each.env_name for each in referenced)}
    if kind != "object" or made.environment.consts:
        raise RuntimeError(f"{dispatcher.__name__}: Numba keeps more than its machine code")
    function = dispatcher.py_func
    return Piece(
        function.__module__, function.__name__, made.fndesc.llvm_cpython_wrapper_name,
        tuple(sorted(environments)), code,
    )  # fmt: skip


def link(pieces: Sequence[Piece]) -> dict[tuple[str, str], Code]:
    """Make kernels callable. Ends the process if a symbol that one needs is not there."""
    helpers, functions = _extension("_helperlib"), _extension("_dynfunc")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, address in _symbols(helpers, functions).items():
        llvm.add_symbol(name, address)
    engine = _engine()
    for piece in pieces:
        engine.add_object_file(llvm.ObjectFileRef.from_data(piece.code))
    engine.finalize_object()
    # Of a kernel only its globals would matter, to code that prints or raises: none does.
    environment = functions.Environment({})
    _alive.extend((engine, environment))
    for name in {name for piece in pieces for name in piece.environments}:
        address = engine.get_global_value_address(name)
        if address:  # one that nothing points to was left out
            ctypes.c_void_p.from_address(address).value = id(environment)
    owner = sys.modules[__name__]
    return {
        (piece.module, piece.name): functions.make_function(
            owner, piece.name, f"machine code of {piece.module}.{piece.name}",
            engine.get_function_address(piece.wrapper), environment, (engine,),
        )
        for piece in pieces
    }  # fmt: skip


def _extension(name: str) -> ModuleType:
    """Load an extension module of Numba without the package around it."""
    package = find_spec("numba")
    if package is None or package.submodule_search_locations is None:
        raise ImportError("Numba is not installed")
    folder = Path(package.submodule_search_locations[0])
    spec = spec_from_file_location(f"numba.{name}", folder / f"{name}{EXTENSION_SUFFIXES[0]}")
    if spec is None or spec.loader is None:
        raise ImportError(f"numba.{name} cannot be loaded")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _symbols(*extensions: ModuleType) -> dict[str, int]:
    """Addresses of what code may call, as `numba.core.base` tells them to LLVM."""
    symbols = {"_Py_NoneStruct": id(None)}
    for extension in extensions:
        for name, address in extension.c_helpers.items():
            symbols[f"numba_{name}"] = address
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            symbols[f"PyExc_{name}"] = id(value)
    return symbols


def _engine() -> Any:
    module = llvm.parse_assembly("")
    module.triple = llvm.get_process_triple()
    machine = llvm.Target.from_triple(module.triple).create_target_machine()
    return llvm.create_mcjit_compiler(module, machine)


if __name__ == "__main__":  # see `kernel_library.write`
    found = kernel_library.read(Path(sys.argv[1]))
    sys.exit(found is None or not link(found))
