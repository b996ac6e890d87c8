"""What a split says of itself. One set of codes for every policy.

The numbers go into the journal (`Decision.status`): append only, never renumber.
"""

OK = 0
UNSERVED_UP = 1  # the request lies above the sum of the upper limits; every unit is at its upper
UNSERVED_DOWN = 2  # the request lies below the sum of the lower limits; every unit is at its lower
BAD_INPUT = -1  # NaN, infinity, crossed limits, wrong shapes; the output is as it was
MISMATCH = -2  # said by the core: a kernel called it served, and the sum says it is not

NAMES = {
    OK: "ok",
    UNSERVED_UP: "unserved_up",
    UNSERVED_DOWN: "unserved_down",
    BAD_INPUT: "bad_input",
    MISMATCH: "mismatch",
}
