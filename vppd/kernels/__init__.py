"""Numba kernels: arrays and numbers in, arrays and a status out."""
