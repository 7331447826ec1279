"""The protocol objects of the Grok wire: order, answers to what is illegal, what a client keeps track of."""

import json
from collections import deque
from typing import cast

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callboard.protocols import LocalWireError, RemoteWireError, grok
from callboard.protocols._machine import Direction
from callboard.protocols.grok import ClientState, ServerState
from callboard.protocols.grok._states import CLIENT_TABLE, SERVER_TABLE
from tests.protocols.grok_kit import client_events

CALL = grok.FunctionCall(
    id="f1", status="completed", name="train_line", call_id="call-1", arguments='{"port":"Derby"}'
)
TEXT = grok.ConversationItemCreate(
    item=grok.Message(role="user", content=(grok.ContentPart.input_text("Any berth free?"),))
)
LINE = grok.ConversationItemCreate(
    item=grok.ForceMessage(role="assistant", content=(grok.ContentPart.output_text("Please hold."),))
)
UPDATE = grok.SessionUpdate(session={"voice": "eve"}, event_id="u1")
AUDIO = grok.InputAudioBufferAppend(audio="AAAA")


class Pair:
    """A client and a server whose messages arrive at once."""

    def __init__(self, *, greeted: bool = True, ready: bool = True) -> None:
        self.client = grok.GrokClient()
        self.server = grok.GrokServer()
        if greeted:
            self.tell(grok.SessionCreated(session={"id": "s1"}))
            self.tell(grok.ConversationCreated(conversation=grok.Conversation(id="cv1")))
        if ready:
            self.ask(UPDATE)
            self.tell(grok.SessionUpdated(session={}))

    def ask(self, event: grok.ClientEvent | grok.BinaryAudio) -> grok.Event:
        """Send from client to server."""
        received = self.server.receive(self.client.send(event)).event
        assert received == event
        return received

    def tell(self, event: grok.ServerEvent | grok.BinaryAudio) -> grok.Event:
        """Send from server to client."""
        received = self.client.receive(self.server.send(event)).event
        assert received == event
        return received

    def refused(self, event: grok.ClientEvent | grok.BinaryAudio) -> grok.ErrorEvent:
        """Send what the server refuses, and its answer back."""
        state = self.server.state
        with pytest.raises(RemoteWireError) as caught:
            self.server.receive(grok.encode(event))
        assert self.server.state is state
        reply = caught.value.reply
        assert isinstance(reply, grok.ErrorEvent)
        assert isinstance(self.tell(reply), grok.ErrorEvent)
        return reply

    def respond(self, response_id: str = "r1") -> None:
        """Begin a response and announce an item in it."""
        self.tell(created(response_id))
        self.tell(added(response_id))


def created(response_id: str = "r1") -> grok.ResponseCreated:
    return grok.ResponseCreated(response=grok.Response(id=response_id, status="in_progress"))


def done(response_id: str = "r1", *output: grok.Item, status: str = "completed") -> grok.ResponseDone:
    return grok.ResponseDone(response=grok.Response(id=response_id, status=status, output=output))


def added(response_id: str = "r1", item_id: str = "a1") -> grok.ResponseOutputItemAdded:
    return grok.ResponseOutputItemAdded(
        response_id=response_id, item=grok.Message(id=item_id, role="assistant")
    )


def delta(response_id: str = "r1", item_id: str = "a1") -> grok.ResponseOutputAudioDelta:
    return grok.ResponseOutputAudioDelta(response_id=response_id, item_id=item_id, delta="AAAA")


def over(kind: str = "max_duration") -> grok.ErrorEvent:
    return grok.ErrorEvent(error=grok.ErrorDetail(type=kind, message="Maximum conversation duration reached"))


# --- opening


