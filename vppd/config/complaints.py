"""Collects problems while a file is read; one line of the file complains once."""

from yaml import Mark

from vppd.config import messages
from vppd.config.errors import ConfigError, Problem
from vppd.config.words import printable


class Complaints:
    """All problems of one file.

    A template that 90 units share is one place in the file: what is wrong there is told once,
    with the number of the other units, not 90 times.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: dict[tuple[int, str, str], Problem] = {}
        self._repeats: dict[tuple[int, str, str], int] = {}

    def add(self, mark: Mark, key: str, message: str) -> None:
        """Note one problem of `key` (its path) at a mark of the YAML text."""
        key, message = printable(key), printable(message)  # drivers word their own
        place = (mark.index, key.rpartition(".")[2], message)
        if place in self._problems:
            self._repeats[place] = self._repeats.get(place, 0) + 1
            return
        self._problems[place] = Problem(self._file, mark.line + 1, key, message)

    def fatal(self, line: int, key: str, message: str) -> ConfigError:
        """Give the error for a text that cannot be read any further, with all that is noted."""
        return ConfigError((*self._told(), Problem(self._file, line, key, message)))

    def raise_if_any(self) -> None:
        """Raise ConfigError when anything was noted."""
        if self._problems:
            raise ConfigError(self._told())

    def _told(self) -> tuple[Problem, ...]:
        return tuple(
            self._repeated(problem, self._repeats[place]) if place in self._repeats else problem
            for place, problem in self._problems.items()
        )

    @staticmethod
    def _repeated(problem: Problem, count: int) -> Problem:
        message = messages.SAME_ELSEWHERE.format(message=problem.message, count=count)
        return Problem(problem.file, problem.line, problem.key, message)
