"""Numbers for people: one unit, two units; zero without a sign."""


def counted(count: int, noun: str) -> str:
    """Give a count with its noun, which takes an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def unsigned_zero(value: float, digits: int) -> float:
    """Round; what rounds to nothing is 0.0, not -0.0."""
    return round(value, digits) + 0.0
