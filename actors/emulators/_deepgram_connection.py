"""One connection of the emulator: welcomes, takes settings, reads, and lets its parts answer."""

import logging
from collections.abc import Callable

import attrs
import trio

from callboard.actors._websocket import SocketClosed, WebSocket
from callboard.actors.brains import Brain
from callboard.protocols import RemoteWireError, deepgram
from callboard.protocols.deepgram import ErrorCode, WarningCode

from ._deepgram_inject import Injector
from ._deepgram_memory import Memory
from ._deepgram_options import DeepgramEmulatorOptions
from ._deepgram_outlet import Outlet
from ._deepgram_parts import Parts
from ._deepgram_record import DeepgramSessionRecord
from ._deepgram_replies import Replies
from ._deepgram_session import ListenFixed, Session
from ._deepgram_turns import Turns
from ._deepgram_voice import Voice
from ._ids import Ids
from ._speech import Speech

# What files begin with, and no audio: RIFF, Ogg, FLAC, WebM.
_MAGIC = (b"RIFF", b"OggS", b"fLaC", b"\x1aE\xdf\xa3")

_log = logging.getLogger("callboard.emulators.deepgram")


@attrs.frozen
class _Talk:
    """What there is once settings are applied."""

    parts: Parts
    voice: Voice
    replies: Replies
    turns: Turns
    injector: Injector