def test_opening_as_observed() -> None:
    pair = Pair(greeted=False, ready=False)
    client, server = pair.client, pair.server
    states = [(client.state, server.state)]
    pair.tell(grok.SessionCreated(session={"id": "s1", "voice": "ara"}))
    states.append((client.state, server.state))
    pair.tell(grok.ConversationCreated(conversation=grok.Conversation(id="cv1")))
    pair.tell(grok.Ping(timestamp=1))
    states.append((client.state, server.state))
    pair.ask(UPDATE)
    states.append((client.state, server.state))
    assert not client.ready
    pair.tell(grok.SessionUpdated(session={}))
    states.append((client.state, server.state))
    assert states == [
        (ClientState.CONNECTING, ServerState.OPENED),
        (ClientState.GREETED, ServerState.SESSION_GREETED),
        (ClientState.GREETED, ServerState.IDLE),
        (ClientState.CONFIGURING, ServerState.IDLE),
        (ClientState.READY, ServerState.IDLE),
    ]
    assert client.ready
    assert (client.session_id, client.conversation_id) == ("s1", "cv1")
    assert server.config.voice == "eve"


@pytest.mark.parametrize("order", ["sc", "cs", "c", "s", ""])
def test_client_takes_greetings_in_any_order_or_none(order: str) -> None:
    greetings: dict[str, grok.ServerEvent] = {
        "s": grok.SessionCreated(session={"id": "s1"}),
        "c": grok.ConversationCreated(conversation=grok.Conversation(id="cv1")),
    }
    client = grok.GrokClient()
    client.send(UPDATE)
    for name in order:
        client.receive(grok.encode(greetings[name]))
    assert client.state is ClientState.CONFIGURING
    client.receive(grok.encode(grok.SessionUpdated(session={})))
    assert client.ready
    assert client.conversation_id == ("cv1" if "c" in order else None)
    assert client.session_id == ("s1" if "s" in order else None)


@pytest.mark.parametrize("order", ["sc", "cs", "c"])
def test_server_greets_in_either_order_and_with_conversation_alone(order: str) -> None:
    pair = Pair(greeted=False, ready=False)
    for name in order:
        pair.tell(
            grok.SessionCreated(session={})
            if name == "s"
            else grok.ConversationCreated(conversation=grok.Conversation(id="cv1"))
        )
    pair.ask(UPDATE)
    pair.tell(grok.SessionUpdated(session={}))
    pair.ask(AUDIO)
    assert pair.client.state is ClientState.READY


def test_greetings_are_not_repeated() -> None:
    pair = Pair()
    for event in (
        grok.SessionCreated(session={}),
        grok.ConversationCreated(conversation=grok.Conversation(id="cv2")),
    ):
        with pytest.raises(LocalWireError, match="in state IDLE"):
            pair.server.send(event)


def test_configuration_may_overtake_the_greeting() -> None:
    pair = Pair(greeted=False, ready=False)
    pair.ask(UPDATE)
    pair.ask(TEXT)
    with pytest.raises(LocalWireError, match="in state OPENED"):
        pair.server.send(grok.SessionUpdated(session={}))
    pair.tell(grok.SessionCreated(session={}))
    pair.tell(grok.ConversationCreated(conversation=grok.Conversation(id="cv1")))
    pair.tell(grok.SessionUpdated(session={}))
    assert pair.client.ready


@pytest.mark.parametrize("event", [AUDIO, grok.ResponseCreate(), grok.ResponseCancel(), LINE])
def test_server_takes_neither_audio_nor_turns_before_the_greeting(event: grok.ClientEvent) -> None:
    pair = Pair(greeted=False, ready=False)
    assert "before the session is open" in pair.refused(event).error.message
    pair.tell(grok.SessionCreated(session={}))
    assert "before the session is open" in pair.refused(event).error.message


@pytest.mark.parametrize(
    "event", [AUDIO, grok.BinaryAudio(b"\0\0"), grok.InputAudioBufferCommit(), grok.ResponseCreate(), LINE]
)
def test_client_sends_neither_audio_nor_turns_before_it_is_configured(
    event: grok.ClientEvent | grok.BinaryAudio,
) -> None:
    pair = Pair(ready=False)
    for _ in range(2):
        state = pair.client.state
        with pytest.raises(LocalWireError, match=f"in state {state.name}"):
            pair.client.send(event)
        assert pair.client.state is state
        pair.ask(TEXT)
        pair.ask(UPDATE)
    with pytest.raises(LocalWireError):
        pair.client.send_audio(b"\0\0")
    with pytest.raises(LocalWireError):
        pair.client.send_audio(b"\0\0", binary=True)


