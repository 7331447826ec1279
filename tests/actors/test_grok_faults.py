"""What a network and a server can do to a client: it reconnects, or ends with a reason; the call lives on."""

import base64
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from callboard import grok
from callboard.actors._system import System
from tests.actors.grok_kit import KEY, Peer, Rig, V, create, open_rig, open_server, settle


def names(system: System) -> set[str]:
    return {node.path for node in system.tree().walk()}


def written(directory: Path) -> str:
    """The trace file in a directory."""
    (path,) = directory.iterdir()
    return path.read_text()


async def speaks(rig: Rig) -> bool:
    """Whether an answer of the server reaches the ear."""
    before = len(rig.ear.payload)
    await rig.peer.begin("after", "after")
    await rig.peer.audio(0.1, "after", "after")
    await settle()
    return len(rig.ear.payload) == before + 800


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1013])
async def test_a_closed_socket_is_replaced_and_configured_again(code: int, autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured(voice="eve", instructions="One.")
        rig.client.session_update({"session": {"instructions": "Two."}})
        await rig.peer.accept_session()
        errors = rig.client.events(V.WebSocketError)
        await rig.peer.close(code, "bye")
        await rig.reconnected()
        update = await rig.peer.accept_session()
        assert update["session"] == {
            "voice": "eve",
            "instructions": "Two.",
            "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcmu"}},
            },
        }
        await settle()
        assert await speaks(rig)
        assert errors.pending == (code not in {1000, 1001})


