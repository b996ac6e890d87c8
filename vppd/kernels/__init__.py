"""Numba kernels: arrays and numbers in, arrays and a status out.

`exact`, `pro_rata` and `merit_order` split a request; `limits` folds the limits that they get;
`guard` checks what comes out, `certificate` that it is the optimum; `status` holds their codes,
and `warm` loads them all.
"""