# --- configuration


def test_ready_waits_for_every_update() -> None:
    pair = Pair()
    pair.ask(
        grok.SessionUpdate(session={"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, event_id="u2")
    )
    pair.ask(grok.SessionUpdate(session={"voice": "leo"}, event_id="u3"))
    assert (pair.client.pending_updates, pair.client.ready) == (2, False)
    # Whoever does not mind the format may go on.
    pair.ask(AUDIO)
    pair.tell(grok.SessionUpdated(session={}))
    assert (pair.client.pending_updates, pair.client.ready) == (1, False)
    pair.tell(grok.SessionUpdated(session={}))
    assert (pair.client.pending_updates, pair.client.ready) == (0, True)
    # One more than was asked for does no harm.
    pair.tell(grok.SessionUpdated(session={}))
    assert pair.client.ready


def test_refused_first_update_leaves_the_client_unconfigured() -> None:
    pair = Pair(ready=False)
    bad = grok.SessionUpdate(session={"audio": {"output": {"speed": 9}}}, event_id="u9")
    pair.client.send(bad)
    error = pair.refused(bad).error
    assert (error.type, error.param, error.event_id) == (
        "invalid_request_error",
        "session.audio.output.speed",
        "u9",
    )
    assert pair.client.state is ClientState.GREETED
    assert pair.client.pending_updates == 0
    assert pair.server.config == grok.SessionConfig()
    pair.ask(UPDATE)
    pair.tell(grok.SessionUpdated(session={}))
    assert pair.client.ready


def test_refused_later_update_changes_nothing() -> None:
    pair = Pair()
    bad = grok.SessionUpdate(session={"voice": 5}, event_id="u9")
    pair.client.send(bad)
    pair.refused(bad)
    assert pair.client.ready
    assert pair.server.config.voice == "eve"


@pytest.mark.parametrize(
    ("event_id", "detail", "left"),
    [
        ("u1", grok.ErrorDetail(type="invalid_request_error", message="m", event_id="u1"), 0),
        ("u1", grok.ErrorDetail(type="invalid_request_error", message="m", event_id="other"), 1),
        ("u1", grok.ErrorDetail(type="invalid_request_error", message="m", param="session.tools"), 0),
        ("u1", grok.ErrorDetail(type="invalid_request_error", message="m", param="item.role"), 1),
        (None, grok.ErrorDetail(type="invalid_request_error", message="m"), 0),
        (None, grok.ErrorDetail(type="internal_error", message="m"), 1),
        (None, grok.ErrorDetail(type="invalid_request_error", message="no active response found"), 1),
    ],
)
def test_which_errors_answer_an_update(event_id: str | None, detail: grok.ErrorDetail, left: int) -> None:
    client = grok.GrokClient()
    client.send(grok.SessionUpdate(session={}, event_id=event_id))
    client.receive(grok.encode(grok.ErrorEvent(error=detail)))
    assert client.pending_updates == left
    assert client.state is (ClientState.CONFIGURING if left else ClientState.GREETED)


def test_server_merges_updates_and_may_refuse_more() -> None:
    def no_opus(config: grok.SessionConfig) -> None:
        if config.input_format.type == "audio/opus":
            raise RemoteWireError(
                "session.audio.input.format: no Opus here", path="session.audio.input.format"
            )

    server = grok.GrokServer(check=no_opus)
    server.receive(grok.encode(grok.SessionUpdate(session={"voice": "eve", "instructions": "Be brief."})))
    server.receive(grok.encode(grok.SessionUpdate(session={"voice": "leo"})))
    assert (server.config.voice, server.config.instructions) == ("leo", "Be brief.")
    opus = {"voice": "rex", "audio": {"input": {"format": {"type": "audio/opus"}}}}
    with pytest.raises(RemoteWireError, match="no Opus here") as caught:
        server.receive(grok.encode(grok.SessionUpdate(session=opus, event_id="u4")))
    reply = cast("grok.ErrorEvent", caught.value.reply)
    assert (reply.error.param, reply.error.event_id) == ("session.audio.input.format", "u4")
    assert server.config.voice == "leo"


# --- responses


def test_a_response_from_request_to_end() -> None:
    pair = Pair()
    pair.ask(TEXT)
    pair.ask(grok.ResponseCreate())
    assert (pair.server.state, pair.server.active_response) == (ServerState.RESPONDING, None)
    pair.respond()
    assert pair.client.active_response == pair.server.active_response == "r1"
    pair.tell(delta())
    pair.tell(done())
    assert pair.client.active_response is None
    assert (pair.server.state, pair.server.active_response) == (ServerState.IDLE, None)


@pytest.mark.parametrize("again", [grok.ResponseCreate(event_id="c1"), LINE])
def test_second_response_is_refused_as_clients_expect(again: grok.ClientEvent) -> None:
    pair = Pair()
    for begin in (lambda: pair.ask(grok.ResponseCreate()), pair.respond):
        begin()
        reply = pair.refused(again)
        assert reply.error.message == "Conversation already has an active response"
        assert reply.error.event_id == again.event_id
        assert grok.classify_error(reply) is grok.ErrorKind.BENIGN
    pair.tell(done())
    pair.ask(again)


def test_cancel_without_a_response_is_refused_as_clients_expect() -> None:
    pair = Pair()
    reply = pair.refused(grok.ResponseCancel(event_id="c9"))
    assert reply.error.message == "Cancellation failed: no active response found"
    assert reply.error.event_id == "c9"
    assert grok.is_benign_error(reply)
    pair.respond()
    assert grok.is_benign_error(pair.refused(grok.ResponseCancel(response_id="other")))
    pair.ask(grok.ResponseCancel(response_id="r1"))
    pair.tell(done("r1", status="cancelled"))
    assert grok.is_benign_error(pair.refused(grok.ResponseCancel()))


def test_client_does_not_cancel_what_may_be_the_next_response() -> None:
    pair = Pair()
    with pytest.raises(LocalWireError, match="no response is running"):
        pair.client.send(grok.ResponseCancel())
    pair.ask(grok.ResponseCreate())
    pair.ask(grok.ResponseCancel())
    pair.respond()
    pair.ask(grok.ResponseCancel(response_id="r1"))
    pair.tell(done())
    with pytest.raises(LocalWireError, match="no response is running"):
        pair.client.send(grok.ResponseCancel())


def test_refused_request_is_no_longer_expected() -> None:
    pair = Pair()
    pair.respond()
    pair.client.send(grok.ResponseCreate())
    pair.refused(grok.ResponseCreate())
    pair.tell(done())
    with pytest.raises(LocalWireError, match="no response is running"):
        pair.client.send(grok.ResponseCancel())


def test_unknown_client_event_is_refused_by_name() -> None:
    pair = Pair()
    with pytest.raises(RemoteWireError) as caught:
        pair.server.receive('{"type":"conversation.item.retrieve","event_id":"c10","item_id":"a2"}')
    reply = caught.value.reply
    assert isinstance(reply, grok.ErrorEvent)
    assert (reply.error.type, reply.error.event_id) == ("invalid_event", "c10")
    assert reply.error.message == "Unsupported event type: conversation.item.retrieve"


def test_force_message_is_a_response() -> None:
    pair = Pair()
    pair.ask(LINE)
    states = [pair.server.state]
    pair.respond()
    pair.tell(done())
    states.append(pair.server.state)
    assert states == [ServerState.RESPONDING, ServerState.IDLE]


def test_new_response_closes_one_that_never_ended() -> None:
    pair = Pair()
    pair.respond("r1")
    pair.tell(created("r2"))
    assert pair.client.active_response == "r2"
    assert pair.client.is_stale(delta("r1"))
    assert not pair.client.is_stale(delta("r2"))
    assert not pair.client.is_stale(grok.Ping())
    # Late news of the old one does not end the new one.
    pair.client.receive(grok.encode(done("r1")))
    assert pair.client.active_response == "r2"
    # The items of the old one are gone with it.
    with pytest.raises(LocalWireError, match="not announced"):
        pair.server.send(delta("r2", "a1"))


def test_dropped_response_leaves_the_server_idle() -> None:
    pair = Pair()
    pair.respond("r1")
    pair.server.drop_response()
    assert (pair.server.state, pair.server.active_response) == (ServerState.IDLE, None)
    with pytest.raises(LocalWireError):
        pair.server.drop_response()
    with pytest.raises(LocalWireError):
        pair.server.send(delta("r1"))
    # The client does not know, and is not kept from asking.
    assert pair.client.active_response == "r1"
    pair.ask(grok.ResponseCreate())
    pair.respond("r2")
    assert pair.client.active_response == "r2"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (delta("r2"), "expected response 'r1'"),
        (delta("r1", "a2"), "not announced"),
        (grok.ResponseContentPartAdded(response_id="r1", item_id="a2"), "not announced"),
        (
            grok.ResponseFunctionCallArgumentsDone(
                response_id="r1", item_id="f9", call_id="c", name="n", arguments="{}"
            ),
            "not announced",
        ),
        (done("r2"), "expected 'r1'"),
        (grok.BinaryAudio(b"\0\0"), "binary frame"),
    ],
)
def test_server_keeps_to_its_own_response(event: grok.ServerEvent | grok.BinaryAudio, text: str) -> None:
    pair = Pair()
    pair.respond("r1")
    with pytest.raises(LocalWireError, match=text):
        pair.server.send(event)
    assert pair.server.state is ServerState.RESPONDING
    pair.tell(done())


