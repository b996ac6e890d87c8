"""A table is read once for all units that share it, and anew when its file has changed."""

import os

import pytest

from vppd.points.shared import loaded_once


def test_a_table_is_read_once_until_its_file_changes(tmp_path):
    path, read = tmp_path / "table.yaml", []

    def load(path):
        read.append(path.name)
        return path.read_text()

    table = loaded_once(load)
    path.write_text("one")
    assert [table(path), table(path)] == ["one", "one"]
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert [table(path), table(path)] == ["two", "two"]
    assert read == ["table.yaml"] * 2


def test_what_cannot_be_loaded_is_told_each_time(tmp_path):
    table = loaded_once(lambda path: path.read_text())
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            table(tmp_path / "none.yaml")
