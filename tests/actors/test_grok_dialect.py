"""The adapter for the dialect: where it connects, and whole conversations with the emulator."""

import json
import logging
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from callboard.actors._grok_dialect import DialectGrokAdapter, resolve_dialect_url
from callboard.actors._provider_errors import ProviderFailed, ProviderFailure
from callboard.actors._websocket import DialFailed, SocketClosed, WebSocket, open_websocket
from callboard.media import PCM16_24K, Samples, encode
from callboard.protocols import LocalWireError, RemoteWireError, grok
from tests.actors.emulator_grok_kit import Rig, heard, running
from tests.actors.emulator_kit import Rules, call, say, speech

SESSION: dict[str, object] = {"turn_detection": {"type": "server_vad"}, "instructions": "Be brief."}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    for name in ("CALLBOARD_GROK_URL", "XAI_BASE_URL", "XAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def adapter(
    url: str = "ws://127.0.0.1/v1/voice/agent", *, key: str | None = None, model: str = "grok-voice-latest"
) -> DialectGrokAdapter:
    return DialectGrokAdapter(key=key, url=url, model=model)


# --- where and who


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "wss://api.x.ai/v1/voice/agent"),
        ("ws://127.0.0.1:8765/v1/realtime", "ws://127.0.0.1:8765/v1/voice/agent"),
        ("http://127.0.0.1:8765", "ws://127.0.0.1:8765/v1/voice/agent"),
        ("wss://host/v1/", "wss://host/v1/voice/agent"),
        ("wss://host/v1/voice/agent", "wss://host/v1/voice/agent"),
        ("wss://host/elsewhere", "wss://host/elsewhere"),
    ],
)
def test_urls(given: str | None, url: str) -> None:
    assert resolve_dialect_url(given) == url


def test_url_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_GROK_URL", "ws://127.0.0.1:9/v1/realtime")
    assert resolve_dialect_url(None) == "ws://127.0.0.1:9/v1/voice/agent"


async def test_the_model_is_not_in_the_url() -> None:
    connect = await adapter("wss://host/v1/voice/agent", key="k-1").connect_request()
    assert connect.url == "wss://host/v1/voice/agent"
    assert connect.headers == (("Authorization", "Bearer k-1"),)


def test_a_key_is_needed_elsewhere() -> None:
    with pytest.raises(ProviderFailed) as failed:
        adapter("wss://host/v1/voice/agent")
    assert failed.value.reason is ProviderFailure.MISSING_KEY


# --- as a plain object


async def test_one_message_may_be_many_events_and_one_event_none(autojump_clock: trio.abc.Clock) -> None:
    subject = adapter()
    assert [json.loads(message) for message in subject.encode_opening([])] == [
        {
            "type": "session.configure",
            "config": {
                "model": "grok-voice-latest",
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "sample_rate": 24000,
            },
        }
    ]
    greeting = subject.receive('{"type": "session.configured"}')
    assert [getattr(decoded.event, "type", "") for decoded in greeting] == [
        "session.created",
        "conversation.created",
    ]
    text = grok.ConversationItemCreate(
        item=grok.Message(role="user", content=(grok.ContentPart.input_text("Hi"),))
    )
    assert subject.encode(text) == []
    assert subject.encode(grok.ResponseCreate()) == ['{"type":"text.append","text":"Hi"}']
    assert subject.audio_out(b"\0\0") == '{"type":"audio.append","audio":"AAA="}'
    assert subject.keep_alive_interval is None


async def test_deadlines_are_on_trios_clock(autojump_clock: trio.abc.Clock) -> None:
    subject = adapter()
    assert subject.deadline == math.inf
    await trio.sleep(3)
    subject.receive(json.dumps({"type": "audio.delta", "audio": grok.encode_audio(bytes(48000))}))
    assert subject.deadline == pytest.approx(trio.current_time() + 2)
    await trio.sleep(2)
    assert subject.handle_timer(trio.current_time())
    assert subject.deadline == math.inf


async def test_each_connection_begins_anew(autojump_clock: trio.abc.Clock) -> None:
    subject = adapter()
    ids: set[str] = set()
    for _ in range(3):
        subject.begin()
        subject.encode_opening([])
        events = [decoded.event for decoded in subject.receive('{"type": "session.configured"}')]
        (created,) = [event for event in events if isinstance(event, grok.ConversationCreated)]
        ids.add(created.conversation.id)
    assert len(ids) == 3