@pytest.mark.parametrize("event", [delta(), done(), added(), grok.BinaryAudio(b"\0\0")])
def test_server_sends_nothing_of_a_response_it_has_not_created(
    event: grok.ServerEvent | grok.BinaryAudio,
) -> None:
    pair = Pair()
    with pytest.raises(LocalWireError, match="in state IDLE"):
        pair.server.send(event)
    pair.ask(grok.ResponseCreate())
    with pytest.raises(LocalWireError):
        pair.server.send(event)


def test_mcp_calls_belong_to_a_response() -> None:
    pair = Pair()
    event = grok.ResponseMcpCallInProgress(item_id="m1")
    pair.tell(grok.McpListToolsInProgress(item_id="m0"))
    with pytest.raises(LocalWireError):
        pair.server.send(event)
    pair.ask(grok.ResponseCreate())
    with pytest.raises(LocalWireError, match="without an active response"):
        pair.server.send(event)
    pair.respond()
    pair.tell(event)


def test_change_of_transport_waits_for_the_next_response() -> None:
    pair = Pair()
    pair.respond("r1")
    pair.ask(grok.SessionUpdate(session={"audio": {"output": {"transport": "binary"}}}))
    pair.tell(grok.SessionUpdated(session={}))
    pair.tell(delta("r1"))
    pair.tell(done("r1"))
    pair.respond("r2")
    pair.tell(grok.BinaryAudio(b"\0\0"))
    with pytest.raises(LocalWireError, match="expected a binary frame"):
        pair.server.send(delta("r2"))


