"""Benchmarks of the kernels, beside what others use for the same purpose. Run: `make bench`."""
