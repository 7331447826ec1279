"""Tools on the wire: each call answered once (I4), and the model asked to go on once, after the last answer."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from callboard import grok
from callboard.actors._tools import ToolOutcome
from callboard.actors._tools_schema import ToolContext, ToolError, tool
from callboard.actors._transcript import Speaker
from tests.actors.grok_kit import Peer, Rig, open_rig, settle


@attrs.define
class Log:
    """What the tools of a test did."""

    began: list[str] = attrs.field(factory=list[str])
    ended: list[str] = attrs.field(factory=list[str])

    def tools(self) -> list[Any]:
        log = self

        @tool
        async def quick(name: str = "") -> str:
            """Answer at once."""
            log.began.append(name)
            log.ended.append(name)
            return f"quick {name}"

        @tool
        async def slow(seconds: float, name: str = "") -> dict[str, object]:
            """Answer later."""
            log.began.append(name)
            await trio.sleep(seconds)
            log.ended.append(name)
            return {"slept": seconds}

        @tool(timeout=2.0)
        async def hung() -> str:
            """Never answer."""
            log.began.append("hung")
            await trio.sleep_forever()
            return ""

        @tool
        def broken() -> str:
            """Fail."""
            raise ZeroDivisionError("secret detail")

        @tool
        async def sorry() -> str:
            """Explain."""
            raise ToolError("the office is closed")

        @tool
        async def odd() -> object:
            """Return something without a JSON form."""
            return object()

        return [quick, slow, hung, broken, sorry, odd]


@asynccontextmanager
async def open_tools(**parameters: Any) -> AsyncGenerator[tuple[Rig, Log], None]:
    log = Log()
    async with open_rig(**parameters) as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(tools=log.tools()))
            await rig.peer.accept_session()
        await settle()
        yield rig, log


async def answer(peer: Peer) -> tuple[str, str]:
    """The next message, which must answer a call."""
    item = (await peer.next("conversation.item.create"))["item"]
    assert item["type"] == "function_call_output"
    assert set(item) == {"type", "call_id", "output"}
    return item["call_id"], item["output"]


def error_of(output: str) -> str:
    value: dict[str, str] = json.loads(output)
    return value["error"]


async def test_a_call_is_answered_and_the_model_asked_once(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.call("call-1", "quick", '{"name": "a"}')
        assert await answer(rig.peer) == ("call-1", "quick a")
        # Not before the response is done.
        assert await rig.peer.quiet() == []
        await rig.peer.finish()
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []
        assert log.began == ["a"]
        assert rig.client.statistics().tool_calls == 1


async def test_parallel_calls_run_together_and_are_followed_by_one_create(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        start = trio.current_time()
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 3}')
        await rig.peer.call("call-2", "slow", '{"seconds": 1}')
        await rig.peer.call("call-3", "quick")
        await rig.peer.finish()
        assert [(await answer(rig.peer))[0] for _ in range(3)] == ["call-3", "call-2", "call-1"]
        assert trio.current_time() - start == pytest.approx(3.0)
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []


async def test_results_are_text_as_it_is_or_json(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 0.5}')
        assert await answer(rig.peer) == ("call-1", '{"slept":0.5}')


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("broken", "{}", "the tool failed (ZeroDivisionError)"),
        ("sorry", "{}", "the office is closed"),
        ("odd", "{}", "the tool failed (TypeError)"),
        ("slow", "{", "wrong arguments: the arguments are not a JSON object"),
        ("slow", "[]", "wrong arguments: got [], expected an object"),
        ("slow", "{}", "wrong arguments: seconds: missing"),
        ("slow", '{"seconds": "3"}', "wrong arguments: seconds: got '3', expected a number"),
        (
            "slow",
            '{"seconds": 1, "colour": 2}',
            "wrong arguments: unknown argument 'colour', expected seconds, name",
        ),
        ("hung", "", "no result within 2 s"),
        ("nothing_like_it", "{}", "there is no tool 'nothing_like_it'"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    name: str, arguments: str, text: str, autojump_clock: object
) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", name, arguments or "{}")
        await rig.peer.finish()
        call_id, output = await answer(rig.peer)
        assert (call_id, error_of(output)) == ("call-1", text)
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []


async def test_a_repeated_call_id_does_not_run_twice_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.call("call-1", "quick", '{"name": "a"}')
        await rig.peer.call("call-1", "quick", '{"name": "b"}')
        await rig.peer.finish()
        assert (await answer(rig.peer))[0] == "call-1"
        assert await rig.peer.next() == {"type": "response.create"}
        await rig.peer.begin("r2", "a2")
        await rig.peer.call("call-1", "quick", '{"name": "c"}', response_id="r2")
        await rig.peer.finish("r2")
        assert await rig.peer.quiet(10) == []
        assert log.began == ["a"]


async def test_calls_announced_only_in_response_done_are_run(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        item = {"id": "f1", "type": "function_call", "call_id": "call-1", "name": "quick", "arguments": "{}"}
        await rig.peer.send("response.done", response={"id": "r1", "status": "completed", "output": [item]})
        assert (await answer(rig.peer))[0] == "call-1"
        assert await rig.peer.next() == {"type": "response.create"}
        assert len(log.began) == 1


@pytest.mark.parametrize("place", ["response.output_item.done", "response.done"])
@pytest.mark.parametrize(("status", "arguments"), [("cancelled", "{}"), ("incomplete", '{"name": "a')])
async def test_a_call_that_was_cut_short_is_not_run(
    place: str, status: str, arguments: str, autojump_clock: object
) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        item = {"id": "f1", "type": "function_call", "status": status, "call_id": "call-1", "name": "quick"}
        item["arguments"] = arguments
        if place == "response.done":
            await rig.peer.send(place, response={"id": "r1", "status": status, "output": [item]})
        else:
            await rig.peer.send(place, response_id="r1", item=item)
            await rig.peer.finish("r1", status)
        assert await rig.peer.quiet(10) == []
        assert log.began == []


async def test_a_call_survives_barge_in_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.audio(3.0)
        await rig.peer.call("call-1", "slow", '{"seconds": 2, "name": "a"}')
        await settle()
        await trio.sleep(1.0)
        await rig.peer.speech_started()
        await rig.peer.next("conversation.item.truncate")
        await rig.peer.next("response.cancel")
        await rig.peer.finish(status="cancelled")
        assert (await answer(rig.peer))[0] == "call-1"
        assert log.ended == ["a"]
        # The caller is speaking, and the end of that turn brings a response by itself.
        assert await rig.peer.quiet() == []
        await rig.peer.speech_stopped()
        await rig.peer.begin("r2", "a2")
        await rig.peer.finish("r2")
        assert await rig.peer.quiet(10) == []


async def test_an_answer_that_comes_during_another_response_is_followed_up_after_it(
    autojump_clock: object,
) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 5}')
        await rig.peer.finish()
        await rig.peer.speech_started()
        await rig.peer.speech_stopped()
        await rig.peer.begin("r2", "a2")
        assert (await answer(rig.peer))[0] == "call-1"
        assert await rig.peer.quiet() == []
        await rig.peer.finish("r2")
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []


async def test_a_create_that_lost_a_race_is_repeated(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "quick")
        await rig.peer.finish()
        await answer(rig.peer)
        await rig.peer.next("response.create")
        detail = {"type": "invalid_request_error", "message": "Conversation already has an active response"}
        await rig.peer.send("error", error=detail)
        await rig.peer.send("response.created", response={"id": "other", "status": "in_progress"})
        await rig.peer.finish("other")
        # The response that was under way began after the answer: it has it.
        assert await rig.peer.quiet() == []


@pytest.mark.parametrize("before_result", [True, False])
async def test_a_call_survives_a_reconnect_i4(before_result: bool, autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 3, "name": "a"}')
        await rig.peer.finish()
        await settle()
        await trio.sleep(1.0)
        await rig.peer.cut()
        if not before_result:
            # The result comes while there is no connection at all.
            rig.server.refusals = [(503, b"")] * 4
        await rig.reconnected()
        update = await rig.peer.next("session.update")
        assert [entry["name"] for entry in update["session"]["tools"]] == [
            "quick",
            "slow",
            "hung",
            "broken",
            "sorry",
            "odd",
        ]
        # The new session has not heard of the call.
        seed = (await rig.peer.next("conversation.item.create"))["item"]
        assert seed == {
            "type": "function_call",
            "call_id": "call-1",
            "name": "slow",
            "arguments": '{"seconds": 3, "name": "a"}',
        }
        await rig.peer.send("session.updated", session={})
        assert await answer(rig.peer) == ("call-1", '{"slept":3.0}')
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []
        assert (log.began, log.ended) == (["a"], ["a"])


async def test_an_answered_call_is_not_repeated_after_a_reconnect_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "quick")
        await rig.peer.finish()
        await answer(rig.peer)
        await rig.peer.next("response.create")
        await rig.peer.cut()
        await rig.reconnected()
        await rig.peer.accept_session()
        # The new session gets both from the history, and the question that the old one did not answer.
        assert (await rig.peer.next("conversation.item.create"))["item"]["type"] == "function_call"
        assert (await answer(rig.peer))[0] == "call-1"
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []


async def test_a_killed_call_is_answered_with_an_error_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 30, "name": "a"}')
        await rig.peer.finish()
        await settle()
        rig.system.kill("calls/tools/grok-1-slow-1")
        call_id, output = await answer(rig.peer)
        assert call_id == "call-1"
        assert "ended before" in error_of(output)
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []
        assert (log.began, log.ended) == (["a"], [])


async def test_a_call_killed_before_it_begins_is_answered_too_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        killed: list[str] = []

        def kill(_: object) -> None:
            killed.extend(ref.path for ref in rig.scope.tools.children())
            for path in killed:
                rig.system.kill(path)

        # Called by the reader itself: the actor has been asked for and has no task yet.
        rig.client.hub.publish = _after(rig.client.hub.publish, kill)  # type: ignore[method-assign]
        await rig.peer.call("call-1", "quick")
        call_id, output = await answer(rig.peer)
        assert (call_id, "error" in json.loads(output)) == ("call-1", True)
        assert killed
        assert log.began == []


def _after(publish: Callable[..., int], act: Callable[[object], None]) -> Callable[..., int]:
    def both(event: object) -> int:
        result = publish(event)
        if isinstance(event, grok.VoiceAgentAPIEvents.ResponseFunctionCallArgumentsDone):
            act(event)
        return result

    return both


async def test_killing_the_client_does_not_end_calls_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 3, "name": "a"}')
        await settle()
        rig.system.kill("calls/providers/grok-1")
        await rig.reconnected()
        await rig.peer.accept_session()
        await rig.peer.next("conversation.item.create")
        assert (await answer(rig.peer))[0] == "call-1"
        assert log.ended == ["a"]


async def test_killing_the_supervisor_of_tools_answers_calls(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 3}')
        await rig.peer.finish()
        await settle()
        rig.system.kill("calls/tools")
        call_id, output = await answer(rig.peer)
        assert (call_id, "error" in json.loads(output)) == ("call-1", True)


async def test_closing_the_client_cancels_calls_and_says_nothing(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 3, "name": "a"}')
        await settle()
        rig.client.close()
        await settle()
        assert rig.scope.tools.children() == ()
        assert log.ended == []
        assert [
            message for message in rig.peer.received if message["type"] == "conversation.item.create"
        ] == []


async def test_the_read_loop_does_not_wait_for_tools(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "slow", '{"seconds": 10}')
        await rig.peer.audio(0.5)
        await settle()
        assert len(rig.ear.payload) == 4000


async def test_functions_of_the_users_own_declaration_are_left_to_listeners(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        own = {"type": "function", "name": "mine", "parameters": {"type": "object"}}
        rig.client.session_update({"session": {"tools": [own]}})
        await rig.peer.accept_session()

        def respond(event: Any) -> None:
            item = {"type": "function_call_output", "call_id": event.data.call_id, "output": "by hand"}
            rig.client.conversation_item_create({"item": item})
            rig.client.response_create()

        rig.client.add_event_listener("response.function_call_arguments.done", respond)
        await rig.peer.begin()
        await rig.peer.call("call-1", "mine")
        await rig.peer.finish()
        assert await answer(rig.peer) == ("call-1", "by hand")
        assert await rig.peer.next() == {"type": "response.create"}
        assert await rig.peer.quiet(10) == []


async def test_without_tools_calls_are_left_to_listeners(autojump_clock: object) -> None:
    async with open_rig() as rig:
        await rig.configured()
        await rig.peer.begin()
        await rig.peer.call("call-1", "mine")
        await rig.peer.finish()
        assert await rig.peer.quiet(10) == []


async def test_a_tool_gets_its_context_and_the_model_does_not_see_it(autojump_clock: object) -> None:
    seen: list[ToolContext] = []

    @tool
    async def where(context: ToolContext) -> str:
        """Where am I."""
        seen.append(context)
        return "here"

    async with open_rig() as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(tools=[where]))
            update = await rig.peer.accept_session()
        assert update["session"]["tools"][0]["parameters"]["properties"] == {}
        await rig.peer.begin()
        await rig.peer.call("call-1", "where")
        await answer(rig.peer)
        assert (seen[0].client, seen[0].call_id, seen[0].name, seen[0].call) == (
            rig.client,
            "call-1",
            "where",
            None,
        )


async def test_tools_are_in_the_transcript_and_the_history(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.begin()
        await rig.peer.call("call-1", "quick", '{"name": "a"}')
        await answer(rig.peer)
        lines = [line for line in rig.client.transcript.lines if line.speaker is Speaker.TOOL]
        assert [line.text for line in lines] == ['quick({"name": "a"}) -> quick a']
        assert [type(item).__name__ for item in rig.client.history] == ["HistoryCall", "HistoryResult"]


async def test_two_tools_of_one_name_are_refused(autojump_clock: object) -> None:
    async with open_rig() as rig:
        tools = [*Log().tools(), *Log().tools()]
        with pytest.raises(ValueError, match="two tools have the name"):
            await rig.client.configure(tools=tools)


def test_outcomes_are_four() -> None:
    assert {outcome.name for outcome in ToolOutcome} == {"RESULT", "ERROR", "TIMEOUT", "CANCELLED"}
