"""A linear program, put together block by block: sparse, every column between finite bounds."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Term = tuple[I8, float]  # columns, one a row, and their common coefficient


@dataclass(slots=True)
class Program:
    """Minimise cost x subject to bounds on x and on A x."""

    _lower: list[F8] = field(default_factory=list)
    _upper: list[F8] = field(default_factory=list)
    _cost: list[F8] = field(default_factory=list)
    _row_lower: list[F8] = field(default_factory=list)
    _row_upper: list[F8] = field(default_factory=list)
    _entries: list[tuple[I8, I8, F8]] = field(default_factory=list)  # row, column, value
    columns: int = 0
    rows: int = 0

    def variables(self, n: int, lower: F8 | float, upper: F8 | float, cost: float = 0.0) -> I8:
        """Add n columns; returns their numbers."""
        self._lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), n))
        self._upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), n))
        self._cost.append(np.full(n, cost))
        self.columns += n
        return np.arange(self.columns - n, self.columns)

    def constrain(self, terms: list[Term], lower: F8 | float, upper: F8 | float) -> None:
        """Add one row for each column of a term: lower <= sum of the terms <= upper.

        A term with fewer columns than the first one belongs to the last rows.
        """
        n = terms[0][0].size
        for columns, coefficient in terms:
            if coefficient != 0.0:
                rows = np.arange(self.rows + n - columns.size, self.rows + n)
                self._entries.append((rows, columns, np.full(columns.size, coefficient)))
        self._row_lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), n))
        self._row_upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), n))
        self.rows += n

    def matrix(self) -> "Matrix":
        """Columns sorted, rows ascending within each."""
        rows, columns, values = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        order = np.lexsort((rows, columns))
        counts = np.bincount(columns, minlength=self.columns)
        start = np.concatenate(([0], np.cumsum(counts)))
        return Matrix(start, rows[order], columns[order], values[order])

    @property
    def lower(self) -> F8:
        """Lower bounds of the columns."""
        return np.concatenate(self._lower)

    @property
    def upper(self) -> F8:
        """Upper bounds of the columns."""
        return np.concatenate(self._upper)

    @property
    def cost(self) -> F8:
        """Cost of the columns."""
        return np.concatenate(self._cost)

    @property
    def row_lower(self) -> F8:
        """Lower bounds of the rows."""
        return np.concatenate(self._row_lower)

    @property
    def row_upper(self) -> F8:
        """Upper bounds of the rows."""
        return np.concatenate(self._row_upper)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Entries column by column; `start[j]` is the first one of column j."""

    start: I8
    row: I8
    column: I8
    value: F8

    def transposed_times(self, y: F8) -> F8:
        """Give A^T y."""
        n = self.start.size - 1
        pulls = self.value * y[self.row]
        return np.bincount(self.column, weights=pulls, minlength=n).astype(np.float64)
