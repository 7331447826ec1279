"""Traces of providers' sockets: read, decoded message by message, and taken through the state table again."""

import base64
import enum
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast, overload

import attrs
import orjson

from callboard.protocols import WireError, deepgram, grok

from ._html import cut, table

Wire = Literal["grok", "deepgram"]
SHOWN = 60


@attrs.frozen(kw_only=True)
class TraceMessage:
    """One message on a provider's socket, seen from our side."""

    at: float
    """Since the trace began, float seconds."""
    direction: str
    """`sent`, `received`, or `note` for what else happened to the connection."""
    kind: str
    """The wire's name of it."""
    octets: int
    """Of the whole message."""
    payload: object = attrs.field(repr=False, default=None)
    """As it was, but for credentials; a binary message is in base64, or gone."""

    @property
    def text(self) -> str:
        """The payload in one line, long strings cut."""
        if isinstance(self.payload, str):
            return f"{self.octets} octets"
        return json.dumps(_short(self.payload), ensure_ascii=False)

    def message(self) -> str | bytes:
        """The message as it was on the wire.

        Raises:
            ValueError: Its audio was not kept (`trace_audio=True` keeps it), or it is no message.
        """
        if self.direction == "note":
            raise ValueError(f"{self.kind!r} is no message")
        if self.kind == "binary":
            if isinstance(self.payload, str):
                return base64.b64decode(self.payload)
            raise ValueError("the trace has no audio: make it with trace_audio=True")
        return orjson.dumps(self.payload).decode()


class TraceLog(Sequence[TraceMessage]):
    """The messages of a trace, shown as a table in a notebook.

    Args:
        messages: In order.
    """

    def __init__(self, messages: Sequence[TraceMessage]) -> None:
        self._messages = tuple(messages)

    @overload
    def __getitem__(self, index: int) -> TraceMessage: ...
    @overload
    def __getitem__(self, index: slice) -> "TraceLog": ...
    def __getitem__(self, index: int | slice) -> "TraceMessage | TraceLog":
        return TraceLog(self._messages[index]) if isinstance(index, slice) else self._messages[index]

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[TraceMessage]:
        return iter(self._messages)

    @property
    def wire(self) -> Wire:
        """Whose messages these are."""
        return "deepgram" if any(message.kind == "Settings" for message in self._messages) else "grok"

    def where(self, *kinds: str, direction: str | None = None) -> "TraceLog":
        """Some of the messages.

        Args:
            kinds: The wire's names; all if none is given.
            direction: `sent` or `received`.
        """
        return TraceLog(
            [
                message
                for message in self._messages
                if (not kinds or message.kind in kinds) and direction in {None, message.direction}
            ]
        )

    def without_audio(self) -> "TraceLog":
        """The messages that carry no audio."""
        audio = {"binary", "input_audio_buffer.append", "response.output_audio.delta"}
        return TraceLog([message for message in self._messages if message.kind not in audio])

    def counts(self) -> "TraceCounts":
        """How many of each kind there are."""
        return TraceCounts(self)

    def replay(self) -> "Replay":
        """Take the messages through the wire's protocol object again, which decodes them and checks their order."""
        return replay(self)

    def _repr_html_(self) -> str:
        shown = self._messages[:SHOWN]
        rows = [
            (f"{each.at:.3f}", each.direction, each.kind, str(each.octets), cut(each.text, 150))
            for each in shown
        ]
        left = len(self._messages) - len(shown)
        return table(("s", "", "message", "octets", ""), rows, note=f"and {left} more" if left else "")

    def __repr__(self) -> str:
        return f"<TraceLog of {len(self)} messages, {self.wire}>"


class TraceCounts:
    """Messages, octets, by kind."""

    def __init__(self, log: TraceLog) -> None:
        self.messages = Counter((each.direction, each.kind) for each in log)
        self.octets: Counter[tuple[str, str]] = Counter()
        for each in log:
            self.octets[each.direction, each.kind] += each.octets

    def _repr_html_(self) -> str:
        rows = [
            (way, kind, str(n), str(self.octets[way, kind])) for (way, kind), n in self.messages.most_common()
        ]
        return table(("", "message", "times", "octets"), rows)

    def __repr__(self) -> str:
        return "\n".join(f"{way:<9} {kind:<45} {n:6d}" for (way, kind), n in self.messages.most_common())


