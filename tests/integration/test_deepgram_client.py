"""The emulator against a client library it was not written with: Deepgram's own.

The library runs on asyncio in a thread of its own, over loopback TCP.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import trio
from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment
from deepgram.agent.v1.socket_client import AsyncV1SocketClient
from deepgram.agent.v1.types import (
    AgentV1AgentAudioDone,
    AgentV1AgentStartedSpeaking,
    AgentV1AgentThinking,
    AgentV1ConversationText,
    AgentV1Error,
    AgentV1FunctionCallRequest,
    AgentV1InjectAgentMessage,
    AgentV1InjectionRefused,
    AgentV1InjectUserMessage,
    AgentV1KeepAlive,
    AgentV1LatencyReport,
    AgentV1ListenUpdated,
    AgentV1PromptUpdated,
    AgentV1SendFunctionCallResponse,
    AgentV1Settings,
    AgentV1SettingsApplied,
    AgentV1SpeakUpdated,
    AgentV1ThinkUpdated,
    AgentV1UpdateListen,
    AgentV1UpdatePrompt,
    AgentV1UpdateSpeak,
    AgentV1UpdateThink,
    AgentV1UserStartedSpeaking,
    AgentV1Warning,
    AgentV1Welcome,
    ConversationHistoryMessage,
    FunctionCallHistoryMessage,
)
from deepgram.core.api_error import ApiError
from websockets.exceptions import ConnectionClosed

from callboard.actors._network import TcpNetwork
from callboard.actors.brains import Action
from callboard.media import PCM16_8K, encode
from tests.actors.emulator_deepgram_kit import Rig, function, heard, running, said, settings, think
from tests.actors.emulator_kit import Rules, call, say

E = TypeVar("E")

LONG = "This is a long sentence that takes its time. And this is another one of the same kind."
RULES: Mapping[str, Sequence[Action]] = {
    "When goes the train to Derby?": [say("Let me look."), call("trains", town="Derby")],
    "result": [say("It goes at noon.")],
    "go": [say(LONG)],
}


class Conversation:
    """A connection of the library, with all it received."""

    def __init__(self, connection: AsyncV1SocketClient) -> None:
        self.connection = connection
        self.received: list[object] = []
        self.audio = bytearray()

    async def until(self, kind: type[E]) -> E:
        """The next message of a type."""
        async for message in self.connection:
            self.received.append(message)
            if isinstance(message, bytes):
                self.audio += message
            if isinstance(message, kind):
                return message
        raise AssertionError(f"closed before {kind.__name__}")

    async def begin(self, **agent: object) -> None:
        await self.until(AgentV1Welcome)
        message = settings(**agent) | {"experimental": True, "tags": ["test"]}
        await self.connection.send_settings(AgentV1Settings.model_validate(message))
        await self.until(AgentV1SettingsApplied)

    async def speak(self, text: str) -> None:
        """Send speech, about twenty times as fast as it is spoken."""
        samples = said(text)
        for at in range(0, len(samples), 400):
            await self.connection.send_media(encode(samples[at : at + 400], PCM16_8K))
            await asyncio.sleep(0.0025)

    def texts(self, role: str) -> list[str]:
        lines = (each for each in self.received if isinstance(each, AgentV1ConversationText))
        return [line.content for line in lines if line.role == role]


Talk = Callable[[Conversation], Awaitable[None]]


@asynccontextmanager
async def loopback(brain: Rules | None = None, **options: object) -> AsyncGenerator[Rig, None]:
    chosen: dict[str, object] = {"think_delay": 0.01, "thinking": True, **options}
    async with running(brain or Rules(RULES), network=TcpNetwork(), **chosen) as rig:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        yield rig


def client(rig: Rig, **credential: str) -> AsyncDeepgramClient:
    environment = DeepgramClientEnvironment(
        base=f"http://{rig.authority}",
        production=f"ws://{rig.authority}",
        agent=f"ws://{rig.authority}",
        agent_rest=f"http://{rig.authority}",
    )
    return AsyncDeepgramClient(environment=environment, **(credential or {"api_key": "any-key"}))


async def hold(rig: Rig, talk: Talk, **credential: str) -> None:
    """Run `talk` with a connection of the library."""

    async def main() -> None:
        async with asyncio.timeout(20), client(rig, **credential).agent.v1.connect() as connection:
            await talk(Conversation(connection))

    await trio.to_thread.run_sync(asyncio.run, main())


async def test_a_whole_conversation() -> None:
    async def talk(told: Conversation) -> None:
        connection = told.connection
        await told.begin(greeting="Good morning.", think=think(function("trains")))
        await told.until(AgentV1AgentAudioDone)
        assert heard(bytes(told.audio)) == ["Good morning."]
        told.audio.clear()
        # A spoken turn, with a function.
        async with asyncio.TaskGroup() as group:
            group.create_task(told.speak("When goes the train to Derby?"))
            await told.until(AgentV1UserStartedSpeaking)
            request = await told.until(AgentV1FunctionCallRequest)
        (asked,) = request.functions
        assert (asked.name, asked.client_side) == ("trains", True)
        assert json.loads(asked.arguments) == {"town": "Derby"}
        await connection.send_function_call_response(
            AgentV1SendFunctionCallResponse(id=asked.id, name=asked.name, content="12:00")
        )
        history = await told.until(FunctionCallHistoryMessage)
        assert history.function_calls[0].response == "12:00"
        await told.until(AgentV1AgentAudioDone)
        assert heard(bytes(told.audio)) == ["Let me look.", "It goes at noon."]
        assert told.texts("user") == ["When goes the train to Derby?"]
        assert told.texts("assistant") == ["Good morning.", "Let me look.", "It goes at noon."]
        # Changes, each acknowledged.
        await connection.send_update_prompt(AgentV1UpdatePrompt(prompt="The caller is known."))
        await told.until(AgentV1PromptUpdated)
        voice = {"type": "deepgram", "version": "v1", "model": "aura-2-thalia-en"}
        await connection.send_update_speak(AgentV1UpdateSpeak.model_validate({"speak": {"provider": voice}}))
        await told.until(AgentV1SpeakUpdated)
        flux = {"type": "deepgram", "version": "v2", "model": "flux-general-en", "eot_threshold": 0.8}
        await connection.send_update_listen(
            AgentV1UpdateListen.model_validate({"listen": {"provider": flux}})
        )
        await told.until(AgentV1ListenUpdated)
        # A line of the agent, and one that is refused.
        await connection.send_inject_agent_message(AgentV1InjectAgentMessage(message="One moment."))
        await told.until(AgentV1AgentAudioDone)
        await connection.send_inject_user_message(AgentV1InjectUserMessage(content="go"))
        await told.until(AgentV1AgentStartedSpeaking)
        await connection.send_inject_agent_message(AgentV1InjectAgentMessage(message="And yet."))
        refused = await told.until(AgentV1InjectionRefused)
        assert refused.message == "The agent is currently speaking"
        await connection.send_keep_alive(AgentV1KeepAlive())
        await told.until(AgentV1AgentAudioDone)
        await connection.send_update_think(AgentV1UpdateThink.model_validate({"think": think(prompt="New.")}))
        await told.until(AgentV1ThinkUpdated)
        lines = [each for each in told.received if isinstance(each, ConversationHistoryMessage)]
        assert [line.content for line in lines] == [
            each.content for each in told.received if isinstance(each, AgentV1ConversationText)
        ]
        for kind in (AgentV1AgentThinking, AgentV1LatencyReport, bytes):
            assert any(isinstance(each, kind) for each in told.received)
        # Nothing was more than the library knows.
        assert not any(isinstance(each, dict | AgentV1Warning | AgentV1Error) for each in told.received)

    brain = Rules(RULES)
    async with loopback(brain) as rig:
        await hold(rig, talk)
        (record,) = rig.emulator.sessions
    assert record.settings is not None
    assert record.settings.tags == ("test",)
    assert record.error is None
    assert [tool.name for tool in brain.inputs[0].tools] == ["trains"]
    assert brain.inputs[-1].instructions == "Be brief.\nThe caller is known."
    assert brain.inputs[-1].voice == "aura-2-thalia-en"


async def test_an_error_is_told_before_the_close() -> None:
    async def talk(told: Conversation) -> None:
        await told.begin()
        await told.connection.send_raw({"type": "Settings"})
        error = await told.until(AgentV1Error)
        assert error.code == "UNPARSABLE_CLIENT_MESSAGE"
        with pytest.raises(ConnectionClosed) as closed:
            await told.connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1005

    async with loopback() as rig:
        await hold(rig, talk)


async def test_warnings() -> None:
    async def talk(told: Conversation) -> None:
        await told.begin()
        await told.connection.send_force_end_turn()
        assert (await told.until(AgentV1Warning)).code == "FORCE_END_TURN_UNSUPPORTED"

    async with loopback() as rig:
        await hold(rig, talk)


async def test_a_conversation_is_taken_up_again() -> None:
    async def first(told: Conversation) -> None:
        await told.begin(greeting="Good morning.", think=think(function("trains")))
        await told.connection.send_inject_user_message(
            AgentV1InjectUserMessage(content="When goes the train to Derby?")
        )
        request = await told.until(AgentV1FunctionCallRequest)
        await told.connection.send_function_call_response(
            AgentV1SendFunctionCallResponse(id=request.functions[0].id, name="trains", content="12:00")
        )
        await told.until(FunctionCallHistoryMessage)
        await told.until(AgentV1AgentAudioDone)
        entries = (ConversationHistoryMessage, FunctionCallHistoryMessage)
        kept.extend(each.dict() for each in told.received if isinstance(each, entries))

    async def second(told: Conversation) -> None:
        await told.begin(think=think(function("trains")), context={"messages": kept})
        await told.connection.send_inject_user_message(AgentV1InjectUserMessage(content="and then?"))
        await told.until(AgentV1AgentAudioDone)

    kept: list[dict[str, object]] = []
    brain = Rules(RULES)
    async with loopback(brain) as rig:
        await hold(rig, first)
        await hold(rig, second)
    assert [turn.text for turn in brain.inputs[-1].history] == [
        "Good morning.",
        "When goes the train to Derby?",
        "Let me look.",
        "",
        "12:00",
        "It goes at noon.",
        "and then?",
    ]


async def test_credentials() -> None:
    async def talk(told: Conversation) -> None:
        await told.begin()

    def token(rig: Rig) -> str:
        async def main() -> str:
            granted = await client(rig, api_key="good").auth.v1.tokens.grant(ttl_seconds=60)
            assert granted.expires_in == 60
            return str(granted.access_token)

        return asyncio.run(main())

    async with loopback(keys=frozenset({"good"})) as rig:
        await hold(rig, talk, api_key="good")
        await hold(rig, talk, access_token=await trio.to_thread.run_sync(token, rig))
        for credential in ({"api_key": "bad"}, {"access_token": "good"}):
            with pytest.raises(ApiError) as refused:
                await hold(rig, talk, **credential)
            assert refused.value.status_code == 401


async def test_models_are_listed() -> None:
    def listed(rig: Rig) -> list[str]:
        async def main() -> list[str]:
            answer = await client(rig).agent.v1.settings.think.models.list()
            return [str(model.id) for model in answer.models]

        return asyncio.run(main())

    async with loopback() as rig:
        assert "gpt-4o-mini" in await trio.to_thread.run_sync(listed, rig)
