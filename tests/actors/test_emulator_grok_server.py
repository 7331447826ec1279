"""Credentials, HTTP paths, limits, hostile peers, injected faults."""

import json

import pytest
import trio

from callboard.actors._websocket import DialFailed, SocketClosed
from callboard.actors.emulators._grok_options import GrokEmulatorOptions, GrokFault, GrokFaultAction
from callboard.testing import MemoryNetwork, Transport
from tests.actors.emulator_grok_kit import Rig, running
from tests.actors.emulator_kit import Headers, Message, Rules, only, pick, request, say, types


def bearer(key: str) -> Headers:
    return [("Authorization", f"Bearer {key}")]


async def refused(rig: Rig, **arguments: object) -> tuple[int | None, Message]:
    """Connect and be refused: the status and the body."""
    with pytest.raises(DialFailed) as failed:
        async with rig.client(**arguments):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            raise AssertionError("was let in")
    value = json.loads(failed.value.body)
    assert set(value) == {"code", "error"}
    assert all(isinstance(text, str) for text in value.values())
    return failed.value.status, value


@pytest.mark.parametrize(
    ("headers", "subprotocols", "status"),
    [
        ([], [], 401),
        ([("Authorization", "Bearer")], [], 401),
        ([("Authorization", "Basic good")], [], 401),
        ([], ["realtime"], 401),
        ([], ["xai-client-secret."], 401),
        (bearer("bad"), [], 400),
        (bearer("xai-realtime-client-secret-0"), [], 400),
        ([], ["xai-client-secret.bad"], 400),
        ([], ["realtime", "openai-insecure-api-key.bad"], 400),
        (bearer("poor"), [], 403),
    ],
)
async def test_wrong_credentials(
    autojump_clock: trio.abc.Clock, headers: Headers, subprotocols: list[str], status: int
) -> None:
    async with running(keys=frozenset({"good"}), refused_keys={"poor": 403}) as rig:
        got, body = await refused(rig, headers=headers, subprotocols=subprotocols)
        assert got == status
        if status == 400:
            assert body["code"] == "Client specified an invalid argument"
            assert str(body["error"]).startswith("Incorrect API key provided")
        assert rig.emulator.statistics().refused == 1


@pytest.mark.parametrize(
    ("headers", "subprotocols", "selected"),
    [
        (bearer("good"), [], None),
        (bearer("good"), ["realtime"], "realtime"),
        ([], ["xai-client-secret.good"], "xai-client-secret.good"),
        ([], ["realtime", "openai-insecure-api-key.good", "openai-beta.realtime-v1"], "realtime"),
        ([], ["openai-insecure-api-key.good"], "openai-insecure-api-key.good"),
    ],
)
async def test_good_credentials(
    autojump_clock: trio.abc.Clock, headers: Headers, subprotocols: list[str], selected: str | None
) -> None:
    async with (
        running(keys=frozenset({"good"})) as rig,
        rig.client(headers=headers, subprotocols=subprotocols) as client,
    ):
        assert client.socket.subprotocol == selected


