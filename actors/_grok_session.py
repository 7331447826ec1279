"""The configuration of a Grok session on our side: what was asked for, what was accepted, which formats follow."""

import copy
from collections.abc import Callable, Mapping
from typing import cast

import attrs
import trio

from callboard.media import ALAW_8K, PCM16_24K, PCM_RATES_HZ, ULAW_8K, AudioFormat, Encoding
from callboard.protocols import grok as wire

from ._provider_errors import RequestRefused

Json = dict[str, object]

_G711 = {"audio/pcmu": ULAW_8K, "audio/pcma": ALAW_8K}
_SERVER_VAD = "server_vad"


def format_to_wire(audio_format: AudioFormat) -> Json:
    """An audio format as the session object spells it."""
    match audio_format.encoding:
        case Encoding.ULAW:
            return {"type": "audio/pcmu"}
        case Encoding.ALAW:
            return {"type": "audio/pcma"}
        case Encoding.PCM16:
            return {"type": "audio/pcm", "rate": audio_format.rate_hz}


def format_from_wire(value: object) -> AudioFormat | None:
    """The audio format that a session object names, or None where we cannot play it."""
    if not isinstance(value, Mapping):
        return None
    given = cast("Mapping[str, object]", value)
    kind, rate = given.get("type"), given.get("rate")
    if kind == "audio/pcm":
        rate_hz = 24000 if rate is None else rate
        return (
            AudioFormat(Encoding.PCM16, rate_hz)
            if isinstance(rate_hz, int) and rate_hz in PCM_RATES_HZ
            else None
        )
    return _G711.get(kind) if isinstance(kind, str) else None


def merge(base: Mapping[str, object], update: Mapping[str, object]) -> Json:
    """What a session is after an update: objects are merged, everything else is replaced."""
    merged = dict(base)
    for name, value in update.items():
        old = merged.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[name] = merge(cast("Json", old), cast("Json", value))
        else:
            merged[name] = value
    return merged