# --- function calls


def test_each_call_comes_out_once() -> None:
    client = grok.GrokClient()
    arguments_done = grok.ResponseFunctionCallArgumentsDone(
        response_id="r1", item_id="f1", call_id="call-1", name="train_line", arguments='{"port":"Derby"}'
    )
    item_done = grok.ResponseOutputItemDone(response_id="r1", item=CALL)
    events: list[grok.Event] = [
        grok.ResponseOutputItemAdded(
            response_id="r1",
            item=grok.FunctionCall(status="in_progress", name="train_line", call_id="call-1"),
        ),
        arguments_done,
        item_done,
        done("r1", CALL),
    ]
    assert [len(client.new_calls(event)) for event in events] == [0, 1, 0, 0]
    # Each of the three places will do.
    for event in events[1:]:
        (call,) = grok.GrokClient().new_calls(event)
        assert (call.item_id, call.name, call.call_id, call.arguments) == (
            "f1",
            "train_line",
            "call-1",
            '{"port":"Derby"}',
        )


def test_parallel_calls_in_one_message_all_come_out() -> None:
    second = grok.FunctionCall(id="f2", name="berth", call_id="call-2", arguments="{}")
    client = grok.GrokClient()
    assert [call.call_id for call in client.new_calls(done("r1", CALL, second, CALL))] == ["call-1", "call-2"]