def read_trace(path: Path | str) -> TraceLog:
    """Read a trace that a client wrote (`trace=True`).

    Raises:
        OSError: It cannot be read.
        ValueError: A line of it is none of a trace.
    """
    messages: list[TraceMessage] = []
    for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
        try:
            entry = cast("dict[str, object]", orjson.loads(line))
            messages.append(
                TraceMessage(
                    at=float(cast(float, entry["t"])),
                    direction=str(entry["direction"]),
                    kind=str(entry["kind"]),
                    octets=int(cast(int, entry["octets"])),
                    payload=entry.get("payload"),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: {line[:80]!r}, expected a line of a trace") from error
    return TraceLog(messages)


@attrs.frozen(kw_only=True)
class ReplayStep:
    """One message, decoded, and where it led."""

    message: TraceMessage
    event: object
    """The event, typed; None where it could not be decoded."""
    before: enum.Enum
    after: enum.Enum
    error: str = ""
    """Why it was refused, if it was."""


class Replay(Sequence[ReplayStep]):
    """A trace that was taken through a protocol object."""

    def __init__(self, steps: Sequence[ReplayStep]) -> None:
        self._steps = tuple(steps)

    @overload
    def __getitem__(self, index: int) -> ReplayStep: ...
    @overload
    def __getitem__(self, index: slice) -> "Replay": ...
    def __getitem__(self, index: int | slice) -> "ReplayStep | Replay":
        return Replay(self._steps[index]) if isinstance(index, slice) else self._steps[index]

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[ReplayStep]:
        return iter(self._steps)

    @property
    def moves(self) -> "Replay":
        """The messages that led to another state."""
        return Replay([step for step in self._steps if step.before is not step.after])

    @property
    def refused(self) -> "Replay":
        """The messages that are illegal where they came, or could not be decoded."""
        return Replay([step for step in self._steps if step.error])

    def passed(self) -> Counter[tuple[str, str]]:
        """How often each way between two states was taken, by their names."""
        return Counter((str(step.before.value), str(step.after.value)) for step in self.moves)

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{step.message.at:.3f}",
                step.message.direction,
                type(step.event).__name__ if step.event is not None else step.message.kind,
                str(step.before.value),
                str(step.after.value),
                step.error,
            )
            for step in self._steps[:SHOWN]
        ]
        left = len(self._steps) - len(rows)
        return table(("s", "", "event", "from", "to", ""), rows, note=f"and {left} more" if left else "")

    def __repr__(self) -> str:
        return f"<Replay of {len(self)} messages, {len(self.moves)} moves, {len(self.refused)} refused>"


def replay(log: Sequence[TraceMessage], wire: Wire | None = None) -> Replay:
    """Take the messages of one connection through its protocol object, as its client sees it.

    Args:
        log: Messages in order. Of a trace with several connections, each begins anew.
        wire: Whose they are; found out if None.

    Raises:
        ValueError: Audio was not kept.
    """
    whose = TraceLog(list(log)).wire if wire is None else wire
    client = _client(whose, 0.0)
    steps: list[ReplayStep] = []
    for message in log:
        if message.direction == "note":
            if message.kind == "connected":
                client = _client(whose, 0.0)
            continue
        before = client.state
        event: object = None
        error = ""
        try:
            if message.direction == "sent":
                event = client.send(message.message(), message.at)
            else:
                event = client.receive(message.message())
        except WireError as refused:
            error = str(refused)
        steps.append(ReplayStep(message=message, event=event, before=before, after=client.state, error=error))
    return Replay(steps)


class _Side(Protocol):
    """One connection as its client sees it."""

    @property
    def state(self) -> enum.Enum: ...

    def receive(self, message: str | bytes) -> object: ...

    def send(self, message: str | bytes, now: float) -> object: ...


class _Grok:
    def __init__(self) -> None:
        self._client = grok.GrokClient()

    @property
    def state(self) -> enum.Enum:
        return self._client.state

    def receive(self, message: str | bytes) -> object:
        return self._client.receive(message).event

    def send(self, message: str | bytes, now: float) -> object:
        del now
        event = grok.decode_client_event(message).event
        self._client.send(cast("grok.ClientEvent", event))
        return event


class _Deepgram:
    def __init__(self, opened_at: float) -> None:
        self._client = deepgram.DeepgramClient(opened_at)

    @property
    def state(self) -> enum.Enum:
        return self._client.state

    def receive(self, message: str | bytes) -> object:
        return self._client.receive(message).event

    def send(self, message: str | bytes, now: float) -> object:
        event = deepgram.decode_client_message(message).event
        self._client.send(cast("deepgram.ClientMessage", event), now)
        return event


def _client(wire: Wire, opened_at: float) -> _Side:
    return _Grok() if wire == "grok" else _Deepgram(opened_at)


def _short(value: object) -> object:
    if isinstance(value, str):
        return cut(value, 60)
    if isinstance(value, Mapping):
        return {name: _short(entry) for name, entry in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list):
        return [_short(entry) for entry in cast("list[object]", value)]
    return value
