"""A watch of a system that is told at once, in the task in which something happens: no task waits for it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from callboard.actors import System, Watch
from callboard.actors._watch import WatchEvent


class SystemTap(Watch):
    """Told of all that happens to actors.

    Args:
        tell: Called with each event; a plain function that raises nothing.
    """

    def __init__(self, tell: Callable[[WatchEvent], object]) -> None:
        super().__init__(1)
        self._tell = tell

    def push(self, event: WatchEvent) -> None:
        """Pass it on."""
        self._tell(event)

    def attach(self, system: System) -> None:
        """Begin to listen."""
        system._watches.append(self)
        system.watched = True

    def detach(self, system: System) -> None:
        """Listen no more."""
        system._watches.remove(self)
        system.watched = bool(system._watches)


@contextmanager
def tapped_system(system: System, tell: Callable[[WatchEvent], object]) -> Generator[None]:
    """Have a function called with all that happens to the actors of a system, for the time of the body."""
    tap = SystemTap(tell)
    tap.attach(system)
    try:
        yield
    finally:
        tap.detach(system)
