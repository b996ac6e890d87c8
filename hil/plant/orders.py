"""Dead time: setpoints on their way, one queue for each unit.

A setpoint accepted at t moves the unit's target at t + dead time. Within the step of that instant
the target is the mean over the step, so that no setpoint is moved to the grid of the steps.
"""

import numpy as np

from hil.plant.body import BODY
from hil.plant.jit import F8, I8, Records, f8, i8, kernel, matrix_f8, records, vector_i8

FIRST_LENGTH = 64  # 30 s of dead time at two setpoints a second; grows


class Orders:
    """Ring buffers, one row for each unit, in the order of their instants."""

    def __init__(self, n: int) -> None:
        self._new: list[float] = []  # unit, instant, MW, and so on: not yet filed
        self._due_s = np.zeros((n, FIRST_LENGTH))
        self._p_mw = np.zeros((n, FIRST_LENGTH))
        self._head = np.zeros(n, dtype=np.int64)
        self._count = np.zeros(n, dtype=np.int64)

    def put(self, i: int, due_s: float, p_mw: float) -> None:
        """Let unit i have `p_mw` as its target from `due_s` on; the latest call wins a tie."""
        self._new += (i, due_s, p_mw)

    def clear(self) -> None:
        """Forget all setpoints."""
        self._new.clear()
        self._count[:] = 0

    def take(self, end_s: float, step_s: float, body: Records) -> None:
        """Set the targets, and their means over the step that ends at `end_s`."""
        if self._new:
            self._file(np.array(self._new).reshape(-1, 3))
            self._new.clear()
        take(end_s, step_s, self._due_s, self._p_mw, self._head, self._count, body)

    def _file(self, new: F8) -> None:
        """Put new setpoints into the buffers, which grow when one is full."""
        filed = 0
        while filed < len(new):
            new = new[filed:]
            filed = file(new, self._due_s, self._p_mw, self._head, self._count)
            if filed < len(new):
                self._grow()

    def _grow(self) -> None:
        """Double the length of all rows."""
        length = self._due_s.shape[1]
        order = (self._head[:, None] + np.arange(length)) % length
        self._due_s = _longer(np.take_along_axis(self._due_s, order, axis=1))
        self._p_mw = _longer(np.take_along_axis(self._p_mw, order, axis=1))
        self._head[:] = 0


def _longer(rows: F8) -> F8:
    """Rows of twice the length."""
    return np.hstack([rows, np.zeros_like(rows)])


@kernel(matrix_f8, matrix_f8, matrix_f8, vector_i8, vector_i8, returns=i8)
def file(new: F8, due_s: F8, p_mw: F8, head: I8, count: I8) -> int:
    """Put setpoints into the buffers, by their instants; how many, until a buffer was full."""
    length = due_s.shape[1]
    for k in range(new.shape[0]):
        i = int(new[k, 0])
        if count[i] == length:
            return k
        behind = int(count[i])
        place = (head[i] + behind) % length
        while behind > 0:
            before = (head[i] + behind - 1) % length
            if due_s[i, before] <= new[k, 1]:
                break
            due_s[i, place], p_mw[i, place] = due_s[i, before], p_mw[i, before]
            place, behind = before, behind - 1
        due_s[i, place], p_mw[i, place] = new[k, 1], new[k, 2]
        count[i] += 1
    return len(new)


@kernel(f8, f8, matrix_f8, matrix_f8, vector_i8, vector_i8, records(BODY))
def take(
    end_s: float, step_s: float, due_s: F8, p_mw: F8, head: I8, count: I8, body: Records
) -> None:
    """Set `target_mw` and `mean_mw` of all units for the step that ends at `end_s`."""
    length = due_s.shape[1]
    for i in range(body.size):
        b = body[i]
        b["mean_mw"] = b["target_mw"]
        while count[i] > 0 and due_s[i, head[i]] < end_s:
            told_mw = p_mw[i, head[i]]
            rest = min((end_s - due_s[i, head[i]]) / step_s, 1.0)
            b["mean_mw"] += (told_mw - b["target_mw"]) * rest
            b["target_mw"] = told_mw
            head[i] = (head[i] + 1) % length
            count[i] -= 1