async def test_any_key_is_good_by_default(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        async with rig.client(headers=bearer("whatever")):
            pass
        assert (await refused(rig, headers=()))[0] == 401
        assert (await refused(rig, headers=bearer("two words")))[0] == 400


async def test_client_secret_opens_a_session_until_it_expires(autojump_clock: trio.abc.Clock) -> None:
    async with running(keys=frozenset({"good"})) as rig:
        status, body = await request(
            rig,
            "POST",
            "/v1/realtime/client_secrets",
            headers=bearer("good"),
            body={"expires_after": {"seconds": 60}, "session": {"model": "x"}},
        )
        assert status == 200
        assert body["expires_at"] == 1_795_226_460
        secret = str(body["value"])
        async with rig.client(headers=bearer(secret)):
            pass
        async with rig.client(headers=(), subprotocols=[f"xai-client-secret.{secret}"]) as client:
            assert client.socket.subprotocol == f"xai-client-secret.{secret}"
        await trio.sleep(61)
        assert (await refused(rig, headers=bearer(secret)))[0] == 400


async def test_client_secret_request_is_checked(autojump_clock: trio.abc.Clock) -> None:
    path = "/v1/realtime/client_secrets"
    async with running(keys=frozenset({"good"})) as rig:
        assert (await request(rig, "POST", path))[0] == 401
        assert (await request(rig, "POST", path, headers=bearer("bad")))[0] == 400
        _, body = await request(rig, "POST", path, headers=bearer("good"))
        assert body["expires_at"] == 1_795_226_400 + 600
        # A secret does not make secrets.
        assert (await request(rig, "POST", path, headers=bearer(str(body["value"]))))[0] == 400
        bodies: list[object] = [
            b"{",
            [],
            {"expires_after": 5},
            {"expires_after": {"seconds": 3601}},
            {"expires_after": {"seconds": 0}},
            {"expires_after": {"seconds": "60"}},
            {"expires_after": {"seconds": True}},
        ]
        for bad in bodies:
            status, body = await request(rig, "POST", path, headers=bearer("good"), body=bad)
            assert status == 400, bad
            assert set(body) == {"code", "error"}


async def test_other_paths(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        assert await request(rig, "GET", "/healthz") == (200, {"status": "ok", "sessions": 0})
        assert (await request(rig, "GET", "/v1/tts/voices"))[0] == 401
        status, body = await request(rig, "GET", "/v1/tts/voices", headers=bearer("k"))
        assert status == 200
        assert {"voice_id": "eve", "name": "Eve"} in body["voices"]  # type: ignore[operator]
        assert len(body["voices"]) == 28  # type: ignore[arg-type]
        assert (await request(rig, "GET", "/v1/realtime"))[0] == 426
        assert (await request(rig, "DELETE", "/healthz"))[0] == 405
        assert (await request(rig, "GET", "/nothing"))[0] == 404
        with pytest.raises(DialFailed) as failed:
            async with rig.client("model=x&call_id=rtc_1"):
                pass
        assert failed.value.status == 400


async def test_concurrency_limit(autojump_clock: trio.abc.Clock) -> None:
    async with running(concurrency=2) as rig:
        async with rig.client(), rig.client():
            assert (await refused(rig))[0] == 429
            assert rig.emulator.statistics().open == 2
        await trio.sleep(1)
        async with rig.client():
            assert rig.emulator.statistics().accepted == 3


async def test_handshakes_can_be_refused_for_a_while(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig:
        rig.emulator.refuse_next(2, 502)
        assert [(await refused(rig))[0] for _ in range(2)] == [502, 502]
        async with rig.client():
            pass


# --- hostile peers


async def test_abandoned_sockets_leave_nothing(autojump_clock: trio.abc.Clock) -> None:
    async with running(Rules({"go": [say("word " * 400)]})) as rig:
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(3):
            with trio.move_on_after(5):
                async with rig.client() as client:
                    await client.write("go")
                    await client.send("response.create")
                    await client.until("response.output_audio.delta")
                    await trio.aclose_forcefully(client.socket._stream)
        await trio.sleep(5)
        assert rig.emulator.statistics().open == 0
        assert trio.lowlevel.current_statistics().tasks_living == before


async def test_a_client_that_does_not_read_stalls_only_itself(autojump_clock: trio.abc.Clock) -> None:
    rules = Rules({"go": [say("word " * 2000)]})
    async with (
        running(rules, network=MemoryNetwork(Transport.LOCKSTEP), output_speed=50.0) as rig,
        rig.client() as slow,
        rig.client() as quick,
    ):
        await slow.write("go")
        await slow.send("response.create")
        # Nothing is read from `slow` any more.
        messages = await quick.ask("hi")
        assert types(messages)[-1] == "response.done"
        began = trio.current_time()
        assert len(only(await slow.until("response.done"), "response.output_audio.delta")) > 50
        assert trio.current_time() - began < 60


async def test_a_message_over_the_limit_closes_only_its_socket(autojump_clock: trio.abc.Clock) -> None:
    async with running(max_message=100_000) as rig, rig.client() as other, rig.client() as client:
        with pytest.raises(SocketClosed) as closed:  # noqa: PT012  (the close may meet either)
            await client.socket.send("x" * 200_000)
            await client.quiet(5.0)
        assert closed.value.code == 1009
        assert types(await other.ask("hi"))[-1] == "response.done"


async def test_cancelling_the_emulator_leaves_nothing(autojump_clock: trio.abc.Clock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with running(Rules({"go": [say("word " * 400)]})) as rig, rig.client() as client:
        await client.write("go")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
    assert trio.lowlevel.current_statistics().tasks_living == before


# --- faults


async def test_dropped_connections_see_1006(autojump_clock: trio.abc.Clock) -> None:
    async with running() as rig, rig.client() as one, rig.client() as two:
        assert await rig.emulator.drop_connections() == 2
        for client in (one, two):
            with pytest.raises(SocketClosed) as closed:
                await client.quiet(1.0)
            assert closed.value.code == 1006
        async with rig.client():
            pass


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (GrokFault(action=GrokFaultAction.ABORT, event="response.output_audio.delta", nth=2), 1006),
        (GrokFault(action=GrokFaultAction.CLOSE, event="response.created", code=1011, message="boom"), 1011),
    ],
)
async def test_fault_that_ends_the_connection(
    autojump_clock: trio.abc.Clock, fault: GrokFault, code: int
) -> None:
    async with running(Rules({"go": [say("word " * 100)]}), faults=(fault,)) as rig, rig.client() as client:
        with pytest.raises(SocketClosed) as closed:
            await client.ask("go")
    assert closed.value.code == code
    assert len(only(client.received, "response.output_audio.delta")) == (1 if code == 1006 else 0)


async def test_faults_that_disturb(autojump_clock: trio.abc.Clock) -> None:
    faults = (
        GrokFault(
            action=GrokFaultAction.ERROR,
            event="response.created",
            error_type="internal_error",
            message="Oops",
        ),
        GrokFault(action=GrokFaultAction.DROP, event="response.output_audio.done"),
        GrokFault(action=GrokFaultAction.DUPLICATE, event="response.output_item.done"),
        GrokFault(action=GrokFaultAction.STALL, event="response.done", seconds=5.0),
    )
    async with running(faults=faults) as rig, rig.client() as client:
        messages = await client.ask("hi")
        kinds = types(messages, squeeze=False)
        assert kinds.index("error") + 1 == kinds.index("response.created")
        assert pick(only(messages, "error")[0], "error.message") == "Oops"
        assert "response.output_audio.done" not in kinds
        assert kinds.count("response.output_item.done") == 2
        assert float(str(messages[-1]["at"])) - float(str(messages[-2]["at"])) == pytest.approx(5.0)
        # Each strikes once.
        assert types(await client.ask("hi"), squeeze=False).count("response.output_item.done") == 1


async def test_fault_on_one_connection_only_and_garbage(autojump_clock: trio.abc.Clock) -> None:
    fault = GrokFault(action=GrokFaultAction.GARBAGE, event="response.created", connection=2)
    async with running(faults=(fault,)) as rig, rig.client() as one, rig.client() as two:
        assert types(await one.ask("hi"))[-1] == "response.done"
        await two.send("response.create")
        raw = await two.socket.receive()
        with pytest.raises(json.JSONDecodeError):
            json.loads(raw)
        assert types(await two.until("response.done"))[0] == "response.created"


def test_options_refuse_nonsense() -> None:
    for wrong in (
        {"output_speed": 0.0},
        {"chunk": -1.0},
        {"idle_limit": float("nan")},
        {"first_audio_delay": -1},
    ):
        with pytest.raises(ValueError, match="expected"):
            GrokEmulatorOptions(**wrong)  # pyright: ignore[reportArgumentType]


def test_options_keep_keys_out_of_their_repr() -> None:
    options = GrokEmulatorOptions(keys=frozenset({"xai-sesame"}), refused_keys={"xai-poor": 403})
    assert "sesame" not in repr(options)
    assert "poor" not in repr(options)