@pytest.mark.parametrize(
    "item",
    [
        grok.FunctionCall(status="cancelled", name="n", call_id="c", arguments="{}"),
        grok.FunctionCall(status="incomplete", name="n", call_id="c", arguments='{"po'),
        grok.FunctionCall(status="completed", call_id="c", arguments="{}"),
        grok.FunctionCall(status="completed", name="n", arguments="{}"),
        grok.FunctionCall(status="completed", name="n", call_id="c"),
        grok.FunctionCall(status="completed", name="n", call_id="c", arguments=""),
        grok.Message(role="assistant"),
    ],
)
def test_what_is_no_complete_call_is_not_run(item: grok.Item) -> None:
    client = grok.GrokClient()
    assert client.new_calls(grok.ResponseOutputItemDone(response_id="r1", item=item)) == ()
    assert client.new_calls(done("r1", item)) == ()


def test_memory_of_calls_is_bounded() -> None:
    client = grok.GrokClient()
    for number in range(3000):
        event = done("r1", grok.FunctionCall(name="n", call_id=f"call-{number}", arguments="{}"))
        assert [len(client.new_calls(event)), len(client.new_calls(event))] == [1, 0]
    assert len(client._calls) <= 1024


# --- the end


@pytest.mark.parametrize("kind", ["max_duration", "timeout"])
def test_error_that_ends_the_session(kind: str) -> None:
    pair = Pair()
    pair.respond()
    pair.tell(over(kind))
    assert (pair.client.state, pair.server.state) == (ClientState.ENDED, ServerState.ENDED)
    with pytest.raises(LocalWireError, match="in state ENDED"):
        pair.client.send(AUDIO)
    with pytest.raises(LocalWireError, match="in state ENDED"):
        pair.server.send(grok.Ping())
    # What was under way when it ended is taken and means nothing.
    for message in (grok.encode(AUDIO), grok.encode(grok.ResponseCancel()), '{"type":"weather"}'):
        pair.server.receive(message)
    pair.server.receive(grok.encode(grok.SessionUpdate(session={"voice": 5})))
    pair.client.receive(grok.encode(grok.Ping()))
    pair.client.closed()
    pair.server.closed()
    assert (pair.client.state, pair.server.state) == (ClientState.CLOSED, ServerState.CLOSED)


def test_other_errors_do_not_end_the_session() -> None:
    pair = Pair()
    pair.tell(over("internal_error"))
    pair.tell(over("some_new_type"))
    pair.ask(AUDIO)
    assert pair.client.state is ClientState.READY


@pytest.mark.parametrize("ready", [False, True])
def test_nothing_goes_over_a_closed_socket(ready: bool) -> None:
    pair = Pair(greeted=ready, ready=ready)
    for end in (pair.client, pair.server):
        end.closed()
        end.closed()
        assert end.active_response is None
    with pytest.raises(LocalWireError, match="CLOSED"):
        pair.client.send(UPDATE)
    with pytest.raises(LocalWireError, match="CLOSED"):
        pair.server.send(grok.Ping())
    with pytest.raises(RemoteWireError, match="CLOSED"):
        pair.client.receive(grok.encode(grok.Ping()))
    with pytest.raises(RemoteWireError, match="CLOSED") as caught:
        pair.server.receive(grok.encode(UPDATE))
    assert caught.value.reply is None


