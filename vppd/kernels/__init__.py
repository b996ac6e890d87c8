"""Numba kernels: arrays and numbers in, arrays and a status out.

`exact`, `pro_rata` and `merit_order` split a request; `limits` folds the limits that they get;
`guard` checks what comes out; `status` holds their codes and `warm` loads them all.
"""
