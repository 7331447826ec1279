"""Greeting, configuration, errors, limits, resumption."""

import base64
import json
from typing import cast

import pytest
import trio

from callboard.actors._websocket import SocketClosed
from callboard.actors.brains import Action, Turn
from callboard.actors.emulators._grok_connection import MAX_GARBAGE
from callboard.actors.emulators._grok_options import Greeting
from callboard.protocols.grok import Profile
from tests.actors.emulator_grok_kit import VAD, Client, running
from tests.actors.emulator_kit import Message, Rules, call, only, pick, say, types


async def test_greeting_as_observed(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client(greeted=False) as client:
        session, conversation, ping = await client.until("ping")
    assert session["type"] == "session.created"
    assert "previous_item_id" not in session
    assert len(str(pick(session, "session.id"))) == 32
    assert {key: value for key, value in session["session"].items() if key != "id"} == {  # type: ignore[attr-defined]
        "object": "realtime.session",
        "instructions": "",
        "voice": "ara",
        "modalities": ["audio"],
        "turn_detection": {"type": None},
        "tools": [],
        "model": "grok-voice-latest",
    }
    assert conversation["type"] == "conversation.created"
    assert pick(conversation, "conversation.object") == "realtime.conversation"
    assert ping["timestamp"] == 1_795_226_400_500


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (Greeting.CONVERSATION_FIRST, ["conversation.created", "session.created"]),
        (Greeting.NO_SESSION_CREATED, ["conversation.created"]),
    ],
)
async def test_other_greetings(
    autojump_clock: trio.abc.Clock, greeting: Greeting, expected: list[str]
) -> None:
    async with running(greeting=greeting) as rig, rig.client(greeted=False) as client:
        assert types(await client.until("ping")) == expected


async def test_pings_repeat_and_the_documented_profile_has_none(autojump_clock: trio.abc.Clock) -> None:
    async with running(ping_period=10.0) as rig, rig.client() as client:
        began = trio.current_time()
        await client.until("ping")
        assert trio.current_time() - began == pytest.approx(10.0)
    async with running(profile=Profile.DOCUMENTED) as rig, rig.client(greeted=False) as client:
        with trio.move_on_after(60):
            while True:
                assert (await client.receive())["type"] != "ping"


async def test_first_ping_precedes_the_answer_to_an_eager_client(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client(greeted=False) as client:
        await client.send("session.update", session={})
        messages = await client.until("session.updated")
    assert [message["type"] for message in messages] == [
        "session.created",
        "conversation.created",
        "ping",
        "session.updated",
    ]


async def test_update_is_echoed_in_the_servers_spelling(autojump_clock: trio.abc.Clock) -> None:
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    async with running() as rig, rig.client() as client:
        updated = await client.configure(
            instructions="Be brief.",
            voice="Eve",
            **VAD,
            tools=[tool, {"type": "web_search"}],
            audio={"input": {"transcription": {"model": "grok-transcribe"}}},
            something_new={"a": 1},
        )
        session = cast("Message", updated["session"])
        assert "id" not in session
        assert session["voice"] == "eve"
        assert session["instructions"] == "Be brief."
        assert session["turn_detection"] == VAD["turn_detection"]
        function = {key: value for key, value in tool.items() if key != "type"}
        assert session["tools"] == [{"type": "function", "function": function}, {"type": "web_search"}]
        assert session["input_audio_transcription"] == {"model": "grok-transcribe"}
        assert session["something_new"] == {"a": 1}
        assert session["temperature"] == -1.0
        # Merged deeply; manual mode is echoed as an empty object.
        updated = await client.configure(turn_detection=None, audio={"output": {"speed": 1.2}})
        session = cast("Message", updated["session"])
        assert session["turn_detection"] == {}
        assert pick(session, "audio.input.transcription.model") == "grok-transcribe"
        assert pick(session, "audio.output.speed") == 1.2
        assert session["instructions"] == "Be brief."


async def test_openai_placement_of_turn_detection_and_voice(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        updated = await client.configure(
            type="realtime",
            output_modalities=["audio"],
            audio={"input": {"turn_detection": {"type": "server_vad"}}, "output": {"voice": "leo"}},
        )
    assert pick(updated, "session.turn_detection.type") == "server_vad"
    assert pick(updated, "session.voice") == "leo"


async def test_unknown_model_and_voice_fall_back_silently(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client("model=gpt-realtime", greeted=False) as client:
        assert pick(await client.next("session.created"), "session.model") == "grok-voice-latest"
        assert pick(await client.configure(voice="aria"), "session.voice") == "ara"
    async with running() as rig, rig.client("model=grok-voice-3.0", greeted=False) as client:
        assert pick(await client.next("session.created"), "session.model") == "grok-voice-3.0"


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"audio": {"output": {"speed": 2.0}}}, "speed"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 12345}}}}, "rate"),
        ({"audio": {"output": {"format": {"type": "audio/opus"}}}}, "format"),
        ({"instructions": 5}, "instructions"),
    ],
)
async def test_bad_update_is_refused_as_a_whole(
    autojump_clock: trio.abc.Clock, session: dict[str, object], param: str
) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(instructions="before")
        await client.send("session.update", event_id="u1", session={"voice": "leo"} | session)
        error = await client.next("error")
        assert pick(error, "error.type") == "invalid_request_error"
        assert param in str(pick(error, "error.param"))
        assert pick(error, "error.event_id") == "u1"
        assert [m for m in await client.quiet(1.0) if m["type"] == "session.updated"] == []
        updated = await client.configure()
        assert pick(updated, "session.instructions") == "before"
        assert "voice" not in pick(updated, "session")  # type: ignore[operator]


