"""Lets every test import `helpers`."""

import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent / "core"),
    str(Path(__file__).parent / "market"),
    str(Path(__file__).parent / "runtime"),
    str(Path(__file__).parent / "system"),
]
