"""What LLVM was told to compute, and how freely: read from the intermediate code of a kernel."""

import re

FLAGS = r"(?:fast|reassoc|contract|arcp|afn|nnan|ninf|nsz)"
FREE = re.compile(rf"\b(?:f[a-z]+|select|phi|call) {FLAGS}\b")
# Exact, or rounded as IEEE-754 says, on every machine. (`frem`, an instruction, is exact, too.)
EXACT = {"llvm.fabs", "llvm.floor", "llvm.ceil", "llvm.trunc", "llvm.rint", "llvm.is.fpclass"}
MOVES = {"llvm.masked.load", "llvm.masked.store", "llvm.masked.gather", "llvm.masked.scatter"}
OF_PYTHON = {"PyFloat_AsDouble", "PyFloat_FromDouble"}  # in what Python calls
NUMBER = r"(?:double|float|<\d+ x (?:double|float)>)"
CALL = re.compile(rf'\bcall\b[^@]*?({NUMBER} )?@"?([\w.$]+)"?\((.*)')
KIND = re.compile(r"\.(?:v\d+)?(?:f\d+|p\d+)(?:\..*)?$")


def inexact(code: str) -> list[str]:
    """Instructions whose numbers another machine, or another compiler, may round otherwise.

    Those are instructions that LLVM may reorder, fuse or shorten, and functions of numbers of
    which nobody says that they round right: `pow`, `exp`, a fused multiply-add.
    """
    return [line.strip() for line in code.splitlines() if _is_inexact(line)]


def _is_inexact(line: str) -> bool:
    line = line.partition(" !")[0]
    if line.startswith("declare"):
        return False
    if FREE.search(line):
        return True
    call = CALL.search(line)
    if call is None:
        return False
    gives_number, name, arguments = call.groups()
    if gives_number is None and not re.match(NUMBER, arguments):
        return False
    return KIND.sub("", name) not in EXACT | MOVES | OF_PYTHON