BAD = [
    ("not json", "invalid_request_error"),
    ("[]", "invalid_request_error"),
    ('"text"', "invalid_request_error"),
    ("{}", "invalid_event"),
    ('{"type": 5}', "invalid_event"),
    ('{"type": "conversation.item.retrieve", "item_id": "x"}', "invalid_event"),
    ('{"type": "audio.append"}', "invalid_event"),
    ('{"type": "session.update"}', "invalid_request_error"),
    ('{"type": "session.update", "session": []}', "invalid_request_error"),
    ('{"type": "input_audio_buffer.append"}', "invalid_request_error"),
    ('{"type": "input_audio_buffer.append", "audio": "%%%"}', "invalid_request_error"),
    ('{"type": "conversation.item.create"}', "invalid_request_error"),
    ('{"type": "conversation.item.create", "item": {"type": "picture"}}', "invalid_request_error"),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user"}}',
        "invalid_request_error",
    ),
    ('{"type": "conversation.item.delete"}', "invalid_request_error"),
    ('{"type": "conversation.item.truncate", "item_id": "x"}', "invalid_request_error"),
    ('{"type": "response.create", "response": "now"}', "invalid_request_error"),
    ('{"type": "response.cancel", "response_id": 7}', "invalid_request_error"),
]


@pytest.mark.parametrize(("message", "kind"), BAD)
async def test_bad_message_is_answered_and_the_socket_stays_open(
    autojump_clock: trio.abc.Clock, message: str, kind: str
) -> None:
    async with running() as rig, rig.client() as client:
        await client.socket.send(message)
        error = await client.next("error")
        assert pick(error, "error.type") == pick(error, "error.code") == kind
        assert pick(error, "error.message")
        await client.configure()


