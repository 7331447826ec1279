"""What a network and a server can do to a Deepgram client: it goes on with the conversation, or ends with a reason."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from callboard import AgentEvents, deepgram
from callboard.actors._provider_options import ConnectionOptions
from tests.actors.deepgram_kit import (
    KEY,
    SETTINGS,
    Message,
    Peer,
    Rig,
    V,
    create,
    open_rig,
    open_server,
    open_session,
    settle,
)

F = deepgram.ProviderFailure


def context_of(settings: Message) -> list[Message]:
    """The conversation that a session was given."""
    messages: list[Message] = settings["agent"].get("context", {}).get("messages", [])
    return messages


def said(settings: Message) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in context_of(settings)]


# Errors


PERMANENT = [
    ("INVALID_SETTINGS", F.BAD_SETTINGS),
    ("UNPARSABLE_CLIENT_MESSAGE", F.BAD_SETTINGS),
    ("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", F.BAD_SETTINGS),
    ("INVALID_AGENT_ID", F.BAD_SETTINGS),
    ("AGENT_ID_NOT_SUPPORTED", F.BAD_SETTINGS),
]


@pytest.mark.parametrize(("code", "reason"), PERMANENT)
async def test_settings_that_are_refused_are_final(
    code: str, reason: deepgram.ProviderFailure, autojump_clock: object
) -> None:
    async with open_rig() as rig:
        errors = rig.client.events(V.Error)
        neutral = rig.client.events(AgentEvents.Error)
        await rig.peer.next("Settings")
        await rig.peer.error(code, "agent.think: no such model")
        await rig.client.wait_closed()
        assert rig.client.failure is not None
        assert rig.client.failure.reason is reason
        assert str(rig.client.failure) == f"{code}: agent.think: no such model"
        assert [event.data.code async for event in errors] == [code]
        kinds = [event.kind async for event in neutral]
        assert kinds == [code, reason.value]
        await trio.sleep(100)
        assert rig.server.n_accepted == 1
        with pytest.raises(deepgram.ProviderFailed) as caught:
            rig.client.ask("Hello?")
        assert caught.value.reason is reason
        # The supervisor above did not notice.
        assert rig.scope.providers.statistics().restarts == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("USER_AUDIO_FORMAT", F.BAD_SETTINGS),
        ("NON_EXISTENT_FUNCTION_CALLED", F.UNKNOWN_FUNCTION),
        ("INVALID_SETTINGS", F.BAD_SETTINGS),
    ],
)
async def test_errors_that_another_session_would_meet_too_are_final(
    code: str, reason: deepgram.ProviderFailure, autojump_clock: object
) -> None:
    async with open_session() as rig:
        await rig.peer.user("Hello.")
        await rig.peer.error(code)
        await rig.client.wait_closed()
        assert rig.client.failure is not None
        assert rig.client.failure.reason is reason
        await trio.sleep(100)
        assert rig.server.n_accepted == 1


TRANSIENT = [
    "SERVER_GOING_AWAY",
    "INTERNAL_SERVER_ERROR",
    "ASR_CONNECTION_CLOSED",
    "ASR_DRIVER_TIMEOUT",
    "FAILED_TO_START_LISTENING",
    "FAILED_TO_THINK",
    "FAILED_TO_SPEAK",
    "CLIENT_MESSAGE_TIMEOUT",
    "MAXIMUM_SESSION_LENGTH_REACHED",
    "SETTINGS_ALREADY_APPLIED",
    "UNPARSABLE_CLIENT_MESSAGE",
    "DATA-0002",
    "",
]


@pytest.mark.parametrize("code", TRANSIENT)
async def test_other_errors_are_cured_by_another_session(code: str, autojump_clock: object) -> None:
    async with open_session() as rig:
        errors = rig.client.events(AgentEvents.Error)
        lost = rig.client.events(AgentEvents.ProviderLost)
        await rig.peer.user("Hello.")
        await rig.peer.sentence("Hello yourself.", 0.5)
        await rig.peer.audio_done()
        await settle()
        await rig.peer.error(code, "a hiccup")
        assert (await errors.receive()).kind == code
        loss = await lost.receive()
        assert loss.will_reconnect
        assert "a hiccup" in loss.reason
        await rig.reconnected()
        assert said(await rig.applied()) == [("user", "Hello."), ("assistant", "Hello yourself.")]
        assert await rig.speaks()
        assert rig.client.statistics().errors == 1


async def test_warnings_are_events_and_nothing_else(autojump_clock: object) -> None:
    async with open_session() as rig:
        warnings = rig.client.events(V.Warning)
        for code in (
            "SLOW_THINK_REQUEST",
            "MAXIMUM_SESSION_LENGTH_APPROACHING",
            "PROMPT_TOO_LONG",
            "NEW_ONE",
        ):
            await rig.peer.send("Warning", code=code, description="careful")
            assert (await warnings.receive()).data.code == code
        assert await rig.speaks()
        assert rig.client.statistics().connects == 1


# Handshakes


@pytest.mark.parametrize(
    ("status", "reason"), [(400, F.REFUSED), (401, F.BAD_KEY), (403, F.FORBIDDEN), (404, F.REFUSED)]
)
async def test_a_refused_handshake_is_final(
    status: int, reason: deepgram.ProviderFailure, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_server() as (system, server):
        server.refuse_always = (status, f'{{"err_msg": "Invalid credentials: {KEY}"}}'.encode())
        with pytest.raises(deepgram.ProviderFailed) as caught:
            await create(system, server)
        assert caught.value.reason is reason
        assert f"HTTP {status}" in str(caught.value)
        await trio.sleep(60)
        assert server.n_refused == 1
        assert KEY not in str(caught.value) + caplog.text
        assert not [node.path for node in system.tree().walk() if "deepgram" in node.path]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_a_busy_server_is_tried_again(status: int, autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.refusals = [(status, b"")] * 3
        client = await create(system, server)
        assert client.statistics().attempts == 4
        client.close()


async def test_a_refused_handshake_is_an_event(autojump_clock: object) -> None:
    async with open_session() as rig:
        responses = rig.client.events(V.HTTPResponse)
        rig.server.refusals = [(503, f'{{"err_msg": "ask {KEY} later"}}'.encode()), (429, b"x" * 5000)]
        await rig.peer.cut()
        first, second = await responses.receive(), await responses.receive()
        assert (first.data.status, first.data.body) == (503, '{"err_msg": "ask *** later"}')
        assert first.data.headers["content-type"] == "application/json"
        assert first.client is rig.client
        assert (second.data.status, second.data.body) == (429, "x" * 2000)
        await rig.reconnected()
        await rig.applied()
        assert await rig.speaks()


async def test_a_key_that_is_revoked_later_ends_the_client(autojump_clock: object) -> None:
    async with open_session() as rig:
        events = rig.client.events(V.WebSocketError, V.HTTPResponse)
        rig.server.refuse_always = (401, b"")
        await rig.peer.cut()
        seen: list[Any] = [event async for event in events]
        assert [event.data.status for event in seen if isinstance(event, V.HTTPResponse)] == [401]
        assert not seen[-1].data.will_reconnect
        assert rig.client.failure is not None
        assert rig.client.failure.reason is F.BAD_KEY


async def test_a_missing_key_is_a_clear_error(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    monkeypatch.delenv("CALLBOARD_DEEPGRAM_URL", raising=False)
    async with open_server() as (system, server):
        with pytest.raises(deepgram.ProviderFailed, match="DEEPGRAM_API_KEY") as caught:
            await deepgram.create_voice_agent_client(system)
        assert caught.value.reason is F.MISSING_KEY
        # A server on this machine needs none.
        client = await create(system, server, api_key=None)
        assert (await server.peer()).request.header("authorization") == "Token local"
        client.close()
        monkeypatch.setenv("DEEPGRAM_API_KEY", "from-the-environment")
        monkeypatch.setenv("CALLBOARD_DEEPGRAM_URL", server.url.replace("ws:", "http:"))
        client = await deepgram.create_voice_agent_client(system)
        assert (await server.peer()).request.header("authorization") == "Token from-the-environment"
        client.close()


async def test_a_server_that_does_not_welcome_is_given_up(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.greets = False
        start = trio.current_time()
        with pytest.raises(deepgram.ProviderFailed, match="not ready within 25 s") as caught:
            await create(system, server, connect_timeout=25.0)
        assert caught.value.reason is F.TIMEOUT
        assert trio.current_time() - start == pytest.approx(25.0, abs=0.2)


async def test_a_server_that_does_not_apply_the_settings_is_left(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.peer.next("Settings")
        start = trio.current_time()
        await rig.reconnected()
        assert 15 <= trio.current_time() - start < 30
        await rig.applied()
        assert await rig.speaks()


# Messages that are none


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "type"),
        ('{"type": 7}', "expected a string"),
        ('{"type": "Welcome"}', "request_id"),
        ('{"type": "ConversationText", "role": "user"}', "content"),
        ('{"type": "ConversationText", "role": 7, "content": "x"}', "role"),
        ('{"type": "FunctionCallRequest", "functions": [{"id": "c1"}]}', "functions"),
        ('{"type": "FunctionCallRequest", "functions": "x"}', "functions"),
        ('{"type": "LatencyReport", "tts_latency": []}', "tts_latency"),
        ("[" * 500 + "]" * 500, "expected a JSON object"),
    ],
)
async def test_a_malformed_message_is_one_error_and_the_client_goes_on_i9(
    message: str, text: str, autojump_clock: object
) -> None:
    async with open_session() as rig:
        errors = rig.client.events(V.WebSocketError, V.Unknown)
        await rig.peer.socket.send(message)
        event: Any = await errors.receive()
        assert text in event.data.message
        await settle()
        assert errors.pending == 0
        assert await rig.speaks()
        assert rig.client.statistics().connects == rig.client.statistics().malformed == 1


@pytest.mark.parametrize(
    "kind", ["EndOfThought", "FunctionCalling", "userStartedSpeaking", "InstructionsUpdated"]
)
async def test_messages_nobody_knows_change_nothing(kind: str, autojump_clock: object) -> None:
    async with open_session() as rig:
        unknown = rig.client.events(V.Unknown)
        await rig.peer.sentence("One.", 1.0)
        await rig.peer.send(kind, colour="blue")
        await rig.peer.audio(0.5)
        event = await unknown.receive()
        assert (event.data.kind, event.raw["colour"]) == (kind, "blue")
        await settle()
        assert len(rig.ear.payload) == 12000
        assert rig.client.statistics().malformed == 0


async def test_a_server_that_sends_only_rubbish_is_left(autojump_clock: object) -> None:
    async with open_session() as rig:
        for _ in range(25):
            try:
                await rig.peer.socket.send("rubbish")
            except Exception:  # noqa: BLE001  (the client may have closed by now)
                break
        rig.peer.session.done.set()
        await rig.reconnected()
        assert rig.client.statistics().malformed == 20


async def test_ten_megabytes_end_the_connection_not_the_client_i9(autojump_clock: object) -> None:
    async with open_session() as rig:
        errors = rig.client.events(V.WebSocketError)
        with trio.move_on_after(5):
            await rig.peer.socket.send(json.dumps({"type": "x", "text": "x" * 10_000_000}))
        assert (await errors.receive()).data.code == 1009
        rig.peer.session.done.set()
        await rig.reconnected()
        await rig.applied()
        assert await rig.speaks()


# Losses


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1013])
async def test_a_closed_socket_is_replaced(code: int, autojump_clock: object) -> None:
    async with open_session() as rig:
        first = rig.peer.received[0]
        errors = rig.client.events(V.WebSocketError)
        await rig.peer.close(code, "bye")
        await rig.reconnected()
        assert await rig.applied() == first
        assert await rig.speaks()
        assert rig.client.request_id == "request-2"
        assert errors.pending == (code not in {1000, 1001})


async def test_the_conversation_is_handed_over_with_its_calls_and_without_a_greeting(
    autojump_clock: object,
) -> None:
    options = {"agent": {**SETTINGS["agent"], "greeting": "Kestrel parcels."}}
    async with open_rig(settings_options=options) as rig:
        assert (await rig.applied())["agent"]["greeting"] == "Kestrel parcels."
        await rig.peer.sentence("Kestrel parcels.", 1.0)
        await rig.peer.audio_done()
        await settle()
        await trio.sleep(1)
        await rig.peer.user("Where is K77?")
        await rig.peer.call(("c1", "track", '{"ref": "K77"}'))
        await settle()
        rig.client.send_function_call_response({"id": "c1", "name": "track", "content": '{"eta":"Friday"}'})
        await rig.peer.sentence("It arrives", 1.0)
        await rig.peer.sentence("on Friday.", 1.0)
        await rig.peer.audio_done()
        await settle()
        agent = (await rig.renewed())["agent"]
        assert "greeting" not in agent
        call = {"id": "c1", "name": "track", "client_side": True, "arguments": '{"ref": "K77"}'}
        assert agent["context"]["messages"] == [
            {"type": "History", "role": "assistant", "content": "Kestrel parcels."},
            {"type": "History", "role": "user", "content": "Where is K77?"},
            {"type": "History", "function_calls": [{**call, "response": '{"eta":"Friday"}'}]},
            {"type": "History", "role": "assistant", "content": "It arrives on Friday."},
        ]
        assert await rig.peer.quiet(3) == []


async def test_what_the_user_seeds_comes_first_and_once(autojump_clock: object) -> None:
    seed = {"type": "History", "role": "user", "content": "I called yesterday."}
    options = {"agent": {**SETTINGS["agent"], "context": {"messages": [seed]}}}
    async with open_rig(settings_options=options) as rig:
        assert context_of(await rig.applied()) == [seed]
        await rig.peer.user("Hello.")
        await rig.peer.sentence("Hello again.", 0.1)
        await rig.peer.audio_done()
        await settle()
        expected = [("user", "I called yesterday."), ("user", "Hello."), ("assistant", "Hello again.")]
        assert said(await rig.renewed()) == expected
        assert said(await rig.renewed()) == expected


async def test_an_interrupted_answer_is_handed_over_as_far_as_it_was_heard(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Count.")
        await rig.peer.sentence("One two three four.", 4.0)
        await settle()
        await trio.sleep(2.0)
        await rig.peer.user("Stop.")
        await rig.peer.sentence("I stopped.", 0.5)
        await rig.peer.audio_done()
        await settle()
        assert said(await rig.renewed()) == [
            ("user", "Count."),
            ("assistant", "One two"),
            ("user", "Stop."),
            ("assistant", "I stopped."),
        ]


async def test_an_unanswered_turn_of_the_caller_is_given_again(autojump_clock: object) -> None:
    async with open_session() as rig:
        texts = rig.client.events(AgentEvents.UserText)
        await rig.peer.user("Hello.")
        await rig.peer.sentence("Hello yourself.", 0.1)
        await rig.peer.audio_done()
        await settle()
        await trio.sleep(1)
        await rig.peer.user("Where is K77?")
        await settle()
        for _ in range(2):
            # Lost once more before the answer.
            settings = await rig.renewed()
            assert said(settings) == [("user", "Hello."), ("assistant", "Hello yourself.")]
            assert await rig.peer.next() == {"type": "InjectUserMessage", "content": "Where is K77?"}
            await rig.peer.text("user", "Where is K77?")
        await rig.peer.sentence("On its way.", 0.1)
        await rig.peer.audio_done()
        await settle()
        assert [kind for kind, _ in rig.history()] == ["user", "assistant"] * 2
        assert texts.pending == 2
        assert said(await rig.renewed())[-1] == ("assistant", "On its way.")
        assert await rig.peer.quiet(3) == []


async def test_a_turn_whose_answer_had_no_sound_yet_is_given_again(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Where is K77?")
        await rig.peer.text("assistant", "It is on its way.")
        await settle()
        settings = await rig.renewed()
        assert context_of(settings) == []
        assert (await rig.peer.next())["content"] == "Where is K77?"


async def test_an_answer_that_broke_off_is_gone_on_with(autojump_clock: object) -> None:
    async with open_session() as rig:
        done = rig.client.events(AgentEvents.TurnDone)
        await rig.peer.user("Where is K77?")
        await rig.peer.sentence("It is on its way.", 2.0)
        await rig.peer.text("assistant", "It comes on Friday.")
        await settle()
        settings = await rig.renewed()
        assert said(settings) == [("user", "Where is K77?"), ("assistant", "It is on its way.")]
        assert (await done.receive()).interrupted
        # What was received plays on.
        assert rig.ear.flushed == []
        assert (await rig.peer.next())["content"] == "Please go on."
        texts = rig.client.events(V.ConversationText, V.History, AgentEvents.UserText)
        await rig.peer.text("user", "Please go on.")
        await settle()
        assert texts.pending == 0


async def test_a_caller_who_says_the_same_as_the_nudge_is_heard(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.user("Please go on.")
        await settle()
        assert rig.history() == [("user", "Please go on.")]


async def test_audio_that_no_words_were_made_of_is_heard_again(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        for number in range(50):
            rig.mouth.say(0.02, number)
        await rig.peer.quiet(0.1)
        heard = bytes(rig.peer.heard)
        assert len(heard) == 8000
        await rig.renewed()
        await rig.peer.quiet(0.1)
        assert bytes(rig.peer.heard) == heard


async def test_what_was_understood_is_not_heard_again(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.send("UserStartedSpeaking")
        await settle()
        rig.mouth.say(1.0)
        await rig.peer.quiet(0.1)
        await rig.peer.text("user", "Hello.")
        await rig.peer.sentence("Hello yourself.", 0.1)
        await rig.peer.audio_done()
        await settle()
        await rig.renewed()
        await rig.peer.quiet(0.1)
        assert bytes(rig.peer.heard) == b""


async def test_all_that_was_changed_survives(autojump_clock: object) -> None:
    async with open_session() as rig:

        def track(ref: str) -> str:
            """Look up a parcel."""
            return ref

        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: rig.client.configure(tools=[track], voice="flux-alexis-en", language="es")
            )
            for update, ack in (
                ("UpdateThink", "ThinkUpdated"),
                ("UpdateSpeak", "SpeakUpdated"),
                ("UpdateListen", "ListenUpdated"),
            ):
                await rig.peer.next(update)
                await rig.peer.send(ack)
        for number in range(3):
            rig.client.send_update_prompt({"prompt": f"Fact {number}."})
            await rig.peer.next("UpdatePrompt")
        await rig.peer.send("PromptUpdated")
        for _ in range(2):
            agent = (await rig.renewed())["agent"]
            assert agent["think"]["prompt"] == "You are brief.\nFact 0.\nFact 1.\nFact 2."
            assert [function["name"] for function in agent["think"]["functions"]] == ["track"]
            assert agent["speak"]["provider"]["model"] == "flux-alexis-en"
            assert agent["listen"]["provider"]["language_hints"] == ["es"]
            assert await rig.peer.quiet(2) == []


async def test_a_stored_agent_gets_its_updates_again(autojump_clock: object) -> None:
    agent = "6d0c5f5e-3a54-4c0b-8a7a-7b1f0b3c9e21"
    async with open_rig(settings_options={"agent": agent}) as rig:
        assert (await rig.applied())["agent"] == agent
        rig.client.send_update_prompt({"prompt": "The caller is verified."})
        assert (await rig.peer.next())["type"] == "UpdatePrompt"
        await rig.peer.send("PromptUpdated")
        assert (await rig.renewed())["agent"] == agent
        assert await rig.peer.next() == {"type": "UpdatePrompt", "prompt": "The caller is verified."}
        await rig.peer.send("PromptUpdated")
        # Also one that is wanted before the settings are applied, and once.
        await rig.peer.cut()
        await rig.reconnected()
        await rig.peer.next("Settings")
        rig.client.send_update_prompt({"prompt": "More."})
        await settle()
        await rig.peer.send("SettingsApplied")
        prompts = [message["prompt"] for message in await rig.peer.quiet(2)]
        assert prompts == ["The caller is verified.", "More."]


async def test_a_session_is_renewed_before_the_server_ends_it(autojump_clock: object) -> None:
    options = ConnectionOptions(session_limit=600.0, renew_before=60.0)
    async with open_session(options=options) as rig:
        lost = rig.client.events(AgentEvents.ProviderLost)
        start = trio.current_time()
        await rig.peer.user("Hello.")
        await rig.peer.sentence("Hello yourself.", 1.0)
        await rig.peer.audio_done()
        assert await rig.peer.quiet(535) == []
        rig.peer = await rig.server.peer()
        assert trio.current_time() - start == pytest.approx(540, abs=2)
        assert said(await rig.applied()) == [("user", "Hello."), ("assistant", "Hello yourself.")]
        assert await rig.speaks()
        assert lost.pending == 0


async def test_a_flapping_server_is_given_up(autojump_clock: object) -> None:
    async with open_session() as rig:
        for _ in range(6):
            await rig.renewed()
        await rig.peer.cut()
        await rig.client.wait_closed()
        assert rig.client.failure is not None
        assert rig.client.failure.reason is F.UNREACHABLE


async def test_close_while_reconnecting(autojump_clock: object) -> None:
    async with open_session() as rig:
        rig.server.refuse_always = (503, b"")
        await rig.peer.cut()
        await trio.sleep(1.0)
        rig.client.close()
        await rig.client.wait_closed()
        assert rig.client.failure is None
        n_refused = rig.server.n_refused
        await trio.sleep(60)
        assert rig.server.n_refused == n_refused


# Kills


@pytest.mark.parametrize("name", ["", "/connection", "/connection/socket", "/connection/writer"])
async def test_a_killed_part_of_the_connection_heals_i2(name: str, autojump_clock: object) -> None:
    async with open_session() as rig:
        stream = rig.client.events(V.AgentAudioDone)
        await rig.peer.user("Hello.")
        await rig.peer.sentence("Hello yourself.", 0.1)
        await rig.peer.audio_done()
        await stream.receive()
        rig.system.kill(f"calls/providers/deepgram-1{name}")
        await rig.reconnected()
        assert said(await rig.applied()) == [("user", "Hello."), ("assistant", "Hello yourself.")]
        assert await rig.speaks()
        rig.mouth.say(0.02)
        await rig.peer.quiet(0.1)
        assert rig.peer.heard
        await rig.peer.audio_done()
        await stream.receive()
        assert not rig.client.closed


@pytest.mark.parametrize("name", ["listeners", "timer"])
async def test_a_killed_helper_heals(name: str, autojump_clock: object) -> None:
    async with open_session() as rig:
        log: list[object] = []
        rig.client.add_event_listener(deepgram.Events.WebSocketMediaEnded, log.append)
        await rig.peer.sentence("Hello.", 0.5)
        await rig.peer.audio_done()
        await settle()
        rig.system.kill(f"calls/providers/deepgram-1/{name}")
        await trio.sleep(10)
        assert len(log) == 1
        assert rig.client.statistics().connects == 1


STEPS = 12


async def script(rig: Rig, kill_at: int, victim: str) -> None:
    """A turn with a tool, in steps between which an actor is killed."""
    step = 0

    async def point() -> None:
        nonlocal step
        step += 1
        await settle()
        if step == kill_at:
            rig.system.kill(f"calls/providers/deepgram-1/connection/{victim}")
            await rig.reconnected()
            await rig.applied()

    actions: list[Callable[[Peer], Awaitable[None]]] = [
        lambda peer: peer.send("UserStartedSpeaking"),
        lambda peer: peer.text("user", "Where is K77?"),
        lambda peer: peer.text("assistant", "Let me look."),
        lambda peer: peer.audio(0.5),
        lambda peer: peer.call(("c1", "lookup", "{}")),
        lambda peer: peer.audio_done(),
        lambda peer: peer.text("assistant", "It is here."),
        lambda peer: peer.audio(0.5),
        lambda peer: peer.send("UserStartedSpeaking"),
        lambda peer: peer.text("user", "Thanks."),
        lambda peer: peer.audio_done(),
    ]
    for action in actions:
        await point()
        await action(rig.peer)
    await point()


@pytest.mark.parametrize("victim", ["socket", "writer"])
@pytest.mark.parametrize("kill_at", range(1, STEPS + 1))
async def test_killing_at_every_step_heals_i2(victim: str, kill_at: int, autojump_clock: object) -> None:
    calls: list[str] = []

    async def lookup() -> str:
        """Look."""
        calls.append("lookup")
        return "found"

    async with open_rig(settings_options=None) as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(tools=[lookup]))
            await rig.applied()
        await script(rig, kill_at, victim)
        assert calls == ["lookup"]
        assert await rig.speaks()
        assert rig.client.statistics().connects == 2
        assert not rig.client.closed
        assert rig.ear.stale == 0
