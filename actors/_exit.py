"""How an actor ended."""

import enum
from typing import cast

import attrs
import trio

# An error's text may quote data of any length; a reason is for one line of a log or a table.
MAX_REASON = 200


class ExitKind(enum.Enum):
    """The four ways in which an actor ends."""

    NORMAL = "normal"
    """It returned by itself."""
    STOPPED = "stopped"
    """It was asked to stop, or its supervisor stopped it."""
    KILLED = "killed"
    """It was killed: for its supervisor as bad as a crash."""
    CRASHED = "crashed"
    """It raised."""


@attrs.frozen(kw_only=True)
class Exit:
    """The end of one life of an actor."""

    kind: ExitKind
    reason: str = ""
    """One line for people."""
    error: BaseException | None = attrs.field(default=None, eq=False)
    """What was raised, for `CRASHED`; an exception group is kept whole."""

    @property
    def abnormal(self) -> bool:
        """Whether a `TRANSIENT` child is restarted after it."""
        return self.kind in {ExitKind.KILLED, ExitKind.CRASHED}

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.reason}" if self.reason else self.kind.value


def crashed(error: BaseException) -> Exit:
    """The exit of an actor that raised `error`."""
    return Exit(kind=ExitKind.CRASHED, reason=describe(error), error=error)


def as_group(error: BaseException | None) -> BaseExceptionGroup[BaseException] | None:
    """The error if it is a group. (A bare isinstance leaves type checkers without the member type.)"""
    return cast(BaseExceptionGroup[BaseException], error) if isinstance(error, BaseExceptionGroup) else None


def describe(error: BaseException) -> str:
    """An error in one line; a group is described by its members."""
    if (group := as_group(error)) is not None:
        text = " + ".join(describe(member) for member in group.exceptions)
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = " ".join(text.split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 3] + "..."


def is_fatal(error: BaseException) -> bool:
    """Whether an error must not be contained by a supervisor: KeyboardInterrupt and its like."""
    if (group := as_group(error)) is not None:
        return any(is_fatal(member) for member in group.exceptions)
    return not isinstance(error, Exception | trio.Cancelled)


def only_cancelled(error: BaseException | None) -> bool:
    """Whether an error is a Cancelled, or a group of nothing else."""
    if (group := as_group(error)) is not None:
        return all(only_cancelled(member) for member in group.exceptions)
    return isinstance(error, trio.Cancelled)


def without_cancelled(error: BaseException) -> BaseException:
    """The error of an actor out of which a Cancelled came that was not asked for.

    An actor's scope is shielded and catches its own cancellation. Whatever Cancelled is left was kept by
    the actor and raised again later: passed on, it would silently end all the actor's siblings.
    """
    if (group := as_group(error)) is not None and not only_cancelled(group):
        return group.split(trio.Cancelled)[1] or group
    stray = RuntimeError("the actor raised trio.Cancelled although it was not cancelled")
    stray.__cause__ = error
    return stray
