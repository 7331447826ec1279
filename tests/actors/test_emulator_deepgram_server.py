"""Credentials, HTTP paths, limits, hostile peers, injected faults."""

import contextlib
import json
from typing import cast

import hypothesis
import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from callboard.actors._websocket import DialFailed, SocketClosed
from callboard.actors.emulators import DeepgramFault, FaultAction
from callboard.protocols import deepgram
from callboard.testing import MemoryNetwork, Transport
from tests.actors.emulator_deepgram_kit import AUTH, Client, Rig, running, settings
from tests.actors.emulator_kit import Headers, Message, Rules, only, request, say, types

GRANT = "/v1/auth/grant"
LONG = "This is a sentence that takes quite some time to be spoken. " * 20


async def refused(rig: Rig, **arguments: object) -> tuple[int | None, Message]:
    """Connect and be refused: the status and the body."""
    with pytest.raises(DialFailed) as failed:
        async with rig.client(**arguments):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            raise AssertionError("was let in")
    value = json.loads(failed.value.body)
    assert set(value) == {"err_code", "err_msg", "request_id"}
    return failed.value.status, value


# --- credentials


@pytest.mark.parametrize(
    ("headers", "subprotocols", "status"),
    [
        ([], [], 401),
        ([("Authorization", "Token")], [], 401),
        ([("Authorization", "Basic good")], [], 401),
        ([("Authorization", "Token bad")], [], 401),
        # A key is no token.
        ([("Authorization", "Bearer good")], [], 401),
        ([], ["token"], 401),
        ([], ["token", "bad"], 401),
        ([], ["bearer", "good"], 401),
        ([("Authorization", "Token poor")], [], 403),
    ],
)
async def test_wrong_credentials(
    autojump_clock: trio.abc.Clock, headers: Headers, subprotocols: list[str], status: int
) -> None:
    async with running(keys=frozenset({"good"}), refused_keys={"poor": 403}) as rig:
        got, body = await refused(rig, headers=headers, subprotocols=subprotocols)
        assert got == status
        if status == 401:
            assert body["err_code"] == "INVALID_AUTH"
        assert rig.emulator.statistics().refused == 1
        assert rig.emulator.sessions == ()


@pytest.mark.parametrize(
    ("headers", "subprotocols", "selected"),
    [
        ([("Authorization", "Token good")], [], None),
        ([("Authorization", "token good"), ("x-deepgram-session-id", "1")], [], None),
        ([], ["token", "good"], "token"),
        ([], ["token", "good", "x-deepgram-session-id", "0f5c"], "token"),
    ],
)
async def test_good_credentials(
    autojump_clock: trio.abc.Clock, headers: Headers, subprotocols: list[str], selected: str | None
) -> None:
    async with (
        running(keys=frozenset({"good"})) as rig,
        rig.client(headers=headers, subprotocols=subprotocols) as client,
    ):
        # Never the secret.
        assert client.socket.subprotocol == selected
        assert types(await client.begin()) == ["SettingsApplied"]


@pytest.mark.parametrize("as_subprotocol", [True, False])
async def test_a_granted_token_is_good_for_a_while(
    autojump_clock: trio.abc.Clock, as_subprotocol: bool
) -> None:
    async with running(keys=frozenset({"good"})) as rig:
        status, body = await request(rig, "POST", GRANT, headers=[("Authorization", "Token good")])
        assert status == 200
        assert body["expires_in"] == 30
        token = str(body["access_token"])
        assert token.count(".") == 2
        where: dict[str, object] = {"headers": [("Authorization", f"Bearer {token}")]}
        if as_subprotocol:
            where = {"headers": [], "subprotocols": ["bearer", token]}
        async with rig.client(**where) as client:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            assert client.socket.subprotocol == ("bearer" if as_subprotocol else None)
            await client.begin()
            await trio.sleep(5.0)
            # The session outlives its token.
            await client.send("KeepAlive")
            await trio.sleep(10.0)
            for _ in range(2):
                await client.send("KeepAlive")
                await trio.sleep(10.0)
            assert (await refused(rig, **where))[0] == 401
            await client.ask("still there?")


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("good", {"ttl_seconds": 3600}, 200),
        ("good", {"ttl_seconds": 3601}, 400),
        ("good", {"ttl_seconds": 0}, 400),
        ("good", {"ttl_seconds": True}, 400),
        ("good", {"ttl_seconds": "60"}, 400),
        ("good", [], 400),
        ("good", b"{", 400),
        ("good", b"[" * 50_000, 400),
        ("bad", {}, 401),
        ("poor", {}, 403),
        (None, {}, 401),
    ],
)
async def test_granting(autojump_clock: trio.abc.Clock, key: str | None, body: object, status: int) -> None:
    headers = [] if key is None else [("Authorization", f"Token {key}")]
    async with running(keys=frozenset({"good"}), refused_keys={"poor": 403}) as rig:
        got, answer = await request(rig, "POST", GRANT, headers=headers, body=body)
    assert got == status
    if status == 403:
        assert answer["err_code"] == "FORBIDDEN"


