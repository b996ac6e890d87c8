"""Sums whose bits never change, and whose value is right."""

from vppd.kernels.jit import F8, IN, f8, kernel


@kernel(f8(IN))
def sum_in_order(values: F8) -> float:
    """Sum in index order, with the rounding errors carried along: good to about one ulp.

    numpy's sum is pairwise, in an order that depends on the features of the CPU. A plain loop
    in index order would leave some 1e-13 of a large fleet's power as a false `unserved_mw`.
    The method is two-sum (D. E. Knuth, TAOCP vol. 2, 4.2.2, theorem B), without the
    assumption of Kahan's sum that terms come in falling order.
    """
    total = 0.0
    error = 0.0
    for i in range(values.shape[0]):
        after = total + values[i]
        shift = after - total
        error += (total - (after - shift)) + (values[i] - shift)
        total = after
    return total + error
