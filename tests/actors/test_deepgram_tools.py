"""Function calls on Deepgram's wire: each answered once (I4), whoever answers it, and told to later sessions."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from callboard import AgentEvents, deepgram
from callboard.actors._tools_schema import ToolContext, ToolError, tool
from callboard.actors._websocket import SocketClosed
from tests.actors.deepgram_kit import SETTINGS, Message, Peer, Rig, V, open_rig, open_session, settle


@attrs.define
class Log:
    """What the tools of a test did."""

    began: list[str] = attrs.field(factory=list[str])
    ended: list[str] = attrs.field(factory=list[str])
    contexts: list[ToolContext] = attrs.field(factory=list[ToolContext])

    def tools(self) -> Sequence[Any]:
        log = self

        @tool
        async def quick(context: ToolContext, name: str = "") -> str:
            """Answer at once."""
            log.contexts.append(context)
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

        @tool
        async def sorry() -> str:
            """Explain."""
            raise ToolError("the office is closed")

        return [quick, slow, sorry]


@asynccontextmanager
async def open_tools(**parameters: Any) -> AsyncGenerator[tuple[Rig, Log], None]:
    log = Log()
    async with open_rig(settings_options=None, **parameters) as rig:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(tools=log.tools()))
            await rig.applied()
        yield rig, log


async def answer(peer: Peer, *, within: float = 30.0) -> tuple[str, str, str]:
    """The next message, which must answer a call: id, name and content."""
    message = await peer.next("FunctionCallResponse", within=within)
    assert set(message) == {"type", "id", "name", "content"}
    return message["id"], message["name"], message["content"]


def error_of(output: str) -> str:
    value: dict[str, str] = json.loads(output)
    return value["error"]


def calls_of(settings: Message) -> list[Message]:
    """The function calls in the context of a session."""
    messages = settings["agent"].get("context", {}).get("messages", [])
    return [call for message in messages for call in message.get("function_calls", ())]


async def test_functions_are_declared_in_the_settings(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        functions = rig.peer.received[0]["agent"]["think"]["functions"]
        assert [function["name"] for function in functions] == ["quick", "slow", "sorry"]
        assert functions[0] == {
            "name": "quick",
            "description": "Answer at once.",
            "parameters": {
                "type": "object",
                "properties": {"name": {"type": "string", "default": ""}},
                "additionalProperties": False,
            },
        }


async def test_a_call_is_run_and_answered_once(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        called = rig.client.events(AgentEvents.ToolCalled)
        finished = rig.client.events(AgentEvents.ToolFinished)
        native = rig.client.events(V.FunctionCallRequest)
        await rig.peer.user("Where is it?")
        await rig.peer.call(("c1", "quick", '{"name": "a"}'))
        assert await answer(rig.peer) == ("c1", "quick", "quick a")
        event = await called.receive()
        assert (event.call_id, event.name, event.arguments) == ("c1", "quick", '{"name": "a"}')
        assert (await finished.receive()).result.output == "quick a"
        assert (await native.receive()).data.functions[0].id == "c1"
        assert (log.contexts[0].client, log.contexts[0].call_id) == (rig.client, "c1")
        # The server goes on by itself.
        assert await rig.peer.quiet(10) == []
        assert rig.client.statistics().tool_calls == 1
        assert rig.history()[1:] == [("call", 'quick({"name": "a"})'), ("result", "quick a")]


async def test_several_calls_of_one_request_run_together(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        start = trio.current_time()
        await rig.peer.call(
            ("c1", "slow", '{"seconds": 3}'), ("c2", "slow", '{"seconds": 1}'), ("c3", "sorry", "")
        )
        answers = [await answer(rig.peer) for _ in range(3)]
        assert [call_id for call_id, _, _ in answers] == ["c3", "c2", "c1"]
        assert error_of(answers[0][2]) == "the office is closed"
        assert answers[1][2] == '{"slept":1.0}'
        assert trio.current_time() - start == pytest.approx(3.0)


async def test_an_unknown_function_is_answered_with_an_error(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.call(("c1", "nothing_like_it", "{}"), ("c1", "nothing_like_it", "{}"))
        call_id, name, output = await answer(rig.peer)
        assert (call_id, name) == ("c1", "nothing_like_it")
        assert error_of(output) == "there is no tool 'nothing_like_it'"
        assert await rig.peer.quiet(5) == []


@pytest.mark.parametrize("seconds", ["3", "0"], ids=["running", "answered"])
async def test_a_call_that_is_told_again_runs_and_is_answered_once_i4(
    seconds: str, autojump_clock: object
) -> None:
    async with open_tools() as (rig, log):
        call = ("c1", "slow", f'{{"seconds": {seconds}, "name": "a"}}')
        await rig.peer.call(call, call)
        await settle()
        await trio.sleep(1.0)
        await rig.peer.call(call)
        assert (await answer(rig.peer))[0] == "c1"
        await rig.peer.call(call)
        assert await rig.peer.quiet(10) == []
        assert (log.began, log.ended) == (["a"], ["a"])


async def test_a_thought_signature_goes_back_unchanged(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.call(("c1", "quick", "{}"), thought_signature="sig==")
        assert (await rig.peer.next("FunctionCallResponse"))["thought_signature"] == "sig=="
        # To a listener's answer too, and to a later session.
        await rig.peer.user("And?")
        await settle()
        (call,) = calls_of(await rig.renewed())
        assert call == {
            "id": "c1",
            "name": "quick",
            "client_side": True,
            "arguments": "{}",
            "response": "quick ",
            "thought_signature": "sig==",
        }


async def test_a_call_is_run_before_the_callers_words_are_certain(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.call(("c1", "quick", "{}"))
        assert (await answer(rig.peer))[0] == "c1"
        await rig.peer.text("user", "Where is it?")
        await rig.peer.sentence("Here.")
        await settle()
        assert [kind for kind, _ in rig.history()] == ["user", "call", "result", "assistant"]


async def test_a_cancelled_call_gets_no_answer(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.call(("c1", "slow", '{"seconds": 2, "name": "a"}'), ("c2", "quick", "{}"))
        assert (await answer(rig.peer))[0] == "c2"
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.cancel(("c1", "slow"))
        assert await rig.peer.quiet(10) == []
        # What it does may not be half done.
        assert log.ended == ["", "a"]


@pytest.mark.parametrize("wait", [0.5, 5.0], ids=["running", "done"])
async def test_what_was_cancelled_and_is_called_again_is_not_run_again(
    wait: float, autojump_clock: object
) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.call(("c1", "slow", '{"seconds": 2, "name": "a"}'))
        await settle()
        await rig.peer.send("UserStartedSpeaking")
        await rig.peer.cancel(("c1", "slow"))
        await settle()
        await trio.sleep(wait)
        await rig.peer.call(("c2", "slow", '{"name":"a","seconds":2}'))
        assert await answer(rig.peer) == ("c2", "slow", '{"slept":2.0}')
        assert log.began == ["a"]
        assert await rig.peer.quiet(5) == []


async def test_the_same_in_another_turn_is_another_call(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.user("Book it.")
        await rig.peer.call(("c1", "quick", "{}"))
        await answer(rig.peer)
        await rig.peer.user("Once more.")
        await rig.peer.call(("c2", "quick", "{}"))
        await answer(rig.peer)
        assert len(log.began) == 2


# Listeners


async def test_without_tools_a_listener_answers(autojump_clock: object) -> None:
    async with open_session() as rig:

        def respond(event: Any) -> None:
            for call in event.data.functions:
                content = json.dumps({"of": call.name})
                rig.client.send_function_call_response({"id": call.id, "name": call.name, "content": content})

        rig.client.add_event_listener("FunctionCallRequest", respond)
        await rig.peer.call(("c1", "mine", "{}"), ("c2", "other", "{}"))
        assert await answer(rig.peer) == ("c1", "mine", '{"of": "mine"}')
        assert await answer(rig.peer) == ("c2", "other", '{"of": "other"}')
        assert rig.history() == [
            ("call", "mine({})"),
            ("call", "other({})"),
            ("result", '{"of": "mine"}'),
            ("result", '{"of": "other"}'),
        ]


async def test_functions_of_the_users_own_settings_are_left_to_listeners(autojump_clock: object) -> None:
    log = Log()
    function = {"name": "mine", "description": "", "parameters": {"type": "object"}}
    options = {"agent": {"think": {**SETTINGS["agent"]["think"], "functions": [function]}}}
    async with open_rig(settings_options=options) as rig:
        await rig.applied()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: rig.client.configure(tools=log.tools()))
            await rig.peer.next("UpdateThink")
            await rig.peer.send("ThinkUpdated")
        rig.client.send_update_think({"think": options["agent"]["think"]})
        await rig.peer.next("UpdateThink")
        await rig.peer.send("ThinkUpdated")
        await rig.peer.call(("c1", "mine", "{}"), ("c2", "quick", "{}"))
        assert (await answer(rig.peer))[0] == "c2"
        assert await rig.peer.quiet(5) == []
        rig.client.send_function_call_response({"id": "c1", "name": "mine", "content": "by hand"})
        assert await answer(rig.peer) == ("c1", "mine", "by hand")


async def test_a_listeners_answer_gets_the_thought_signature(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.call(("c1", "mine", "{}"), thought_signature="sig==")
        await settle()
        rig.client.send_function_call_response(
            deepgram.FunctionCallResponse(id="c1", name="mine", content="by hand")
        )
        assert (await rig.peer.next())["thought_signature"] == "sig=="


async def test_a_listener_that_takes_its_time_is_no_stall_of_the_server(autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.call(("c1", "mine", "{}"), ("c2", "mine", '{"n": 2}'))
        await settle()
        rig.client.send_function_call_response({"id": "c1", "name": "mine", "content": "one"})
        await trio.sleep(120)
        rig.client.send_function_call_response({"id": "c2", "name": "mine", "content": "two"})
        assert [(await answer(rig.peer))[2] for _ in range(2)] == ["one", "two"]
        assert rig.client.statistics().connects == 1


async def test_an_answer_that_comes_when_the_session_is_gone_is_told_to_another(
    autojump_clock: object,
) -> None:
    async with open_session() as rig:
        await rig.peer.user("Where is it?")
        await rig.peer.call(("c1", "mine", "{}"))
        await settle()
        settings = await rig.renewed()
        assert calls_of(settings) == []
        rig.client.send_function_call_response({"id": "c1", "name": "mine", "content": "here"})
        # The session there is has not asked for it, and is not told.
        with pytest.raises(SocketClosed):
            await rig.peer.next()
        await rig.reconnected()
        (call,) = calls_of(await rig.applied())
        assert (call["id"], call["response"]) == ("c1", "here")
        assert (await rig.peer.next("InjectUserMessage"))["content"] == "Please go on."


# Of the server's own


async def test_calls_that_the_server_makes_are_news_only(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        responses = rig.client.events(V.FunctionCallResponse)
        await rig.peer.call(("s1", "quick", '{"name": "there"}'), client_side=False)
        await rig.peer.send("FunctionCallResponse", id="s1", name="quick", content="done there")
        assert (await responses.receive()).data.content == "done there"
        assert await rig.peer.quiet(5) == []
        assert log.began == []
        assert rig.history() == [("call", 'quick({"name": "there"})'), ("result", "done there")]
        (call,) = calls_of(await rig.renewed())
        assert (call["client_side"], call["response"]) == (False, "done there")


@pytest.mark.parametrize("told", ["FunctionCallResponse", "History"])
async def test_results_of_the_server_are_found_without_an_id(told: str, autojump_clock: object) -> None:
    async with open_session() as rig:
        await rig.peer.call(("s1", "weather", "{}"), client_side=False)
        if told == "History":
            entry = {
                "id": "s1",
                "name": "weather",
                "client_side": False,
                "arguments": "{ }",
                "response": "sun",
            }
            await rig.peer.send("History", function_calls=[entry, {**entry, "id": "unknown"}])
        else:
            await rig.peer.send("FunctionCallResponse", name="weather", content="sun")
        await settle()
        assert rig.history() == [("call", "weather({})"), ("result", "sun")]


async def test_the_history_of_an_answered_call_changes_nothing(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.call(("c1", "quick", "{}"))
        await answer(rig.peer)
        entry = {"id": "c1", "name": "quick", "client_side": True, "arguments": "{}", "response": "other"}
        await rig.peer.send("History", function_calls=[entry])
        await settle()
        assert rig.history() == [("call", "quick({})"), ("result", "quick ")]


# Losses


async def test_an_answered_call_is_handed_over(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.user("Where is it?")
        await rig.peer.call(("c1", "quick", '{"name": "a"}'))
        await answer(rig.peer)
        settings = await rig.renewed()
        assert settings["agent"]["context"]["messages"] == [
            {"type": "History", "role": "user", "content": "Where is it?"},
            {
                "type": "History",
                "function_calls": [
                    {
                        "id": "c1",
                        "name": "quick",
                        "client_side": True,
                        "arguments": '{"name": "a"}',
                        "response": "quick a",
                    }
                ],
            },
        ]
        assert len(settings["agent"]["think"]["functions"]) == 3
        # The question is still to be answered, and is not told as a turn of the caller's.
        echo = rig.client.events(V.ConversationText, V.History)
        assert (await rig.peer.next())["content"] == "Please go on."
        await rig.peer.text("user", "Please go on.")
        await rig.peer.sentence("It is here.")
        await settle()
        assert echo.pending == 2
        assert [kind for kind, _ in rig.history()] == ["user", "call", "result", "assistant"]
        assert log.began == ["a"]


@pytest.mark.parametrize("again", [True, False], ids=["asked for again", "not asked for again"])
async def test_a_call_that_runs_when_the_session_is_lost_runs_on_i4(
    again: bool, autojump_clock: object
) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.user("Where is it?")
        await rig.peer.call(("c1", "slow", '{"seconds": 5, "name": "a"}'))
        await settle()
        await trio.sleep(1)
        settings = await rig.renewed()
        assert calls_of(settings) == []
        if again:
            await rig.peer.call(("d1", "slow", '{"seconds": 5, "name": "a"}'))
            assert await answer(rig.peer) == ("d1", "slow", '{"slept":5.0}')
        else:
            # No message of the wire could tell it, so the next session begins with it.
            await trio.sleep(10)
            await rig.reconnected()
            (call,) = calls_of(await rig.applied())
            assert (call["id"], call["response"]) == ("c1", '{"slept":5.0}')
            assert (await rig.peer.next("InjectUserMessage"))["content"] == "Please go on."
        assert (log.began, log.ended) == (["a"], ["a"])
        assert await rig.peer.quiet(10) == []


async def test_a_killed_call_is_answered_with_an_error_i4(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.call(("c1", "slow", '{"seconds": 30, "name": "a"}'))
        await settle()
        rig.system.kill("calls/tools/deepgram-1-slow-1")
        call_id, _, output = await answer(rig.peer)
        assert call_id == "c1"
        assert "ended before" in error_of(output)
        assert (log.began, log.ended) == (["a"], [])


async def test_closing_the_client_cancels_calls_and_says_nothing(autojump_clock: object) -> None:
    async with open_tools() as (rig, log):
        await rig.peer.call(("c1", "slow", '{"seconds": 3, "name": "a"}'))
        await settle()
        rig.client.close()
        await settle()
        assert rig.scope.tools.children() == ()
        assert log.ended == []


async def test_the_read_loop_does_not_wait_for_tools(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):
        await rig.peer.call(("c1", "slow", '{"seconds": 10}'))
        await rig.peer.sentence("One moment.", 0.5)
        await settle()
        assert len(rig.ear.payload) == 4000


async def test_tools_are_put_back_where_the_server_refuses_them(autojump_clock: object) -> None:
    async with open_tools() as (rig, _):

        async def refuse() -> None:
            await rig.peer.next("UpdateThink")
            await rig.peer.error("INVALID_SETTINGS", "too many functions")
            await rig.reconnected()
            functions = (await rig.applied())["agent"]["think"]["functions"]
            assert [function["name"] for function in functions] == ["quick", "slow", "sorry"]

        async def other() -> str:
            """Nothing."""
            return ""

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            with pytest.raises(deepgram.RequestRefused, match="too many functions"):
                await rig.client.configure(tools=[other])
        await rig.peer.call(("c1", "quick", "{}"))
        assert (await answer(rig.peer))[0] == "c1"