# --- our own mistakes


@pytest.mark.parametrize(
    "event",
    [
        grok.ConversationItemCreate(item=grok.Message(role="user")),
        grok.ConversationItemCreate(item=grok.UnknownItem("picture", {"type": "picture"})),
        grok.ConversationItemTruncate(item_id="a1", audio_end_ms=-1),
        grok.ResponseCreate(response=grok.ResponseOptions(metadata={"k": 5})),
        grok.SessionUpdate(session={"voice": object()}),
    ],
)
def test_client_does_not_send_what_a_server_must_refuse(event: grok.ClientEvent) -> None:
    pair = Pair()
    before = pair.client.pending_updates
    with pytest.raises(LocalWireError):
        pair.client.send(event)
    assert pair.client.pending_updates == before


def test_events_of_the_other_side_are_our_error() -> None:
    pair = Pair()
    with pytest.raises(LocalWireError, match="Ping"):
        pair.client.send(cast("grok.ClientEvent", grok.Ping()))
    with pytest.raises(LocalWireError, match="ResponseCreate"):
        pair.server.send(cast("grok.ServerEvent", grok.ResponseCreate()))


def test_undecodable_messages_leave_both_sides_as_they_are() -> None:
    pair = Pair()
    with pytest.raises(RemoteWireError) as caught:
        pair.server.receive("not json")
    assert isinstance(caught.value.reply, grok.ErrorEvent)
    with pytest.raises(RemoteWireError):
        pair.client.receive("not json")
    with pytest.raises(RemoteWireError):
        grok.GrokClient(max_octets=10).receive('{"type":"ping"}')
    with pytest.raises(RemoteWireError):
        grok.GrokServer(max_octets=10).receive('{"type":"response.create"}')
    assert (pair.client.state, pair.server.state) == (ClientState.READY, ServerState.IDLE)


def test_send_audio_is_send() -> None:
    client = Pair().client
    payload = bytes(range(256))
    assert json.loads(client.send_audio(payload)) == json.loads(
        client.send(grok.InputAudioBufferAppend(audio=grok.encode_audio(payload)))
    )
    assert client.send_audio(payload, binary=True) == client.send(grok.BinaryAudio(payload)) == payload


def test_profile_of_the_server() -> None:
    observed, documented = (grok.GrokServer(profile=profile) for profile in grok.Profile)
    assert "previous_item_id" in json.loads(observed.send(grok.Ping()))
    assert "previous_item_id" not in json.loads(documented.send(grok.Ping()))


# --- the tables


def test_every_state_of_the_tables_can_be_reached_and_left() -> None:
    for table, first, last in (
        (CLIENT_TABLE, ClientState.CONNECTING, ClientState.CLOSED),
        (SERVER_TABLE, ServerState.OPENED, ServerState.CLOSED),
    ):
        assert set(table) == set(type(first))
        targets = {state for moves in table.values() for state in moves.values()}
        assert targets | {first} == set(table)
        assert all(last in moves.values() for moves in table.values())


def test_a_client_hears_every_event_in_every_open_state() -> None:
    for state, moves in CLIENT_TABLE.items():
        heard = {kind for direction, kind in moves if direction is Direction.RECEIVED}
        assert state is ClientState.CLOSED or heard >= {*grok.SERVER_EVENTS, grok.Unknown, grok.BinaryAudio}


# --- both sides, messages under way, anything in any order


