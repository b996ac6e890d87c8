"""vppd: the virtual power plant daemon."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("vppd")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
