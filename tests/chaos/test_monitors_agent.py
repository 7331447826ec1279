"""What monitors notice on calls with an agent: tool calls, events, histories, queues, malformed messages, traces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from callboard.actors import (
    AgentEvents,
)
from callboard.actors._agent_core import AgentCore
from callboard.actors._agent_dialogue import Dialogue, Handover
from callboard.actors._agent_history import AgentHistory
from callboard.actors._agent_tools import AgentTools
from callboard.actors._grok_driver import GrokDriver
from callboard.actors._listeners import EventHub, Listeners
from callboard.actors._provider_outbox import Outbox
from callboard.actors._trace import Trace
from callboard.protocols.twilio import _codec as twilio_codec
from callboard.testing import (
    Monitors,
    Simulation,
    World,
    open_world,
    simulate,
)
from callboard.testing._world import KEY

from .monitors_kit import granted, nothing, numbers, texts, until, with_an_agent

# I4 to I6, on a call with an agent


def test_outcome_that_the_provider_is_not_told_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GrokDriver, "send_answer", nothing)

    monitors = with_an_agent(tmp_path)
    assert numbers(monitors) == {"I4"}
    assert "the provider was not told" in texts(monitors)


def test_call_that_is_never_run_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AgentTools, "begin", granted)
    monitors = with_an_agent(tmp_path)
    assert numbers(monitors) == {"I4"}
    assert "never run" in texts(monitors)


def test_call_that_ends_twice_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[[Any, Any], None] = vars(AgentCore)["_tool_finished"]

    def finished(self: AgentCore, result: Any) -> None:
        original(self, result)
        self.publish(AgentEvents.ToolFinished(client=self.client, result=result))

    monkeypatch.setattr(AgentCore, "_tool_finished", finished)
    monitors = with_an_agent(tmp_path)
    assert numbers(monitors) == {"I4"}
    assert "ended twice" in texts(monitors)


async def lose_the_session(world: World, _monitors: Monitors) -> None:
    await until(lambda: world.agents and len(world.agents[0].history) >= 3)
    await world.emulators[world.agents[0].provider].drop_connections()


@pytest.mark.parametrize("provider", ["grok", "deepgram"])
def test_new_session_that_gets_the_history_violates_nothing(tmp_path: Path, provider: str) -> None:
    monitors = with_an_agent(tmp_path, lose_the_session, provider=provider)
    monitors.check()
    checked = {row.invariant: row.checked for row in monitors.table()}
    assert checked["I6"] >= 1
    assert checked["I2"] >= 1


@pytest.mark.parametrize("provider", ["grok", "deepgram"])
def test_history_that_loses_an_entry_on_its_way_is_noticed(
    tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[[Any], Any] = vars(AgentHistory)["entries"].fget

    def handover(self: Dialogue) -> Handover:
        return Handover(entries=original(self.history)[1:])

    monkeypatch.setattr(Dialogue, "handover", handover)
    monitors = with_an_agent(tmp_path, lose_the_session, provider=provider)
    assert numbers(monitors) == {"I6"}
    assert "a new session was given" in texts(monitors)


def test_message_before_the_beginning_of_a_session_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Outbox.connected

    def connected(self: Outbox, opening: list[str | bytes]) -> None:
        original(self, opening)
        self._front = [*self._front[-1:], *self._front[:-1]]

    monkeypatch.setattr(Outbox, "connected", connected)
    monitors = with_an_agent(tmp_path, lose_the_session)
    assert "I6" in numbers(monitors)
    assert "before a session's beginning was complete" in texts(monitors)


def test_event_that_is_lost_for_one_stream_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[[Any, Any], int] = vars(EventHub)["publish"]

    def publish(self: Any, event: Any) -> int:
        return 0 if isinstance(event, AgentEvents.TurnDone) else original(self, event)

    monkeypatch.setattr(EventHub, "publish", publish)
    monitors = with_an_agent(tmp_path)
    assert numbers(monitors) == {"I5"}


def test_listener_that_is_called_out_of_order_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []

    async def listen(world: World, _monitors: Monitors) -> None:
        await until(lambda: world.agents)
        agent = world.agents[0]
        agent.add_event_listener(AgentEvents.AgentText, heard.append)
        agent.add_event_listener(AgentEvents.UserText, heard.append)

    with_an_agent(tmp_path, listen).check()
    assert len(heard) > 3

    monkeypatch.setattr(Listeners, "_put", _swapping(vars(Listeners)["_put"]))
    monitors = with_an_agent(tmp_path, listen)
    assert numbers(monitors) == {"I5"}
    assert "the listener" in texts(monitors)


def _swapping(original: Callable[..., int]) -> Callable[..., int]:
    held: list[Any] = []

    def put(self: Any, event: Any, listeners: Any, *, registered: bool) -> int:
        if not held:
            held.append(event)
            return len(listeners)
        taken = original(self, event, listeners, registered=registered)
        if held[0] is not None:
            original(self, held[0], listeners, registered=registered)
            held[0] = None
        return taken

    return put


# I8


def test_audio_that_is_kept_without_a_limit_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_audio(self: Outbox, payload: bytes, seconds: float) -> None:
        # Of a call that hears nobody.
        self._order += 1
        self._audio.append((self._order, payload, seconds * 20))
        self._seconds += seconds * 20

    monkeypatch.setattr(Outbox, "put_audio", put_audio)
    monkeypatch.setattr(Outbox, "open_gate", nothing)
    monitors = with_an_agent(tmp_path)
    assert numbers(monitors) == {"I8"}
    assert "the audio for the provider" in texts(monitors)
    most, limit = monitors.high_water["audio for the provider"]
    assert most > limit


# I9


def test_decoder_that_raises_something_else_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def later(world: World, _monitors: Monitors) -> None:
        await trio.sleep(1)
        monkeypatch.setattr(twilio_codec, "inner_object", None)

    monitors = with_an_agent(tmp_path, later)
    assert numbers(monitors) == {"I9"}
    assert "not RemoteWireError" in texts(monitors)


# I10


def test_key_in_a_trace_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Trace.sent

    def sent(self: Trace, message: str | bytes) -> None:
        original(self, message)
        self._lines.append(f'{{"authorization": "{KEY}"}}\n'.encode())

    monkeypatch.setattr(Trace, "sent", sent)
    monitors = with_an_agent(tmp_path)
    assert numbers(monitors) == {"I10"}
    assert "a secret is in a trace" in texts(monitors)


def test_what_the_server_answers_to_whoever_connects_is_read() -> None:
    async def main(simulation: Simulation) -> Monitors:
        async with (
            open_world(simulation) as world,
            # What it does say.
            Monitors(world.system, secrets=['"ready": true']) as monitors,
        ):
            stream = await simulation.network.connect("127.0.0.1", world.server.bound.port)
            await stream.send_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await stream.receive_some()
            await stream.aclose()
        return monitors

    monitors = simulate(main)
    assert numbers(monitors) == {"I10"}
    assert "sent to whoever connected" in texts(monitors)