class DeepgramConnection:
    """Serves one client.

    Args:
        socket: The client's socket.
        options: The emulator's options.
        ids: The connection's own ids.
        speech: Hears and speaks.
        brain_factory: Makes the brain, once there are settings.
        record: What to fill.
    """

    def __init__(
        self,
        socket: WebSocket,
        options: DeepgramEmulatorOptions,
        ids: Ids,
        speech: Speech,
        brain_factory: Callable[[], Brain],
        record: DeepgramSessionRecord,
    ) -> None:
        self._socket = socket
        self._options = options
        self._ids = ids
        self._speech = speech
        self._brain_factory = brain_factory
        self._record = record
        self.outlet = Outlet(socket, options, record)
        self._last_message = trio.current_time()
        self._n_audio = 0

    async def run(self) -> None:
        """Serve until the client is gone, or an error ends the session.

        A cancelled call leaves nothing but the socket, which is the caller's.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, nursery.cancel_scope)
                nursery.start_soon(self._limit_session)
                await self.outlet.send(deepgram.Welcome(request_id=self._record.request_id))
                talk = await self._begin()
                nursery.start_soon(talk.voice.run)
                nursery.start_soon(talk.replies.run)
                nursery.start_soon(self._limit_idleness)
                while True:
                    await self._take(talk)
        except* SocketClosed:
            _log.debug("a client is gone")

    async def _write(self, everything: trio.CancelScope) -> None:
        await self.outlet.run()
        everything.cancel(reason="the session was ended")

    # --- clocks

    async def _limit_session(self) -> None:
        options, began = self._options, self._record.opened_at
        if options.session_warning < options.session_limit:
            await trio.sleep_until(began + options.session_warning)
            await self.outlet.warn(
                WarningCode.MAXIMUM_SESSION_LENGTH_APPROACHING, "The session will soon be ended"
            )
        await trio.sleep_until(began + options.session_limit)
        raise await self.outlet.fail(
            ErrorCode.MAXIMUM_SESSION_LENGTH_REACHED, "The session has reached its maximum length"
        )

    async def _limit_idleness(self) -> None:
        limit = self._options.idle_timeout
        while True:
            await trio.sleep_until(self._last_message + limit)
            if trio.current_time() >= self._last_message + limit:
                raise await self._time_out()

    async def _time_out(self) -> SocketClosed:
        return await self.outlet.fail(
            ErrorCode.CLIENT_MESSAGE_TIMEOUT,
            "No message came for too long. Send audio all the time, or KeepAlive while there is none.",
        )

    # --- the beginning

    async def _begin(self) -> _Talk:
        message: str | bytes | None = None
        with trio.move_on_after(self._options.settings_timeout):
            message = await self._socket.receive()
        if message is None:
            raise await self._time_out()
        self._last_message = trio.current_time()
        try:
            event = deepgram.decode_client_message(message).event
            if not isinstance(event, deepgram.Settings):
                raise await self.outlet.fail(
                    ErrorCode.NON_SETTINGS_MESSAGE_BEFORE_SETTINGS,
                    "The first message of a session has to be Settings",
                )
            self._record.settings = event
            session = Session(event, self._options)
        except RemoteWireError as error:
            raise await self._refuse(error) from None
        return await self._apply(session)

    async def _apply(self, session: Session) -> _Talk:
        self._record.history.extend(session.context)
        parts = Parts(
            options=self._options,
            ids=self._ids,
            outlet=self.outlet,
            session=session,
            memory=Memory(self._record.history),
            speech=self._speech,
            brain=self._brain_factory(),
            record=self._record,
        )
        voice = Voice(parts)
        replies = Replies(parts, voice)
        turns = Turns(parts, replies)
        talk = _Talk(parts, voice, replies, turns, Injector(parts, voice, replies, turns))
        await self._warn_of_long_prompt(session)
        greeting = (session.agent.greeting or "").strip()
        if greeting:
            utterance = voice.say(greeting)
            if self._options.greeting_first:
                # Nothing speaks yet: the voice begins to run when this is through.
                utterance.n_told = 1
                await parts.tell("assistant", utterance.sentences[0])
        await self.outlet.send(deepgram.SettingsApplied())
        return talk

    async def _warn_of_long_prompt(self, session: Session) -> None:
        if session.prompt_was_cut:
            await self.outlet.warn(
                WarningCode.PROMPT_TOO_LONG,
                f"The prompt is longer than {deepgram.PROMPT_LIMIT} characters and was cut",
            )

    # --- what the client sends

    async def _take(self, talk: _Talk) -> None:
        message = await self._socket.receive()
        self._last_message = trio.current_time()
        try:
            await self._handle(talk, deepgram.decode_client_message(message).event)
        except RemoteWireError as error:
            raise await self._refuse(error) from None

    async def _refuse(self, error: RemoteWireError) -> SocketClosed:
        reply = error.reply
        if isinstance(reply, deepgram.ErrorMessage):
            return await self.outlet.fail(reply.code, reply.description)
        return await self.outlet.fail(ErrorCode.UNPARSABLE_CLIENT_MESSAGE, str(error))

    async def _handle(self, talk: _Talk, event: deepgram.Message) -> None:
        if isinstance(event, deepgram.BinaryAudio):
            await self._hear(talk, event.payload)
            return
        if isinstance(event, deepgram.KeepAlive):
            return
        if isinstance(event, deepgram.ClientMessage):
            self._record.add(event)
        match event:
            case deepgram.FunctionCallResponse():
                await talk.replies.calls.answered(event)
            case deepgram.InjectUserMessage():
                await talk.injector.user(event)
            case deepgram.InjectAgentMessage():
                await talk.injector.agent(event)
            case deepgram.ForceEndTurn():
                await talk.turns.force_end()
            case deepgram.Settings():
                raise await self.outlet.fail(
                    ErrorCode.SETTINGS_ALREADY_APPLIED, "Settings were applied already; use Update messages"
                )
            case deepgram.CustomToThinkProvider():
                _log.debug("a message for a language model of one's own is ignored")
            case deepgram.UpdateListen():
                try:
                    await self._update(talk, event)
                except ListenFixed:
                    await self.outlet.warn(
                        WarningCode.UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED,
                        "The listen provider keeps its type, version and model",
                    )
            case (
                deepgram.UpdatePrompt()
                | deepgram.UpdateThink()
                | deepgram.UpdateSpeak()
                | deepgram.UpdateThinkLive()
            ):
                await self._update(talk, event)
            case _:
                raise AssertionError(f"{type(event).__name__} is not handled")

    async def _hear(self, talk: _Talk, payload: bytes) -> None:
        self._record.octets_heard += len(payload)
        self._n_audio += 1
        if self._n_audio == 1 and payload.startswith(_MAGIC):
            raise await self.outlet.fail(
                ErrorCode.USER_AUDIO_FORMAT, "The audio does not have the encoding of audio.input"
            )
        await talk.turns.hear(payload)

    async def _update(self, talk: _Talk, update: deepgram.Update) -> None:
        session = talk.parts.session
        session.update(update)
        talk.turns.configure()
        await self.outlet.send(deepgram.ACKNOWLEDGEMENTS[type(update)]())
        if isinstance(update, deepgram.UpdatePrompt | deepgram.UpdateThink):
            await self._warn_of_long_prompt(session)
