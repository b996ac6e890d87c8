"""An event loop whose time jumps to the next timer: waiting costs nothing, nothing is late."""

import asyncio
import selectors


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with a selector that moves the time instead of waiting."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_s = start_s
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now_s


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("deadlock: nothing is left that could happen")
        self._loop.now_s += max(0.0, timeout)
        return super().select(0)


def run_virtual(main, start_s: float = 0.0):
    """Run `main(loop)` in virtual time and return its result."""
    loop = VirtualLoop(start_s)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()