def dig(value: object, *names: str) -> object:
    """A value inside nested objects, or None."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, object]", value).get(name)
    return value


@attrs.define(eq=False)
class PendingUpdate:
    """A `session.update` whose answer has not come."""

    event_id: str
    session: Json
    blocks: bool
    """Audio is held back until the answer: its format is not agreed."""
    opening: bool = False
    covers: "list[PendingUpdate]" = attrs.field(factory=list["PendingUpdate"])
    """Updates of an earlier connection, or of before the first, that this one repeats."""
    done: trio.Event = attrs.Factory(trio.Event)
    error: RequestRefused | None = None

    def finish(self, error: RequestRefused | None) -> None:
        """The answer came."""
        self.error = error
        self.done.set()
        for covered in self.covers:
            covered.finish(error)


class GrokSession:
    """The session as we want it, through all connections.

    Args:
        preferred: The format to ask for in both directions where the user names none.
        new_id: Makes ids for `session.update` messages that have none; their answers are told by it.
    """

    def __init__(self, preferred: AudioFormat, new_id: Callable[[], str]) -> None:
        self._preferred = preferred
        self._new_id = new_id
        self._accepted: Json = {}
        self._pending: list[PendingUpdate] = []
        self._greeted_vad = False
        self.input_format = PCM16_24K
        """What audio to send."""
        self.output_format = PCM16_24K
        """What audio comes."""

    @property
    def config(self) -> Json:
        """Everything asked for so far, refusals taken out."""
        merged = self._accepted
        for update in self._pending:
            if not update.opening:
                merged = merge(merged, update.session)
        return dict(merged)

    @property
    def blocked(self) -> bool:
        """Whether audio must wait for an answer."""
        return any(update.blocks for update in self._pending)

    @property
    def waits(self) -> bool:
        """Whether an answer is due."""
        return bool(self._pending)

    @property
    def server_vad(self) -> bool:
        """Whether the server decides when the caller's turn is over."""
        asked = dig(self.config, "turn_detection")
        # A saved agent comes with a configuration of its own, which only the server's greeting tells.
        return dig(asked, "type") == _SERVER_VAD if asked is not None else self._greeted_vad

    def function_names(self) -> set[str]:
        """The functions the model was told of, in either spelling."""
        tools = self.config.get("tools")
        entries = cast("list[object]", tools) if isinstance(tools, list) else []
        names = {dig(entry, "name") or dig(entry, "function", "name") for entry in entries}
        return {name for name in names if isinstance(name, str)}

    def turn_option(self, name: str) -> bool:
        """`create_response` or `interrupt_response`; on unless switched off."""
        return dig(self.config, "turn_detection", name) is not False

    def update(self, session: Mapping[str, object], *, event_id: str | None = None) -> PendingUpdate:
        """Note an update and fill in what the user left open.

        Args:
            session: What to change.
            event_id: Chosen by the user.

        Returns:
            The update; `session` of it is what goes on the wire.

        Raises:
            ValueError: It names an audio format that cannot be played here.
        """
        self._check_formats(session)
        before = self.config
        filled = self._fill(before, session)
        update = PendingUpdate(event_id=event_id or self._new_id(), session=filled, blocks=False)
        self._pending.append(update)
        old = self.input_format
        self._follow_input()
        # The first update too: until it is answered, the server has its own idea of formats and turns.
        update.blocks = not self._accepted or self.input_format != old
        return update

    def _check_formats(self, session: Mapping[str, object]) -> None:
        for direction in ("input", "output"):
            given = dig(session, "audio", direction, "format")
            if given is not None and format_from_wire(given) is None:
                raise ValueError(
                    f"audio.{direction}.format is {repr(given)[:80]}, expected audio/pcm with a rate of "
                    f"{', '.join(map(str, PCM_RATES_HZ))}, audio/pcmu or audio/pcma"
                )

    def _fill(self, before: Json, session: Mapping[str, object]) -> Json:
        # A copy, for the user may go on to change what was given.
        filled = copy.deepcopy(dict(session))
        after = merge(before, filled)
        for direction in ("input", "output"):
            if dig(after, "audio", direction, "format") is None:
                own: Json = {"audio": {direction: {"format": format_to_wire(self._preferred)}}}
                filled = merge(filled, own)
        if dig(filled, "turn_detection", "type") == _SERVER_VAD:
            # Witnesses disagree about the server's defaults, so both are always said.
            for option in ("create_response", "interrupt_response"):
                if dig(after, "turn_detection", option) is None:
                    filled = merge(filled, {"turn_detection": {option: True}})
        return filled

    def withdraw(self, update: PendingUpdate) -> None:
        """An update could not be sent."""
        self._pending.remove(update)
        self._follow_input()

    def opening(self) -> wire.SessionUpdate | None:
        """Begin a connection: one update that repeats all so far, or None where there was none."""
        waiting = [update for update in self._pending if not update.opening]
        for stale in self._pending:
            if stale.opening:
                # Its answer died with its connection; what it covered is covered again.
                waiting = [*stale.covers, *waiting]
        config = self.config
        for update in waiting:
            config = merge(config, update.session)
        self._pending.clear()
        if not config:
            return None
        event_id = waiting[-1].event_id if waiting else self._new_id()
        opening = PendingUpdate(event_id=event_id, session=config, blocks=True, opening=True, covers=waiting)
        self._pending.append(opening)
        return wire.SessionUpdate(session=config, event_id=event_id)

    def greeted(self, echo: Mapping[str, object]) -> None:
        """A `session.created` came."""
        self._greeted_vad = dig(echo, "turn_detection", "type") == _SERVER_VAD

    def accepted(self, echo: Mapping[str, object]) -> None:
        """A `session.updated` came.

        Args:
            echo: Its session object. It is trusted only for formats, and only where it names one.
        """
        if self._pending:
            update = self._pending.pop(0)
            self._accepted = merge(self._accepted, update.session)
            update.finish(None)
        wanted = format_from_wire(dig(self._accepted, "audio", "output", "format"))
        echoed = format_from_wire(dig(echo, "audio", "output", "format"))
        self.output_format = echoed or wanted or PCM16_24K
        echoed_input = format_from_wire(dig(echo, "audio", "input", "format"))
        if echoed_input is not None and not self._pending:
            self.input_format = echoed_input

    def refused(self, error: wire.ErrorDetail) -> PendingUpdate | None:
        """An error came; returns the update that it answers, if it answers one."""
        update = next((update for update in self._pending if update.event_id == error.event_id), None)
        if update is None:
            # Without an id it answers the oldest update, unless it names something else or is a failure of the
            # server that has nothing to do with what we asked.
            named = error.param is not None and error.param.startswith("session")
            unnamed = error.param is None and wire.classify_error(error) is wire.ErrorKind.REQUEST
            if error.event_id is not None or not self._pending or not (named or unnamed):
                return None
            update = self._pending[0]
        self._pending.remove(update)
        self._follow_input()
        update.finish(RequestRefused(error.message, kind=error.type, param=error.param))
        return update

    def restore(self) -> wire.SessionUpdate | None:
        """After a refused opening: what the server had accepted before, without the updates it refused."""
        if not self._accepted:
            return None
        update = PendingUpdate(
            event_id=self._new_id(), session=dict(self._accepted), blocks=True, opening=True
        )
        self._pending.append(update)
        return wire.SessionUpdate(session=update.session, event_id=update.event_id)

    def abandon(self, error: RequestRefused) -> None:
        """No answers will come, and nobody need wait for them; what was asked for is asked for again if need be."""
        self._accepted = self.config
        while self._pending:
            self._pending.pop(0).finish(error)

    def _follow_input(self) -> None:
        asked = format_from_wire(dig(self.config, "audio", "input", "format"))
        self.input_format = asked or PCM16_24K
