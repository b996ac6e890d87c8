"""The library of the kernels: the same bits without Numba, and never of other sources."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vppd.journal.coder
from vppd.kernels import jit, warm
from vppd.kernels.kinds import Checked
from vppd.runtime import kernel_library as library
from vppd.runtime import kernel_link as link
from vppd.runtime.kernel_library import use

warm.load()
DIGEST = Path(__file__).parents[1] / "kernels"  # folder of the digest of what kernels give

ELSEWHERE = """
import sys
from pathlib import Path
from vppd.runtime import kernel_library as library
assert library.use(Path(sys.argv[1]))
import kernels_digest
from vppd.kernels import fits, warm
from vppd.kernels.kinds import Checked
warm.load()
import vppd.core.tick, vppd.journal.writer
assert isinstance(fits.fits, Checked)
assert not {"numba", "scipy"} & set(sys.modules)
print(kernels_digest.digest())
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    file = tmp_path_factory.mktemp("library") / "kernels.bin"
    assert library.write(file) == ""
    return file


def test_it_has_every_kernel(written):
    there = {(piece.module, piece.name) for piece in library.read(written)}
    compiled = {(each.py_func.__module__, each.py_func.__name__) for each in jit.compiled}
    assert there == compiled
    assert {module for module, _ in there} == {
        vppd.journal.coder.__name__, *(f"vppd.kernels.{name}" for name in warm.MODULES)
    }  # fmt: skip


def test_the_same_bits_without_the_compiler(written, monkeypatch):
    monkeypatch.syspath_prepend(DIGEST)
    import kernels_digest

    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(written)],
        capture_output=True, text=True, check=False, cwd=DIGEST,
    )  # fmt: skip
    assert done.stdout.strip() == kernels_digest.digest(), done.stderr


def test_one_that_is_not_there_is_not_used(tmp_path, monkeypatch):
    assert library.read(tmp_path / "none") is None
    monkeypatch.setattr(jit, "compiled", [])
    assert not use(tmp_path / "none")
    assert not jit.linked


def test_one_that_is_cut_or_damaged_is_not_used(written, tmp_path):
    data = written.read_bytes()
    file = tmp_path / "kernels.bin"
    for at in (0, 9, 13, 40, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert library.read(file) is None, at
    for size in (0, 5, 16, 200, len(data) - 1):
        file.write_bytes(data[:size])
        assert library.read(file) is None, size


@pytest.mark.parametrize("what", ["python", "packages", "processor", "settings", "sources"])
def test_one_of_something_else_is_not_used(written, monkeypatch, what):
    now = library.made_of()
    assert library.read(written) is not None
    monkeypatch.setattr(library, "made_of", lambda: {**now, what: "other"})
    assert library.read(written) is None


def test_a_setting_of_numba_is_told_apart(monkeypatch):
    now = library.made_of()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert library.made_of() == now
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert library.made_of() != now


def test_every_source_that_kernels_take_from_is_told_apart():
    sources = library.made_of()["sources"]
    files = {Path(each.py_func.__code__.co_filename) for each in jit.compiled}
    package = Path(library.__file__).parents[1]
    assert {file.relative_to(package).as_posix() for file in files} < set(sources)
    assert "kernels/status.py" in sources


def test_it_is_not_used_where_nothing_is_to_be_compiled(written, monkeypatch):
    monkeypatch.setattr(jit, "compiled", [])
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not use(written)


def test_it_is_not_used_beside_compiled_kernels(written):
    assert jit.compiled
    assert not use(written)
    assert not jit.linked


def test_what_cannot_be_linked_is_not_kept(written, tmp_path, monkeypatch):
    """Linked in another process first: here the linker ends the process."""
    piece, *_ = library.read(written)
    broken = library.Piece(piece.module, piece.name, piece.wrapper, (), b"\x7fELF" + bytes(200))
    monkeypatch.setattr(link, "loaded", lambda: [broken])
    file = tmp_path / "kernels.bin"
    assert library.write(file) == "it cannot be linked"
    assert list(tmp_path.iterdir()) == []


def test_it_says_why_it_is_not_written(tmp_path, monkeypatch):
    assert "No such file" in library.write(tmp_path / "no" / "kernels.bin")
    monkeypatch.setattr(link, "loaded", lambda: None)
    assert library.write(tmp_path / "kernels.bin") == "Numba keeps no cache"


@pytest.fixture(scope="module")
def checked():
    signature = jit.i8(jit.f8, jit.i8, jit.b1, jit.IN, jit.OUT_2D)
    return Checked("kernel", lambda *values: len(values), signature)


GOOD = (1.0, 2, True, np.zeros(3), np.zeros((2, 2)))


def test_arguments_that_fit_are_handed_on(checked):
    assert checked(*GOOD) == len(GOOD)
    read_only = np.zeros(3)
    read_only.setflags(write=False)
    assert checked(1, np.int64(2), np.bool_(1), read_only, np.zeros((0, 2))) == len(GOOD)
    assert jit.entry(checked) is checked.code


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "1.0"), (0, None), (0, np.zeros(1)), (1, 2.0), (2, 1.0),
        (3, [0.0]), (3, np.zeros(3, np.float32)), (3, np.zeros(3, np.int64)),
        (3, np.zeros(6)[::2]), (3, np.zeros((3, 1))), (4, np.zeros(4)),
        (4, np.zeros((2, 3)).T), (4, np.broadcast_to(0.0, (1, 1))),
        (3, np.zeros(25, np.uint8)[1:].view(np.float64)),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(checked, place, value):
    values = list(GOOD)
    values[place] = value
    with pytest.raises(TypeError, match="where it takes"):
        checked(*values)


def test_a_wrong_number_of_arguments_is_refused(checked):
    with pytest.raises(TypeError, match="kernel takes 5 arguments, not 4"):
        checked(*GOOD[1:])