async def test_settings_without_a_place_are_logged_once(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    subject = adapter()
    with caplog.at_level(logging.WARNING, logger="callboard.grok"):
        subject.encode_opening([grok.SessionUpdate(session={"audio": {"output": {"speed": 1.2}}})])
        subject.encode(grok.SessionUpdate(session={"voice": "eve"}))
    assert [record.getMessage() for record in caplog.records] == [
        "the dialect has no place for these settings: audio.output.speed"
    ]


async def test_what_cannot_be_said_is_our_mistake_and_garbage_is_theirs() -> None:
    subject = adapter()
    with pytest.raises(LocalWireError):
        subject.encode(grok.InputAudioBufferClear())
    for message in ("{", b"\0", '{"type": "audio.delta"}'):
        with pytest.raises(RemoteWireError):
            subject.receive(message)


def test_it_says_what_it_cannot_do_and_where_audio_is() -> None:
    subject = adapter()
    assert not subject.capabilities.say
    assert subject.capabilities.cancel
    assert set(subject.audio_fields) == {"audio.append", "audio.delta"}
    assert "DialectGrokAdapter" in repr(subject)


# --- with the emulator


@attrs.define
class Session:
    """A connection as the provider's actors hold it: one reader, one timer, one writer."""

    socket: WebSocket
    adapter: DialectGrokAdapter
    events: list[grok.Event] = attrs.field(factory=list[grok.Event])
    audio: bytearray = attrs.field(factory=bytearray)
    real: grok.GrokClient = attrs.field(factory=grok.GrokClient)
    """Holds what comes against the rules of the real wire."""
    changed: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, opening: Sequence[grok.ClientEvent]) -> None:
        for first in self.adapter.encode_opening(opening):
            await self.socket.send(first)
        while True:
            message: str | bytes | None = None
            with trio.move_on_at(self.adapter.deadline):
                try:
                    message = await self.socket.receive()
                except SocketClosed:
                    return
            if message is None:
                decoded = self.adapter.handle_timer(trio.current_time())
            else:
                decoded = self.adapter.receive(message)
            for entry in decoded:
                self._took(entry.event)

    def _took(self, event: grok.Event) -> None:
        self.real.receive(grok.encode(event))
        if isinstance(event, grok.ResponseOutputAudioDelta):
            self.audio += event.payload()
        self.events.append(event)
        self.changed.set()
        self.changed = trio.Event()

    async def send(self, *events: grok.ClientEvent) -> None:
        for event in events:
            for message in self.adapter.encode(event):
                await self.socket.send(message)

    async def next(self, kind: str) -> list[grok.Event]:
        """The events up to and with the next one of a type, taken out."""
        with trio.fail_after(60):
            while True:
                for index, event in enumerate(self.events):
                    if getattr(event, "type", "") == kind:
                        taken, self.events = self.events[: index + 1], self.events[index + 1 :]
                        return taken
                await self.changed.wait()

    async def ask(self, text: str) -> list[grok.Event]:
        """A written turn, up to the end of the answer."""
        part = grok.ContentPart.input_text(text)
        item = grok.Message(role="user", content=(part,))
        await self.send(grok.ConversationItemCreate(item=item), grok.ResponseCreate())
        return await self.next("response.done")

    async def speak(self, samples: Samples) -> None:
        for at in range(0, len(samples), 2400):
            await self.socket.send(self.adapter.audio_out(encode(samples[at : at + 2400], PCM16_24K)))
            await trio.sleep(0.1)


@asynccontextmanager
async def session(
    rig: Rig, *opening: grok.ClientEvent, subject: DialectGrokAdapter | None = None
) -> AsyncGenerator[Session, None]:
    used = subject or adapter(resolve_dialect_url(f"ws://{rig.authority}"))
    used.begin()
    connect = await used.connect_request()
    async with open_websocket(rig.network, connect.url, headers=connect.headers) as socket:
        made = Session(socket, used)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run, opening or (grok.SessionUpdate(session=SESSION),))
            await made.next("session.updated")
            yield made
            nursery.cancel_scope.cancel()


