"""What is wrong in a configuration file: all of it, each with its line."""

from dataclasses import dataclass

WHOLE_FILE = "yaml"  # the key of a problem that no key of the file has


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint. `line` counts from 1; `key` is the path of the key: `fleet[3].p_max_mw`."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.message}"


class ConfigError(Exception):
    """The configuration is refused. `problems` are sorted by line; the text has one line each."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
