"""Cycles of garbage are looked for seldom: a run makes few, and to look takes long."""

import gc

COLLECT_S = 400.0  # virtual time between two collections: none in a run of five minutes


class Collector:
    """Collects now and then, while Python's own collector is off.

    Parameters
    ----------
    now_s : float
        Virtual time at the start of the run.
    """

    def __init__(self, now_s: float) -> None:
        self.froze = False
        self._due_s = now_s + COLLECT_S

    def look(self, now_s: float) -> None:
        """Collect if it is time."""
        if now_s < self._due_s:
            return
        self._due_s += COLLECT_S
        gc.collect()
        gc.freeze()  # what is left stays: nobody needs to look at it again
        self.froze = True
