"""Interim."""
def split_pro_rata(request, base, lower, upper, out):
    raise NotImplementedError