async def test_error_names_the_event_at_fault(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.send("conversation.item.retrieve", event_id="c-10", item_id="x")
        error = await client.next("error")
        assert pick(error, "error.event_id") == "c-10"
        await client.send("response.create", event_id="c-11", response={"metadata": {"k": 5}})
        assert pick(await client.next("error"), "error.event_id") == "c-11"


async def test_endless_garbage_ends_only_its_own_connection(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as other, rig.client() as client:
        for _ in range(MAX_GARBAGE):
            await client.socket.send("garbage")
        with pytest.raises(SocketClosed) as closed:
            await client.quiet(10.0)
        assert closed.value.code == 1007
        assert len(only(client.received, "error")) == MAX_GARBAGE
        assert types(await other.ask("hi"))[-1] == "response.done"


async def test_any_binary_message_is_audio(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as client:
        await client.configure(**VAD)
        for junk in (b"", b"\x00", b"\xff" * 4801, bytes(range(256)) * 50):
            await client.socket.send(junk)
        assert await client.quiet(2.0) == []
        await client.configure()


async def test_session_has_a_maximal_age(autojump_clock: trio.abc.Clock) -> None:
    async with running(max_session=7200.0, idle_limit=9000.0) as rig, rig.client() as client:
        began = trio.current_time()
        with pytest.raises(SocketClosed) as closed:
            await client.quiet(8000.0)
        assert trio.current_time() - began == pytest.approx(7200.0, abs=1.0)
    assert closed.value.code == 1000
    assert pick(client.received[-1], "error.type") == "max_duration"
    assert pick(client.received[-1], "error.message") == "Maximum conversation duration reached"


async def test_idle_session_times_out_but_not_a_used_one(autojump_clock: trio.abc.Clock) -> None:
    async with running(idle_limit=100.0) as rig, rig.client() as client:
        for _ in range(4):
            await trio.sleep(60)
            await client.append(bytes(960))
        began = trio.current_time()
        with pytest.raises(SocketClosed) as closed:
            await client.quiet(1000.0)
        assert trio.current_time() - began == pytest.approx(100.0, abs=1.0)
    assert closed.value.code == 1000
    assert pick(client.received[-1], "error.type") == "timeout"


async def _talk(client: Client) -> None:
    await client.ask("tide?")
    call_id = only(client.received, "response.function_call_arguments.done")[-1]["call_id"]
    item = {"type": "function_call_output", "call_id": call_id, "output": "noon"}
    await client.send("conversation.item.create", item=item)
    await client.send("response.create")
    await client.until("response.done")


RULES: dict[str, list[Action]] = {"tide?": [say("Wait."), call("tide")], "result": [say("At noon.")]}


async def test_resumption_replays_the_items_before_session_updated(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules(RULES)
    async with running(brain) as rig:
        async with rig.client(greeted=False) as client:
            conversation_id = pick(await client.next("conversation.created"), "conversation.id")
            first_session = pick(client.received[0], "session.id")
            await client.configure(resumption={"enabled": True})
            await _talk(client)
        await trio.sleep(29 * 60)
        async with rig.client(f"conversation_id={conversation_id}", greeted=False) as client:
            created = await client.next("conversation.created")
            assert pick(created, "conversation.id") == conversation_id
            assert pick(client.received[0], "session.id") != first_session
            await client.send("session.update", session={"resumption": {"enabled": True}})
            messages = [m for m in await client.until("session.updated") if m["type"] != "ping"]
            assert types(messages) == ["conversation.item.added", "session.updated"]
            items = [pick(message, "item") for message in messages[:-1]]
            assert [(pick(m, "item.type"), pick(m, "item.replayed")) for m in messages[:-1]] == [
                ("message", True),
                ("message", True),
                ("function_call", True),
                ("function_call_output", True),
                ("message", True),
            ]
            assert pick(messages[1], "item.content") == [{"type": "text", "text": "Wait."}]
            assert len(items) == 5
            await client.ask("and?")
            # Once only.
            assert types([await client.configure(resumption={"enabled": True})]) == ["session.updated"]
    assert [turn.text for turn in brain.inputs[-1].history if turn.text] == [
        "tide?",
        "Wait.",
        "noon",
        "At noon.",
        "and?",
    ]
    assert brain.inputs[-1].history[3] == Turn(
        role="tool", text="noon", name="tide", call_id=brain.inputs[-1].history[2].call_id
    )


@pytest.mark.parametrize("case", ["not enabled at first", "not enabled again", "expired", "unknown"])
async def test_nothing_is_replayed_otherwise(autojump_clock: trio.abc.Clock, case: str) -> None:
    brain = Rules(RULES)
    async with running(brain) as rig:
        async with rig.client(greeted=False) as client:
            conversation_id = pick(await client.next("conversation.created"), "conversation.id")
            await client.configure(resumption={"enabled": case != "not enabled at first"})
            await _talk(client)
        await trio.sleep(31 * 60 if case == "expired" else 1)
        wanted = "0d5b2a6e" if case == "unknown" else conversation_id
        async with rig.client(f"conversation_id={wanted}", greeted=False) as client:
            created = await client.next("conversation.created")
            assert (pick(created, "conversation.id") == conversation_id) is (case == "not enabled again")
            await client.send(
                "session.update", session={"resumption": {"enabled": case != "not enabled again"}}
            )
            assert types(await client.until("session.updated")) == ["session.updated"]
            await client.ask("hi")
    assert [turn.text for turn in brain.inputs[-1].history] == ["hi"]


async def test_conversation_can_be_resumed_while_the_old_socket_hangs(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules()
    async with running(brain) as rig, rig.client(greeted=False) as old:
        conversation_id = pick(await old.next("conversation.created"), "conversation.id")
        await old.configure(resumption={"enabled": True})
        await old.ask("hello")
        async with rig.client(f"conversation_id={conversation_id}") as client:
            await client.configure(resumption={"enabled": True})
            await client.ask("again")
    assert [turn.text for turn in brain.inputs[-1].history] == ["hello", "You said hello.", "again"]


async def test_same_seed_gives_the_same_events(autojump_clock: trio.abc.Clock) -> None:
    logs: list[list[object]] = []
    for seed in (1, 1, 2):
        async with running(seed=seed) as rig, rig.client(greeted=False) as client:
            await client.ask("hi")
            logs.append(
                [{k: v for k, v in m.items() if k not in {"at", "timestamp", "ts"}} for m in client.received]
            )
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


async def test_messages_are_ascii_safe_and_base64_is_standard(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"grüß": [say("Grüß dich, 世界.")]})) as rig, rig.client() as client:
        messages = await client.ask("grüß")
    delta = only(messages, "response.output_audio.delta")[0]["delta"]
    assert len(base64.b64decode(str(delta), validate=True)) % 2 == 0
    assert pick(messages[-1], "response.output.0.content.0.transcript") == "Grüß dich, 世界."
    assert json.dumps(messages)