def answers(events: Sequence[grok.Event]) -> list[str]:
    """What the agent said in each response that ended."""
    return [
        "".join(item.words for item in event.response.output or () if isinstance(item, grok.Message))
        for event in events
        if isinstance(event, grok.ResponseDone)
    ]


async def test_a_conversation_in_writing_and_in_speech(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, session(rig) as talk:
        assert answers(await talk.ask("hello")) == ["You said hello."]
        assert heard(bytes(talk.audio)) == ["You said hello."]
        talk.audio.clear()
        await talk.speak(speech("good day"))
        events = await talk.next("response.done")
        assert answers(events) == ["You said good day."]
        (spoken,) = [
            event
            for event in events
            if isinstance(event, grok.ConversationItemInputAudioTranscriptionCompleted)
        ]
        assert spoken.transcript == "good day"
        assert heard(bytes(talk.audio)) == ["You said good day."]
        assert brain.inputs[-1].instructions == "Be brief."


async def test_functions_are_called_and_the_model_goes_on(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"look": [say("Let me look."), call("one"), call("two")], "result": [say("Found.")]})
    async with running(brain) as rig, session(rig) as talk:
        events = await talk.ask("look")
        calls = [event for event in events if isinstance(event, grok.ResponseFunctionCallArgumentsDone)]
        assert [event.name for event in calls] == ["one", "two"]
        assert answers(events) == ["Let me look."]
        for event in calls:
            output = grok.FunctionCallOutput(call_id=event.call_id, output="42")
            await talk.send(grok.ConversationItemCreate(item=output))
        await talk.send(grok.ResponseCreate())
        events = await talk.next("response.done")
        assert answers(events) == ["Found."]
        # One request, one answer.
        assert len(brain.inputs) == 2


async def test_an_interruption_reaches_the_server(autojump_clock: trio.abc.Clock) -> None:
    line = "one two three four five six seven eight nine ten eleven twelve"
    brain = Rules({"long": [say(line)]})
    async with running(brain) as rig, session(rig) as talk:
        part = grok.ContentPart.input_text("long")
        await talk.send(
            grok.ConversationItemCreate(item=grok.Message(role="user", content=(part,))),
            grok.ResponseCreate(),
        )
        await talk.next("response.output_audio.delta")
        await trio.sleep(0.2)
        await talk.send(
            grok.ConversationItemTruncate(item_id="any", audio_end_ms=200),
            grok.ResponseCancel(response_id=talk.real.active_response),
        )
        (done,) = [
            event for event in await talk.next("response.done") if isinstance(event, grok.ResponseDone)
        ]
        assert done.response.status == "cancelled"
        await talk.ask("and")
        kept = brain.inputs[-1].history[1]
        assert kept.role == "assistant"
        assert len(kept.text) < len(line)


async def test_what_was_said_goes_to_the_next_session(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    part = grok.ContentPart.input_text("We close at six.")
    past = grok.ConversationItemCreate(item=grok.Message(role="system", content=(part,)))
    async with running(brain) as rig:
        subject = adapter(resolve_dialect_url(f"ws://{rig.authority}"))
        async with session(rig, subject=subject) as talk:
            await talk.ask("hello")
        async with session(rig, grok.SessionUpdate(session=SESSION), past, subject=subject) as talk:
            assert answers(await talk.ask("again")) == ["You said again."]
        assert brain.inputs[-1].instructions.startswith("Be brief.")
        assert brain.inputs[-1].instructions.endswith("Note: We close at six.")


async def test_refused_settings_are_answered_as_on_the_real_wire(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, session(rig) as talk:
        # One that only the server can refuse.
        await talk.socket.send(
            json.dumps({"type": "session.configure", "config": {"input_audio_format": "mp3"}})
        )
        (error,) = await talk.next("error")
        assert isinstance(error, grok.ErrorEvent)
        assert error.error.type == "invalid_request_error"
        assert answers(await talk.ask("hello")) == ["You said hello."]


async def test_a_wrong_key_is_final(autojump_clock: trio.abc.Clock) -> None:
    async with running(keys=frozenset({"good"})) as rig:
        subject = adapter(resolve_dialect_url(f"ws://{rig.authority}"), key="bad")
        with pytest.raises(DialFailed) as failed:
            async with session(rig, subject=subject):
                pass
        assert subject.is_permanent(failed.value) is ProviderFailure.BAD_KEY