class Session(RuleBasedStateMachine):
    """A client and a server that do what they may, with messages of both under way."""

    def __init__(self) -> None:
        super().__init__()
        self.client = grok.GrokClient()
        self.server = grok.GrokServer()
        self.up: deque[str | bytes] = deque()
        self.down: deque[str | bytes] = deque()
        self.unanswered = 0
        self.n_responses = 0
        self.n_updates = 0
        self.dropped = False

    def tell(self, event: grok.ServerEvent | grok.BinaryAudio) -> bool:
        state = self.server.state
        try:
            self.down.append(self.server.send(event))
        except LocalWireError:
            assert self.server.state is state
            return False
        return True

    @initialize(opened=st.booleans())
    def open(self, opened: bool) -> None:
        assert (self.client.state, self.server.state) == (ClientState.CONNECTING, ServerState.OPENED)
        if opened:
            # Half of the time begin where the interesting part begins.
            pair = Pair()
            self.client, self.server = pair.client, pair.server

    @rule(first=st.booleans())
    def greet(self, first: bool) -> None:
        session = grok.SessionCreated(session={"id": "s1"})
        conversation = grok.ConversationCreated(conversation=grok.Conversation(id="cv1"))
        self.tell(session if first else conversation)

    @rule(event=client_events | st.builds(grok.BinaryAudio, st.binary(max_size=4)))
    def ask(self, event: grok.ClientEvent | grok.BinaryAudio) -> None:
        if isinstance(event, grok.SessionUpdate):
            self.n_updates += 1
            event = grok.SessionUpdate(session=event.session, event_id=f"u{self.n_updates}")
        state = self.client.state
        try:
            self.up.append(self.client.send(event))
        except LocalWireError:
            assert self.client.state is state

    @precondition(lambda self: bool(cast("Session", self).up))
    @rule()
    def server_reads(self) -> None:
        state, config = self.server.state, self.server.config
        reply: object = None
        try:
            event = self.server.receive(self.up.popleft()).event
        except RemoteWireError as error:
            reply = error.reply
        else:
            assert not isinstance(event, grok.Unknown)
            self.unanswered += isinstance(event, grok.SessionUpdate)
            return
        assert (self.server.state, self.server.config) == (state, config)
        assert isinstance(reply, grok.ErrorEvent)
        assert self.tell(reply)

    @precondition(lambda self: bool(cast("Session", self).down))
    @rule()
    def client_reads(self) -> None:
        self.client.receive(self.down.popleft())

    @precondition(lambda self: cast("Session", self).unanswered > 0)
    @rule()
    def accept_update(self) -> None:
        self.unanswered -= self.tell(grok.SessionUpdated(session=self.server.config.to_wire()))

    @rule()
    def begin_response(self) -> None:
        self.n_responses += 1
        if self.tell(created(f"r{self.n_responses}")):
            self.dropped = False
            self.tell(added(f"r{self.n_responses}"))

    @precondition(lambda self: cast("Session", self).server.active_response is not None)
    @rule()
    def speak(self) -> None:
        assert self.server.active_response is not None
        event = (
            delta(self.server.active_response)
            if self.server.transport == "json"
            else grok.BinaryAudio(b"\0\0")
        )
        assert self.tell(event)

    @precondition(lambda self: cast("Session", self).server.active_response is not None)
    @rule(status=st.sampled_from(["completed", "cancelled"]))
    def end_response(self, status: str) -> None:
        assert self.server.active_response is not None
        assert self.tell(done(self.server.active_response, status=status))

    @precondition(lambda self: cast("Session", self).server.state is ServerState.RESPONDING)
    @rule()
    def drop_response(self) -> None:
        self.server.drop_response()
        self.dropped = True

    @invariant()
    def once_all_is_read_both_agree(self) -> None:
        if self.up or self.down:
            return
        assert self.client.pending_updates == self.unanswered
        if not self.dropped:
            assert self.client.active_response == self.server.active_response
        greeted = self.server.state not in {ServerState.OPENED, ServerState.SESSION_GREETED}
        assert (self.client.conversation_id == "cv1") is greeted

    @invariant()
    def a_running_response_is_a_state(self) -> None:
        if self.server.active_response is not None:
            assert self.server.state is ServerState.RESPONDING
        if self.client.ready:
            assert self.client.state is ClientState.READY


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
