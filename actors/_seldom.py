"""Log lines that could come by the thousand: now and then one, with how many were left out."""


class Seldom:
    """Says when it is time for a line.

    Args:
        pause: Between two lines, float seconds.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._next = float("-inf")
        self._left_out = 0

    def ask(self, now: float) -> str | None:
        """Something happened that deserves a line.

        Returns:
            None to write none; else what to put behind it, which says how many were left out since the last one.
        """
        if now < self._next:
            self._left_out += 1
            return None
        more = f" (and {self._left_out} more since the last such line)" if self._left_out else ""
        self._next, self._left_out = now + self._pause, 0
        return more