async def test_a_cut_stream_is_replaced(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        errors = rig.client.events(V.WebSocketError)
        await rig.peer.cut()
        error = (await errors.receive()).data
        assert (error.code, error.will_reconnect) == (1006, True)
        await rig.reconnected()
        await rig.peer.accept_session()
        await settle()
        assert await speaks(rig)
        assert rig.client.statistics().connects == 2


async def test_a_silent_server_is_noticed(autojump_clock: object) -> None:
    """The stream stays open and nothing answers any more, not even to pings: a half-open connection."""
    async with open_rig() as rig:
        stream = rig.peer.socket._stream
        stalled = trio.Event()
        receive_some = stream._stream.receive_some  # type: ignore[attr-defined]

        async def stall(max_bytes: int | None = None) -> bytes:
            if stalled.is_set():
                await trio.sleep_forever()
            return await receive_some(max_bytes)  # type: ignore[no-any-return]

        stream._stream.receive_some = stall  # type: ignore[attr-defined]
        # The reader of the server is inside a read already; this lets it finish that one.
        rig.client.response_create()
        await rig.peer.next("response.create")
        stalled.set()
        rig.client.response_create()
        start = trio.current_time()
        await rig.server.peer()
        assert 5.0 < trio.current_time() - start < 15.0
        assert "no answer to a ping" in rig.client._actor.connection.last_error


async def test_a_connection_that_is_merely_quiet_is_kept(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await trio.sleep(300)
        assert rig.client.statistics().connects == 1


async def test_a_server_that_does_not_greet_is_given_up(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.greets = False
        start = trio.current_time()
        with pytest.raises(grok.ProviderFailed, match="not ready within 25 s") as caught:
            await create(system, server, connect_timeout=25.0)
        assert caught.value.reason is grok.ProviderFailure.TIMEOUT
        assert trio.current_time() - start == pytest.approx(25.0, abs=0.2)
        assert server.n_accepted == 3


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            400,
            b'{"code": "Client specified an invalid argument", "error": "Incorrect API key provided: %s"}',
            "BAD_KEY",
        ),
        (401, b"", "BAD_KEY"),
        (403, b'{"error": "The team of %s may not use this"}', "FORBIDDEN"),
        (404, b"", "REFUSED"),
    ],
)
async def test_a_refused_key_is_final(
    status: int, body: bytes, reason: str, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_server() as (system, server):
        server.refuse_always = (status, body.replace(b"%s", KEY.encode()))
        with pytest.raises(grok.ProviderFailed) as caught:
            await create(system, server)
        assert caught.value.reason is grok.ProviderFailure[reason]
        assert f"HTTP {status}" in str(caught.value)
        assert server.n_refused == 1
        await trio.sleep(60)
        assert server.n_refused == 1
        assert not [path for path in names(system) if "grok" in path]
        assert KEY not in str(caught.value) + caplog.text


async def test_a_key_that_is_revoked_later_ends_the_client(autojump_clock: object) -> None:
    async with open_rig() as rig:
        events = rig.client.events(V.WebSocketError)
        rig.server.refuse_always = (401, b"")
        await rig.peer.cut()
        errors = [event.data async for event in events]
        assert [error.will_reconnect for error in errors] == [True, False, False]
        assert rig.client.closed
        assert rig.client.failure is not None
        assert rig.client.failure.reason is grok.ProviderFailure.BAD_KEY
        with pytest.raises(grok.ProviderFailed):
            rig.client.response_create()
        await rig.client.wait_closed()
        assert rig.client.outputs == rig.client.inputs == []
        # The supervisor above did not notice.
        assert rig.scope.providers.statistics().restarts == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_busy_server_is_tried_again(status: int, autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.refusals = [(status, b"")] * 3
        client = await create(system, server)
        assert client.statistics().attempts == 4
        client.close()


async def test_a_refused_port_is_tried_with_backoff_and_then_given_up(autojump_clock: object) -> None:
    async with open_server() as (system, _):
        start = trio.current_time()
        with pytest.raises(grok.ProviderFailed, match="gave up after 7 attempts") as caught:
            await grok.create_voice_agent_api_client(system, xai_api_key=KEY, base_url="ws://127.0.0.1:9")
        assert caught.value.reason is grok.ProviderFailure.UNREACHABLE
        assert "refused the connection" in str(caught.value)
        # 0.2 + 0.4 + ... + 6.4 s, with a jitter of a fifth.
        assert 10 < trio.current_time() - start < 15.5
        assert not [path for path in names(system) if "grok" in path]


async def test_a_flapping_server_is_given_up(autojump_clock: object) -> None:
    async with open_rig() as rig:
        for _ in range(6):
            await rig.peer.cut()
            await rig.reconnected()
        await rig.peer.cut()
        await rig.client.wait_closed()
        assert rig.client.failure is not None
        assert rig.client.failure.reason is grok.ProviderFailure.UNREACHABLE


async def test_a_reconnect_now_and_then_is_no_reason_to_give_up(autojump_clock: object) -> None:
    async with open_rig() as rig:
        for _ in range(30):
            await trio.sleep(60)
            await rig.peer.cut()
            await rig.reconnected()
        assert rig.client.statistics().connects == 31


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ('{"type": 7}', "expected a string"),
        ("{}", "type"),
        ('{"type": "response.created"}', "response"),
        ('{"type": "response.created", "response": {"id": null}}', "response.id"),
        ("[" * 500 + "]" * 500, "expected a JSON object"),
        (
            '{"type": "response.output_audio.delta", "response_id": "r1", "item_id": "a1", "delta": "!!"}',
            "base64",
        ),
        (b"\x01\x02\x03", "without a response"),
    ],
)
async def test_a_malformed_message_is_one_error_and_the_client_goes_on_i9(
    message: str | bytes, text: str, autojump_clock: object
) -> None:
    async with open_rig() as rig:
        await rig.configured()
        errors = rig.client.events(V.WebSocketError, V.Unknown)
        await rig.peer.socket.send(message)
        event: Any = await errors.receive()
        assert text in event.data.message
        await settle()
        assert errors.pending == 0
        assert await speaks(rig)
        assert rig.client.statistics().connects == 1
        assert rig.client.statistics().malformed == 1


async def test_ten_megabytes_end_the_connection_not_the_client_i9(autojump_clock: object) -> None:
    async with open_rig() as rig:
        errors = rig.client.events(V.WebSocketError)
        with trio.move_on_after(5):
            await rig.peer.socket.send(json.dumps({"type": "x", "text": "x" * 10_000_000}))
        assert (await errors.receive()).data.code == 1009
        rig.peer.session.done.set()
        await rig.reconnected()
        assert await speaks_plain(rig)


