"""Interim."""
def split_merit_order(request, base, order, lower, upper, out):
    raise NotImplementedError
