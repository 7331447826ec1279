"""One connection of the emulator: greets, reads, and lets its parts answer."""

import logging
from collections.abc import Sequence

import trio

from callboard.actors._websocket import SocketClosed, WebSocket
from callboard.protocols import RemoteWireError, grok

from ._grok_conversation import ConversationError, Item, ItemKind
from ._grok_options import Greeting
from ._grok_outlet import CLOSE_TIMEOUT
from ._grok_parts import Parts
from ._grok_plan import Origin, Plan
from ._grok_responder import ResponderBusy
from ._grok_turns import Turns

# Messages in a row that are no events. One is answered; so many are a client that speaks another protocol.
MAX_GARBAGE = 32
# RFC 6455, section 7.4.1: "data within a message that was not consistent with the type of the message".
_INCONSISTENT = 1007

_log = logging.getLogger("callboard.emulators.grok")


class GrokConnection:
    """Serves one client.

    Args:
        socket: The client's socket.
        parts: The state of the connection.
        resumed: What an earlier session with the same conversation left, to be replayed if the client asks.
    """

    asks_as = Origin.CLIENT
    """How a `response.create` is taken: as a client's it is refused while another response runs."""

    def __init__(self, socket: WebSocket, parts: Parts, resumed: tuple[Item, ...] = ()) -> None:
        self._socket = socket
        self._parts = parts
        self._resumed = resumed
        self._turns = Turns(parts)
        self._n_garbage = 0
        self._last_message = trio.current_time()

    async def run(self) -> None:
        """Serve until the client is gone, or a limit ends the session.

        A cancelled call leaves nothing but the socket, which is the caller's.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._turns.run)
                nursery.start_soon(self._turns.responder.run)
                nursery.start_soon(self._write, nursery.cancel_scope)
                await self._greet()
                nursery.start_soon(self._ping)
                nursery.start_soon(self._limit_session)
                nursery.start_soon(self._limit_idleness)
                nursery.start_soon(self.follow)
                await self._read()
        except* SocketClosed:
            _log.debug("a client is gone")

    async def _write(self, everything: trio.CancelScope) -> None:
        await self._parts.outlet.run()
        everything.cancel(reason="the session was ended")

    # --- greeting and clocks

    async def _greet(self) -> None:
        parts, frames = self._parts, self._parts.frames
        session = frames.session_created(parts.session.created())
        conversation = frames.conversation_created(parts.conversation.id)
        match parts.options.greeting:
            case Greeting.SESSION_FIRST:
                greeting: list[grok.ServerEvent] = [session, conversation]
            case Greeting.CONVERSATION_FIRST:
                greeting = [conversation, session]
            case Greeting.NO_SESSION_CREATED:
                greeting = [conversation]
        if parts.options.ping_period is not None:
            # The first one belongs to the greeting: it precedes whatever the client asks.
            greeting.append(frames.ping())
        for event in greeting:
            await parts.outlet.send(event)

    async def _ping(self) -> None:
        period = self._parts.options.ping_period
        if period is None:
            return
        while True:
            await trio.sleep(period)
            await self._parts.outlet.send(self._parts.frames.ping())

    async def _limit_session(self) -> None:
        await trio.sleep(self._parts.options.max_session)
        await self._end("max_duration", "Maximum conversation duration reached")

    async def _limit_idleness(self) -> None:
        limit = self._parts.options.idle_limit
        while True:
            await trio.sleep_until(self._last_message + limit)
            if trio.current_time() >= self._last_message + limit:
                await self._end("timeout", "The session was closed for inactivity")

    async def _end(self, kind: str, message: str) -> None:
        with trio.move_on_after(CLOSE_TIMEOUT):
            # A client that does not read its socket may miss the reason, but not outstay its time.
            await self._parts.outlet.close(1000, message, self._parts.frames.failure(kind, message))
            await trio.sleep_forever()
        raise SocketClosed(1000, message)

    # --- what the client sends

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            self._last_message = trio.current_time()
            try:
                events = self.decode(message)
                self._n_garbage = 0
                for event in events:
                    await self.handle(event)
            except RemoteWireError as error:
                await self._refuse(error)

    def decode(self, message: str | bytes) -> Sequence[grok.Event]:
        """The events of the wire that a message means: one, unless the client speaks a dialect.

        Raises:
            RemoteWireError: It is none.
        """
        return (grok.decode_client_event(message).event,)

    async def follow(self) -> None:
        """Handle events that come from elsewhere than the socket; runs beside the reader."""

    async def _refuse(self, error: RemoteWireError) -> None:
        reply = error.reply
        if not isinstance(reply, grok.ErrorEvent):
            reply = grok.invalid_request(str(error), param=error.path)
        await self._parts.outlet.send(self._parts.frames.error(reply))
        self._n_garbage += 1
        if self._n_garbage >= MAX_GARBAGE:
            await self._parts.outlet.close(_INCONSISTENT, "too many messages that are not events")
            await trio.sleep_forever()

    async def handle(self, event: grok.Event) -> None:
        """Act on an event of the client.

        Raises:
            RemoteWireError: It cannot be used.
        """
        match event:
            case grok.BinaryAudio():
                await self._turns.hear(event.payload)
            case grok.InputAudioBufferAppend():
                await self._turns.hear(event.payload())
            case grok.SessionUpdate():
                await self._update(event)
            case grok.InputAudioBufferCommit():
                await self._turns.commit()
            case grok.InputAudioBufferClear():
                await self._turns.clear()
            case (
                grok.ConversationItemCreate()
                | grok.ConversationItemDelete()
                | grok.ConversationItemTruncate()
            ):
                try:
                    await self._edit(event)
                except ConversationError as error:
                    await self._answer_badly(str(error), event.event_id, error.param)
            case grok.ResponseCreate():
                plan = Plan(origin=self.asks_as, options=event.response or grok.ResponseOptions())
                await self._submit(plan, event.event_id)
            case grok.ResponseCancel():
                if not await self._turns.responder.cancel(event.response_id):
                    await self._answer_badly("Cancellation failed: no active response found", event.event_id)
            case grok.Unknown():
                given = event.raw.get("event_id")
                reply = grok.invalid_event(
                    f"Unsupported event type: {event.type[:80]}",
                    event_id=given if isinstance(given, str) else None,
                )
                await self._parts.outlet.send(self._parts.frames.error(reply))
            case _:
                raise AssertionError(f"{type(event).__name__} is not handled")

    async def _answer_badly(self, message: str, event_id: str | None, param: str | None = None) -> None:
        reply = grok.invalid_request(message, param=param, event_id=event_id)
        await self._parts.outlet.send(self._parts.frames.error(reply))

    async def _update(self, event: grok.SessionUpdate) -> None:
        parts = self._parts
        try:
            parts.session.update(event.session)
        except RemoteWireError as error:
            await self._answer_badly(str(error), event.event_id, error.path)
            return
        self._turns.configure()
        if parts.session.resumable and self._resumed:
            items, self._resumed = self._resumed, ()
            for item in items:
                previous = parts.conversation.last_id
                parts.conversation.add(item)
                await parts.outlet.send(parts.frames.item_added(item, previous, replayed=True))
        await parts.outlet.send(parts.frames.session_updated(parts.session.updated()))

    # --- items

    async def _edit(
        self,
        event: grok.ConversationItemCreate | grok.ConversationItemDelete | grok.ConversationItemTruncate,
    ) -> None:
        parts = self._parts
        match event:
            case grok.ConversationItemCreate(item=grok.ForceMessage() as line):
                await self._force(line, event.event_id)
            case grok.ConversationItemCreate():
                await self._create(event)
            case grok.ConversationItemDelete():
                parts.conversation.delete(event.item_id)
                await parts.outlet.send(parts.frames.deleted(event.item_id))
            case grok.ConversationItemTruncate():
                kept = parts.conversation.truncate(event.item_id, event.audio_end_ms)
                await parts.outlet.send(
                    parts.frames.truncated(event.item_id, event.content_index, event.audio_end_ms, kept)
                )

    async def _create(self, event: grok.ConversationItemCreate) -> None:
        parts = self._parts
        item = self._item(event.item)
        recordings = _recordings(event.item)
        parts.conversation.add(item, event.previous_item_id)
        if item.kind is ItemKind.MESSAGE:
            parts.meter.add_text(item.text)
        await parts.outlet.send(parts.frames.item_added(item, parts.conversation.before(item.id)))
        for recording in recordings:
            await self._turns.read(item, recording)

    def _item(self, given: grok.Item) -> Item:
        new_id = given.id or self._parts.ids.new()
        match given:
            case grok.Message():
                return Item(
                    id=new_id,
                    kind=ItemKind.MESSAGE,
                    role=given.role or "user",
                    text=given.words,
                    content=given.content or (),
                )
            case grok.FunctionCall():
                return Item(
                    id=new_id,
                    kind=ItemKind.CALL,
                    role="assistant",
                    call_id=given.call_id or self._parts.ids.call(0),
                    name=given.name or "",
                    arguments=given.arguments or "",
                )
            case grok.FunctionCallOutput():
                return Item(
                    id=new_id,
                    kind=ItemKind.RESULT,
                    role="tool",
                    call_id=given.call_id or "",
                    output=given.output or "",
                )
            case _:
                raise AssertionError(f"{type(given).__name__} is not an item of a conversation")

    async def _force(self, line: grok.ForceMessage, event_id: str | None) -> None:
        if line.id is not None and self._parts.conversation.find(line.id) is not None:
            raise ConversationError(f"Item with id {line.id[:80]!r} already exists", "item.id")
        plan = Plan(
            origin=Origin.FORCED,
            line=line.words,
            item_id=line.id,
            interruptible=line.interruptible is not False,
        )
        await self._submit(plan, event_id)

    async def _submit(self, plan: Plan, event_id: str | None) -> None:
        try:
            self._turns.responder.submit(plan)
        except ResponderBusy:
            await self._answer_badly("Conversation already has an active response", event_id)


def _recordings(item: grok.Item) -> list[bytes]:
    """The audio of a message whose words are not given."""
    parts = (item.content or ()) if isinstance(item, grok.Message) else ()
    return [
        grok.decode_audio(part.audio)
        for part in parts
        if part.type == "input_audio" and part.audio and not part.transcript
    ]