async def speaks_plain(rig: Rig) -> bool:
    await rig.peer.begin("after", "after")
    await rig.peer.audio(0.1, "after", "after", rate=48000)
    await settle()
    return bool(rig.ear.frames)


async def test_a_server_that_sends_only_rubbish_is_left(autojump_clock: object) -> None:
    async with open_rig() as rig:
        for _ in range(25):
            try:
                await rig.peer.socket.send("rubbish")
            except Exception:  # noqa: BLE001  (the client may have closed by now)
                break
        rig.peer.session.done.set()
        await rig.reconnected()
        assert rig.client.statistics().malformed == 20


async def test_after_close_nothing_reconnects_and_nothing_is_left_i1(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        start = trio.current_time()
        rig.client.close()
        await rig.client.wait_closed()
        await settle()
        assert trio.current_time() - start <= 1.0
        assert not [path for path in names(rig.system) if "grok" in path]
        assert rig.client.outputs == rig.mouth.outputs == []
        await trio.sleep(100)
        assert rig.server.n_accepted == 1


async def test_close_while_reconnecting(autojump_clock: object) -> None:
    async with open_rig() as rig:
        rig.server.refuse_always = (503, b"")
        await rig.peer.cut()
        await trio.sleep(1.0)
        rig.client.close()
        await rig.client.wait_closed()
        assert rig.client.failure is None
        n_refused = rig.server.n_refused
        await trio.sleep(60)
        assert rig.server.n_refused == n_refused


async def test_a_cancelled_factory_leaves_nothing(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        server.greets = False
        with trio.move_on_after(3):
            await create(system, server)
        await trio.sleep(2)
        assert not [path for path in names(system) if "grok" in path]


async def test_a_client_ends_with_its_scope(autojump_clock: object) -> None:
    async with open_rig() as rig:
        stream = rig.client.events(V.ResponseDone)
        ref = rig.system.lookup("calls")
        assert ref is not None
        await ref.stop()
        assert rig.client.closed
        assert [event async for event in stream] == []
        with pytest.raises(grok.ClientClosed):
            rig.client.response_create()


@pytest.mark.parametrize("name", ["", "/connection", "/connection/socket", "/connection/writer"])
async def test_a_killed_part_of_the_connection_heals_i2(name: str, autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        stream = rig.client.events(V.ResponseDone)
        rig.system.kill(f"calls/providers/grok-1{name}")
        await rig.reconnected()
        await rig.peer.accept_session()
        await settle()
        assert await speaks(rig)
        rig.mouth.say(0.02)
        await rig.peer.quiet(0.1)
        assert rig.peer.heard
        await rig.peer.finish("after")
        assert (await stream.receive()).data.response.id == "after"
        assert not rig.client.closed


@pytest.mark.parametrize("name", ["listeners", "timer"])
async def test_a_killed_helper_heals(name: str, autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        log: list[object] = []
        rig.client.add_event_listener(grok.Events.WebSocketMediaEnded, log.append)
        await rig.peer.begin()
        await rig.peer.audio(0.5)
        await settle()
        rig.system.kill(f"calls/providers/grok-1/{name}")
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
        if step == kill_at:
            rig.system.kill(f"calls/providers/grok-1/connection/{victim}")
            await rig.reconnected()
            await rig.peer.accept_session()
        await settle()

    actions: list[Callable[[Peer], Awaitable[None]]] = [
        lambda peer: peer.speech_started(),
        lambda peer: peer.speech_stopped(),
        lambda peer: peer.begin(),
        lambda peer: peer.audio(0.5),
        lambda peer: peer.text("Let me look.", 0.0),
        lambda peer: peer.call("call-1", "lookup"),
        lambda peer: peer.finish(),
        lambda peer: peer.begin("r2", "a2"),
        lambda peer: peer.audio(0.5, "r2", "a2"),
        lambda peer: peer.speech_started("u2"),
        lambda peer: peer.finish("r2", "cancelled"),
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

    async with open_rig() as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(tools=[lookup]))
            await rig.peer.accept_session()
        await script(rig, kill_at, victim)
        assert calls == ["lookup"]
        assert await speaks(rig)
        assert rig.client.statistics().connects == 2
        assert not rig.client.closed


async def test_commands_wait_for_the_connection(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.cut()
        await settle()
        assert not rig.client.connected
        rig.client.response_cancel()
        rig.client.conversation_item_create({"item": {"type": "message", "role": "user", "content": []}})
        rig.client.session_update({"session": {"instructions": "Later."}})
        rig.client.response_create()
        rig.mouth.say(0.02)
        await rig.reconnected()
        update = await rig.peer.next()
        assert (update["type"], update["session"]["instructions"]) == ("session.update", "Later.")
        # The cancel was about a response that is gone with its connection.
        assert [message["type"] for message in await rig.peer.quiet()] == [
            "conversation.item.create",
            "response.create",
        ]
        assert not rig.peer.heard
        await rig.peer.send("session.updated", session={})
        await rig.peer.quiet()
        assert len(rig.peer.heard) == 160


async def test_configure_survives_a_reconnect(autojump_clock: object) -> None:
    async with open_rig() as rig, trio.open_nursery() as nursery:
        done: list[float] = []

        async def configure() -> None:
            await rig.client.configure(voice="eve")
            done.append(trio.current_time())

        nursery.start_soon(configure)
        await rig.peer.next("session.update")
        await rig.peer.cut()
        await rig.reconnected()
        assert (await rig.peer.accept_session())["session"]["voice"] == "eve"
        await settle()
        assert done


async def test_an_update_that_the_next_connection_refuses_is_taken_back(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured(voice="eve")
        await rig.peer.cut()
        await settle()
        rig.client.session_update({"session": {"voice": 7}})
        await rig.reconnected()
        update = await rig.peer.next("session.update")
        assert update["session"]["voice"] == 7
        detail = {"type": "invalid_request_error", "message": "voice", "event_id": update["event_id"]}
        await rig.peer.send("error", error=detail)
        again = await rig.peer.accept_session()
        assert again["session"]["voice"] == "eve"
        await settle()
        assert await speaks(rig)


async def test_a_key_can_be_rotated(autojump_clock: object) -> None:
    keys = iter(["first-key-1", "second-key-2"])

    async def next_key() -> str:
        await trio.sleep(0.1)
        return next(keys)

    async with open_rig(xai_api_key=next_key) as rig:
        assert rig.peer.request.header("authorization") == "Bearer first-key-1"
        await rig.peer.cut()
        await rig.reconnected()
        assert rig.peer.request.header("authorization") == "Bearer second-key-2"


async def test_a_function_that_gives_no_key_is_final(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        with pytest.raises(grok.ProviderFailed, match="gave no key") as caught:
            await create(system, server, xai_api_key=lambda: " ")
        assert caught.value.reason is grok.ProviderFailure.MISSING_KEY
        providers = system.lookup("clients/providers")
        assert providers is not None
        assert providers.statistics().restarts == 0


async def test_a_function_that_fails_to_give_a_key_is_asked_again(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[str] = []

    def key() -> str:
        answers.append("asked")
        if len(answers) < 3:
            raise OSError(f"cannot fetch {KEY}")
        return KEY

    async with open_rig(xai_api_key=key) as rig:
        assert rig.client.statistics().attempts == 3
        assert "the function for the key failed (OSError)" in caplog.text
        assert KEY not in caplog.text


async def test_a_key_no_header_can_carry_is_refused(autojump_clock: object) -> None:
    async with open_server() as (system, server):
        with pytest.raises(grok.ProviderFailed, match="characters no key has"):
            await create(system, server, xai_api_key="kéy\r\nX-Evil: 1")


async def test_a_missing_key_is_a_clear_error(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    monkeypatch.delenv("CALLBOARD_GROK_URL", raising=False)
    monkeypatch.delenv("XAI_BASE_URL", raising=False)
    async with open_server() as (system, server):
        with pytest.raises(grok.ProviderFailed, match="XAI_API_KEY") as caught:
            await grok.create_voice_agent_api_client(system)
        assert caught.value.reason is grok.ProviderFailure.MISSING_KEY
        # A server on this machine needs none.
        client = await create(system, server, xai_api_key=None)
        assert (await server.peer()).request.header("authorization") == "Bearer local"
        client.close()
        monkeypatch.setenv("XAI_API_KEY", "from-the-environment")
        monkeypatch.setenv("CALLBOARD_GROK_URL", server.url.replace("ws:", "http:"))
        client = await grok.create_voice_agent_api_client(system)
        assert (await server.peer()).request.header("authorization") == "Bearer from-the-environment"
        client.close()


@pytest.mark.parametrize("url", ["api.x.ai", "ftp://x", "ws://", "wss://user:pw@host"])
async def test_a_url_that_is_none_is_refused(url: str, autojump_clock: object) -> None:
    async with open_server() as (system, _):
        with pytest.raises(ValueError, match="URL"):
            await grok.create_voice_agent_api_client(system, xai_api_key=KEY, base_url=url)


async def test_the_key_appears_nowhere_i10(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "callboard")
    async with open_rig(trace=tmp_path, statistics=True) as rig:
        events = rig.client.events()
        texts: list[str] = []
        echo = {"tools": [{"type": "mcp", "authorization": "Bearer other-secret"}], "text": f"key {KEY}"}
        rig.client.session_update({"session": {"instructions": f"Never say {KEY}"}})
        await rig.peer.accept_session(**echo)
        await rig.peer.send("error", error={"type": "internal_error", "message": f"bad {KEY}"})
        await rig.peer.send("something.new", key=KEY)
        await rig.peer.socket.send(f"rubbish {KEY}")
        await settle()
        texts.append(rig.system.tree().render())
        rig.server.refusals = [(503, f"who is {KEY}?".encode())]
        await rig.peer.close(1011, f"bad {KEY}")
        await rig.reconnected()
        rig.server.refuse_always = (400, f"Incorrect API key provided: {KEY}".encode())
        await rig.peer.cut()
        async for event in events:
            if isinstance(event, V.WebSocketError | V.ConnectorInformation):
                texts.append(repr(event))
        await rig.client.wait_closed()
        texts += [rig.system.tree().render(), repr(rig.client.failure), caplog.text]
        texts.append(written(tmp_path))
        assert len(texts) > 5
        for text in texts:
            assert KEY not in text
            assert base64.b64encode(KEY.encode()).decode() not in text
        assert "other-secret" not in texts[-1]
        assert '"instructions":"Never say ***"' in texts[-1]


async def test_privacy_keeps_payloads_out_of_logs_and_trace(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "callboard")
    async with open_rig(trace=tmp_path, privacy=True) as rig:
        await rig.configured(instructions="SAYING")
        await rig.peer.send(
            "conversation.item.input_audio_transcription.completed", item_id="u1", transcript="SAYING"
        )
        await rig.peer.send("error", error={"type": "internal_error", "message": "SAYING"})
        await rig.peer.socket.send("SAYING")
        await settle()
        rig.client.close()
        await rig.client.wait_closed()
        trace = written(tmp_path)
        assert "SAYING" not in caplog.text + trace
        assert '"kind":"conversation.item.input_audio_transcription.completed"' in trace


async def test_without_privacy_debug_logs_have_payloads(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "callboard.agent")
    async with open_rig() as rig:
        await rig.peer.send("something.new", colour="blue")
        await settle()
        assert "received something.new" in caplog.text
        assert "blue" in caplog.text


async def test_statistics_are_logged_at_the_end_if_asked(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "callboard.agent")
    async with open_rig(statistics=True) as rig:
        await rig.configured()
        await rig.peer.speech_started()
        await rig.peer.speech_stopped()
        await settle()
        await trio.sleep(0.6)
        await rig.peer.begin()
        await rig.peer.audio(1.0)
        await settle()
        statistics = rig.client.statistics()
        assert statistics.turns == statistics.responses == statistics.connects == 1
        assert statistics.audio_out == pytest.approx(1.0)
        assert list(statistics.first_audio_latencies) == pytest.approx([0.6])
        assert statistics.connect_time == pytest.approx(0.0)
    assert "AgentStatistics(connects=1" in caplog.text