async def test_a_token_grants_no_token(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        _, body = await request(rig, "POST", GRANT, headers=AUTH)
        bearer = [("Authorization", f"Bearer {body['access_token']}")]
        assert (await request(rig, "POST", GRANT, headers=bearer))[0] == 401


# --- paths


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("GET", GRANT, 405),
        ("GET", "/v1/agent/converse", 426),
        ("DELETE", "/v1/agent/settings/think/models", 405),
        ("GET", "/v1/listen", 404),
    ],
)
async def test_paths(autojump_clock: trio.abc.Clock, method: str, path: str, status: int) -> None:
    async with running() as rig:
        assert (await request(rig, method, path))[0] == status


async def test_the_list_of_models_is_public(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        status, body = await request(rig, "GET", "/v1/agent/settings/think/models")
    assert status == 200
    listed = cast("list[Message]", body["models"])
    assert all(set(model) == {"id", "name", "provider"} for model in listed)


@pytest.mark.parametrize("path", ["/agent", "/v1/listen", "/"])
async def test_other_sockets_are_not_there(autojump_clock: trio.abc.Clock, path: str) -> None:
    async with running() as rig:
        assert (await refused(rig, path=path))[0] == 404


async def test_refusals_on_demand(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        rig.emulator.refuse_next(2, 502)
        assert (await refused(rig))[0] == 502
        assert (await refused(rig))[0] == 502
        async with rig.client():
            pass
        assert rig.emulator.statistics().refused == 2


async def test_concurrency(autojump_clock: trio.abc.Clock) -> None:
    async with running(concurrency=1) as rig:
        async with rig.client():
            assert (await refused(rig))[0] == 429
        await trio.sleep(1.0)
        async with rig.client():
            assert rig.emulator.statistics().open == 1


# --- ends from outside


async def test_dropped_connections(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking() as first, rig.talking() as second:
        assert await rig.emulator.drop_connections() == 2
        for client in (first, second):
            with pytest.raises(SocketClosed) as closed:
                await client.quiet(5.0)
            assert closed.value.code == 1006
        await trio.sleep(1.0)
        assert rig.emulator.statistics().open == 0


async def test_maintenance(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.talking(greeting=LONG) as client:
        assert await rig.emulator.go_away() == 1
        error = await client.ended()
        assert (error["code"], error["close"]) == ("SERVER_GOING_AWAY", 1005)
        # Others may come.
        async with rig.client():
            pass


async def test_a_client_that_does_not_read_is_closed_all_the_same(autojump_clock: trio.abc.Clock) -> None:
    brain = Rules({"go": [say(LONG)]})
    # Nothing is buffered between the two, so that the emulator has to wait for the client.
    network = MemoryNetwork(Transport.LOCKSTEP)
    async with running(brain, network=network, idle_timeout=5.0, paced=False) as rig, rig.client() as client:
        await client.begin()
        await client.send("InjectUserMessage", content="go")
        await trio.sleep(4.0)
        assert rig.emulator.statistics().open == 1
        await trio.sleep(6.0)
        assert rig.emulator.statistics().open == 0


# --- faults


def fault(action: FaultAction, **fields: object) -> DeepgramFault:
    return DeepgramFault(action=action, **fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def outcome(client: Client) -> tuple[list[str], int]:
    """The types up to the close of the socket, and its code."""
    kinds: list[str] = []
    try:
        while True:
            kinds.append(str((await client.receive())["type"]))
    except SocketClosed as closed:
        return kinds, closed.code


async def test_an_error_at_a_chosen_message(autojump_clock: trio.abc.Clock) -> None:
    struck = fault(FaultAction.ERROR, event="ConversationText", nth=2, error_code="ASR_DRIVER_TIMEOUT")
    async with running(faults=(struck,)) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="hm")
        assert await outcome(client) == (["ConversationText", "History", "Error"], 1005)
        assert client.received[-1]["code"] == "ASR_DRIVER_TIMEOUT"
        record = rig.emulator.sessions[0]
        assert record.error is not None
        assert record.error.code == "ASR_DRIVER_TIMEOUT"


@pytest.mark.parametrize(
    ("action", "extra", "code"),
    [
        (FaultAction.CLOSE, {"code": 1011}, 1011),
        (FaultAction.CLOSE, {"code": 1005}, 1005),
        (FaultAction.ABORT, {}, 1006),
    ],
)
async def test_a_connection_that_breaks_in_an_answer(
    autojump_clock: trio.abc.Clock, action: FaultAction, extra: Message, code: int
) -> None:
    struck = fault(action, event="binary", nth=3, connection=1, **extra)
    async with running(faults=(struck,)) as rig:
        async with rig.talking() as client:
            await client.send("InjectUserMessage", content="hm")
            kinds, closed = await outcome(client)
            assert kinds.count("binary") == 2
            assert closed == code
        async with rig.talking() as client:
            # Only the first connection was meant.
            await client.ask("hm")


async def test_messages_lost_doubled_and_spoilt(autojump_clock: trio.abc.Clock) -> None:
    faults = (
        fault(FaultAction.DROP, event="AgentAudioDone"),
        fault(FaultAction.DUPLICATE, event="LatencyReport"),
    )
    async with running(faults=faults) as rig, rig.talking() as client:
        await client.send("InjectUserMessage", content="hm")
        messages = await client.quiet(3.0)
    assert only(messages, "AgentAudioDone") == []
    assert len(only(messages, "LatencyReport")) == 2
    spoilt = fault(FaultAction.GARBAGE, event="SettingsApplied")
    async with running(faults=(spoilt,)) as rig, rig.client() as client:
        await client.socket.send(json.dumps(settings()))
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(await client.socket.receive())


async def test_a_stall(autojump_clock: trio.abc.Clock) -> None:
    async with (
        running(faults=(fault(FaultAction.STALL, event="binary", nth=2, seconds=4.0),)) as rig,
        rig.talking() as client,
    ):
        messages = only(await client.ask("hm"), "binary")
    assert float(str(messages[1]["at"])) - float(str(messages[0]["at"])) == pytest.approx(4.0)


async def test_every_message_of_every_connection(autojump_clock: trio.abc.Clock) -> None:
    async with running(faults=(fault(FaultAction.DUPLICATE, nth=0),)) as rig, rig.client() as client:
        assert types(await client.begin(), squeeze=False) == ["Welcome", "SettingsApplied"]
        assert types(await client.quiet(1.0)) == ["SettingsApplied"]


# --- hostile clients

LEGAL_OR_NEARLY: list[Message] = [
    {"type": "KeepAlive"},
    {"type": "ForceEndTurn"},
    {"type": "UpdatePrompt", "prompt": "x"},
    {"type": "InjectUserMessage", "content": "hm"},
    {"type": "InjectAgentMessage", "message": "One moment."},
    {"type": "InjectAgentMessage", "message": "Now.", "behavior": "interrupt"},
    {"type": "InjectAgentMessage", "message": "Later.", "behavior": "queue"},
    {"type": "FunctionCallResponse", "id": "x", "name": "y", "content": "z"},
    {"type": "UpdateSpeak", "speak": {"provider": {"type": "deepgram", "model": "aura-x-en"}}},
    {"type": "UpdateThink", "think": list[object]()},
    settings(),
]
CLIENT_MESSAGES = st.one_of(
    st.binary(max_size=400), st.text(max_size=40), st.sampled_from(LEGAL_OR_NEARLY).map(json.dumps)
)


@given(st.lists(CLIENT_MESSAGES, max_size=12), st.booleans())
@hypothesis.settings(max_examples=60, deadline=None)
def test_nonsense_ends_a_session_and_nothing_else(messages: list[str | bytes], begun: bool) -> None:
    async def main() -> None:
        async with running() as rig:
            async with rig.client() as client:
                if begun:
                    await client.begin()
                with contextlib.suppress(SocketClosed):
                    for message in messages:
                        await client.socket.send(message)
                    await client.quiet(5.0)
                for error in only(client.received, "Error"):
                    assert deepgram.ErrorCode(str(error["code"]))
            async with rig.talking() as client:
                await client.ask("still there?")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
