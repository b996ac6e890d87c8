"""Load every kernel before the first tick.

A kernel is compiled when its module is imported, or read from Numba's cache (in NUMBA_CACHE_DIR;
beside the modules if that is not set). This module imports none of them by itself, so that a
program can say what it is doing before it calls `load`.
"""

from importlib import import_module

MODULES = (
    "able", "ahead", "ahead_groups", "ahead_search", "aims", "bands", "certificate", "exact",
    "fits", "foresight", "grid", "guard",
    "headroom", "limits", "merit_order", "participation", "pro_rata", "record", "response", "share",
    "sides",    "sums", "tally", "tree", "trust",
)  # fmt: skip


def load() -> int:
    """Load all kernels; the number of modules. May take 20 to 30 s without a cache."""
    for name in MODULES:
        import_module(f"vppd.kernels.{name}")
    return len(MODULES)
