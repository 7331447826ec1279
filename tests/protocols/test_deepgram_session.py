"""What both sides of a Deepgram session keep track of: function calls, updates, deadlines."""

import json
from collections import deque
from typing import cast

import attrs
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callboard.protocols import LocalWireError, RemoteWireError, deepgram as dg
from callboard.protocols.deepgram import State
from tests.protocols.deepgram_pair import (
    ACTIVE,
    AGENT_ID,
    AUDIO,
    DONE,
    ENTRY,
    HELLO,
    QUESTION,
    SETTINGS,
    STARTED,
    Pair,
    call,
    cancelled,
    response,
)

# --- function calls


def test_call_is_answered_once() -> None:
    pair = Pair()
    with pytest.raises(LocalWireError, match="call 'c1' was not made"):
        pair.client.send(response(), 0.0)
    pair.tell(call())
    assert pair.states == (State.THINKING, State.THINKING)
    assert [given.id for given in pair.client.pending_calls] == ["c1"]
    assert pair.client.pending_calls == pair.server.pending_calls
    pair.ask(response())
    assert pair.server.take_response(response())
    assert not pair.server.take_response(response())
    assert (pair.client.pending_calls, pair.server.pending_calls) == ((), ())
    with pytest.raises(LocalWireError, match="is answered"):
        pair.client.send(response(), 0.0)
    # A late or repeated answer is legal, and dropped.
    assert pair.server.receive(dg.encode(response()), 0.0).event == response()
    assert not pair.server.take_response(response("c9"))
    assert not pair.server.take_response(dg.FunctionCallResponse(name="tide", content="x"))


def test_several_calls_of_one_request_are_answered_in_any_order() -> None:
    pair = Pair()
    calls = tuple(
        dg.FunctionCall(id=given, name="find_mooring", arguments="{}", client_side=True)
        for given in ("a", "b", "c")
    )
    pair.tell(dg.FunctionCallRequest(functions=calls))
    for given in ("c", "a", "b"):
        answer = pair.ask(response(given))
        assert isinstance(answer, dg.FunctionCallResponse)
        assert pair.server.take_response(answer)
    assert pair.client.pending_calls == pair.server.pending_calls == ()


def test_cancelled_call_is_not_answered() -> None:
    pair = Pair()
    pair.tell(STARTED)
    # Ahead of the user's text: the turn may go on, and did.
    pair.tell(call())
    assert pair.states == (State.USER_TURN, State.USER_TURN)
    pair.tell(STARTED)
    pair.tell(cancelled("c1"))
    assert pair.client.pending_calls == pair.server.pending_calls == ()
    with pytest.raises(LocalWireError, match="or cancelled"):
        pair.client.send(response(), 0.0)
    assert not pair.server.take_response(response())


def test_client_takes_cancellation_of_what_it_does_not_know() -> None:
    pair = Pair()
    pair.tell(call())
    pair.client.receive(dg.encode(cancelled("c7", "c1", "c1")))
    assert pair.client.pending_calls == ()


def test_calls_the_server_runs_are_news() -> None:
    pair = Pair()
    pair.tell(call("s1", client_side=False))
    assert pair.client.pending_calls == ()
    with pytest.raises(LocalWireError, match="waits for no answer"):
        pair.server.send(cancelled("s1"))
    with pytest.raises(LocalWireError):
        pair.client.send(response("s1"), 0.0)
    pair.tell(dg.FunctionCallResponse(id="s1", name="tide", content="high"))
    pair.tell(dg.FunctionCallResponse(name="tide", content="high"))
    assert pair.states == (State.THINKING, State.THINKING)


def test_server_gives_each_call_an_id_of_its_own() -> None:
    pair = Pair()
    pair.tell(call())
    with pytest.raises(LocalWireError, match="id of another one"):
        pair.server.send(call())
    twice = dg.FunctionCallRequest(functions=call("c2").functions * 2)
    with pytest.raises(LocalWireError, match="id of another one"):
        pair.server.send(twice)
    with pytest.raises(LocalWireError, match="'c2' waits for no answer"):
        pair.server.send(cancelled("c1", "c2"))
    assert len(pair.server.pending_calls) == 1


def test_lead_in_before_a_call() -> None:
    pair = Pair()
    for message in (STARTED, QUESTION, HELLO, AUDIO, call(), DONE):
        pair.tell(message)
    assert pair.states == (State.IDLE, State.IDLE)
    pair.ask(response())
    pair.tell(HELLO)
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)


def test_endless_calls_do_not_fill_the_memory() -> None:
    client = Pair().client
    for index in range(1100):
        client.receive(dg.encode(call(f"c{index}")))
    assert len(client.pending_calls) == 1024


# --- updates


def test_updates_are_in_force_at_once_and_known_to_be_when_acknowledged() -> None:
    pair = Pair()
    prompt = dg.UpdatePrompt(prompt="The caller is a member.")
    speak = dg.UpdateSpeak(
        speak=dg.SpeakEntry(provider=dg.SpeakProvider(type="deepgram", model="aura-2-vesta-en"))
    )
    pair.ask(prompt)
    pair.ask(speak)
    after = dg.apply_update(dg.apply_update(SETTINGS, prompt), speak)
    assert pair.server.settings == after
    assert pair.client.settings == SETTINGS
    assert list(pair.client.pending_updates) == [prompt, speak]
    # In any order, though each once.
    pair.tell(dg.SpeakUpdated())
    assert list(pair.client.pending_updates) == [prompt]
    pair.tell(dg.PromptUpdated())
    assert pair.client.settings == after
    assert not pair.client.pending_updates
    for answer in (
        dg.PromptUpdated(),
        dg.SpeakUpdated(),
        dg.ThinkUpdated(),
        dg.ListenUpdated(),
        dg.ThinkLiveUpdated(),
    ):
        with pytest.raises(LocalWireError, match="no such update"):
            pair.server.send(answer)
        # A client does not mind.
        pair.client.receive(dg.encode(answer))
    assert pair.client.settings == after


def test_prompts_add_up_in_order() -> None:
    pair = Pair()
    for text in ("One.", "Two."):
        pair.ask(dg.UpdatePrompt(prompt=text))
    for _ in range(2):
        pair.tell(dg.PromptUpdated())
    assert pair.client.settings == pair.server.settings
    assert pair.client.settings is not None
    assert isinstance(pair.client.settings.agent, dg.Agent)
    assert pair.client.settings.agent.think_chain[0].prompt == f"{ENTRY.prompt}\nOne.\nTwo."


def test_update_that_is_not_possible_ends_the_session() -> None:
    pair = Pair()
    assert pair.refused(dg.UpdateThink(think=())).code == "INVALID_SETTINGS"
    assert pair.client.settings == SETTINGS


def test_updates_of_a_stored_agent_leave_the_settings_of_the_client() -> None:
    stored = dg.Settings(audio=dg.Audio(), agent=AGENT_ID)
    client = dg.DeepgramClient(0.0)
    client.receive(dg.encode(dg.Welcome(request_id="r1")))
    client.send(stored, 0.0)
    client.receive(dg.encode(dg.SettingsApplied()))
    client.send(dg.UpdatePrompt(prompt="x"), 0.0)
    client.receive(dg.encode(dg.PromptUpdated()))
    assert (client.settings, client.pending_updates) == (stored, ())


def test_endless_updates_without_an_answer_are_our_error() -> None:
    client = Pair().client
    for _ in range(1024):
        client.send(dg.UpdatePrompt(prompt="x"), 0.0)
    with pytest.raises(LocalWireError, match="1024 updates"):
        client.send(dg.UpdatePrompt(prompt="x"), 0.0)
    client.send(dg.KeepAlive(), 0.0)


# --- times


def test_keep_alive_is_due_after_silence() -> None:
    pair = Pair(greeted=False, applied=False)
    client = pair.client
    assert client.next_keep_alive(0.0) is None
    pair.tell(dg.Welcome(request_id="r1"))
    assert client.next_keep_alive(0.0) is None
    pair.now = 1.0
    pair.ask(SETTINGS)
    assert client.next_keep_alive(1.0) == 9.0
    pair.tell(dg.SettingsApplied())
    client.send_audio(b"\0\0", 5.0)
    assert client.next_keep_alive(5.0) == 13.0
    # What the server says does not help.
    pair.tell(HELLO)
    assert client.next_keep_alive(6.0) == 13.0
    assert client.next_keep_alive(20.0) == 20.0
    client.send(dg.KeepAlive(), 20.0)
    assert client.next_keep_alive(20.0) == 28.0
    pair.tell(dg.ErrorMessage(code="SERVER_GOING_AWAY"))
    assert client.next_keep_alive(20.0) is None


def test_client_knows_when_its_session_ends() -> None:
    client = dg.DeepgramClient(100.0)
    assert (client.session_warning_at, client.session_ends_at) == (7000.0, 7300.0)


def codes(messages: tuple[dg.ServerMessage, ...]) -> list[str]:
    assert all(isinstance(message, (dg.ErrorMessage, dg.WarningMessage)) for message in messages)
    return [cast("dg.ErrorMessage", message).code for message in messages]


def test_settings_have_to_come_in_time() -> None:
    server = dg.DeepgramServer(100.0)
    assert server.deadline == server.idle_deadline == 115.0
    server.send(dg.Welcome(request_id="r1"))
    assert server.deadline == 115.0
    assert server.handle_timer(114.9) == ()
    due = server.handle_timer(115.0)
    assert codes(due) == ["CLIENT_MESSAGE_TIMEOUT"]
    server.send(due[0])
    assert [server.deadline, server.idle_deadline] == [None, None]
    assert not server.handle_timer(200.0)


@pytest.mark.parametrize("message", [AUDIO, dg.KeepAlive(), dg.ForceEndTurn(), "not json"])
def test_any_message_puts_off_the_end_of_an_idle_session(
    message: dg.ClientMessage | dg.BinaryAudio | str,
) -> None:
    pair = Pair()
    assert pair.server.deadline == 12.0
    try:
        pair.server.receive(message if isinstance(message, str) else dg.encode(message), 10.0)
    except RemoteWireError:
        assert message == "not json"
    assert pair.server.deadline == pair.server.idle_deadline == 22.0
    assert pair.server.handle_timer(21.9) == ()
    assert codes(pair.server.handle_timer(22.0)) == ["CLIENT_MESSAGE_TIMEOUT"]


def test_session_is_warned_and_ended() -> None:
    server = dg.DeepgramServer(100.0, idle_timeout=None, settings_timeout=None)
    assert server.idle_deadline is None
    assert server.deadline == server.session_warning_at == 7000.0
    server.send(dg.Welcome(request_id="r1"))
    assert codes(server.handle_timer(7000.0)) == ["MAXIMUM_SESSION_LENGTH_APPROACHING"]
    assert server.handle_timer(7000.0) == ()
    assert server.deadline == server.session_ends_at == 7300.0
    due = server.handle_timer(7300.0)
    assert codes(due) == ["MAXIMUM_SESSION_LENGTH_REACHED"]
    server.send(due[0])
    assert server.deadline is None


def test_late_timer_gives_warning_and_end_at_once() -> None:
    server = dg.DeepgramServer(0.0, session_limit=20.0, session_warning=10.0, settings_timeout=30.0)
    assert codes(server.handle_timer(99.0)) == [
        "MAXIMUM_SESSION_LENGTH_APPROACHING",
        "MAXIMUM_SESSION_LENGTH_REACHED",
    ]
    server.closed()
    assert server.deadline is None


# --- both sides, messages under way, anything in any order


ASKED: tuple[dg.ClientMessage | dg.BinaryAudio, ...] = (
    SETTINGS,
    attrs.evolve(SETTINGS, agent=dg.Agent(think=())),
    AUDIO,
    dg.KeepAlive(),
    dg.ForceEndTurn(),
    dg.InjectUserMessage(content="x"),
    dg.InjectAgentMessage(message="x", behavior="queue"),
    dg.InjectAgentMessage(),
    response(),
    dg.UpdatePrompt(prompt="x"),
    dg.UpdateThink(think=(ENTRY, ENTRY)),
    dg.UpdateThink(think=()),
    dg.UpdateSpeak(speak=dg.SpeakEntry(provider=dg.SpeakProvider(type="deepgram", model="aura-2-vesta-en"))),
    dg.UpdateListen(listen=dg.Listen(provider=dg.ListenProvider(version="v2", model="flux-general-en"))),
    dg.CustomToThinkProvider(content=[1]),
)


class Session(RuleBasedStateMachine):
    """A client and a server that do what they may, with messages of both under way."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.client = dg.DeepgramClient(0.0)
        self.server = dg.DeepgramServer(0.0)
        self.up: deque[str | bytes] = deque()
        self.down: deque[str | bytes] = deque()
        self.unanswered: deque[type[dg.ServerMessage]] = deque()
        self.n_calls = 0
        self.dropped = False

    def tell(self, message: dg.ServerMessage | dg.BinaryAudio) -> bool:
        state = self.server.state
        try:
            self.down.append(self.server.send(message))
        except LocalWireError:
            assert self.server.state is state
            return False
        return True

    @initialize(opened=st.booleans())
    def open(self, opened: bool) -> None:
        assert (self.client.state, self.server.state) == (State.AWAIT_WELCOME, State.AWAIT_WELCOME)
        if opened:
            # Half of the time begin where the interesting part begins.
            pair = Pair()
            self.client, self.server = pair.client, pair.server
        else:
            assert self.tell(dg.Welcome(request_id="r1"))

    @rule(message=st.sampled_from(ASKED))
    def ask(self, message: dg.ClientMessage | dg.BinaryAudio) -> None:
        self.now += 1
        if isinstance(message, dg.FunctionCallResponse) and self.client.pending_calls:
            message = attrs.evolve(message, id=self.client.pending_calls[0].id)
        state = self.client.state
        try:
            self.up.append(self.client.send(message, self.now))
        except LocalWireError:
            assert self.client.state is state
            return
        assert self.client.next_keep_alive(self.now) == self.now + dg.KEEP_ALIVE_INTERVAL

    @precondition(lambda self: bool(cast("Session", self).up))
    @rule()
    def server_reads(self) -> None:
        before = (self.server.state, self.server.settings, self.server.pending_calls)
        reply: object = None
        try:
            event = self.server.receive(self.up.popleft(), self.now).event
        except RemoteWireError as error:
            reply = error.reply
        else:
            acknowledgement = dg.ACKNOWLEDGEMENTS.get(cast("type[dg.Update]", type(event)))
            if acknowledgement is not None and before[0] is not State.ENDED:
                self.unanswered.append(acknowledgement)
            if isinstance(event, dg.FunctionCallResponse):
                waits = event.id in {given.id for given in before[2]}
                assert self.server.take_response(event) is waits
            return
        assert (self.server.state, self.server.settings, self.server.pending_calls) == before
        if before[0] is State.ENDED:
            assert reply is None
            return
        assert isinstance(reply, dg.ErrorMessage)
        assert self.tell(reply)
        self.unanswered.clear()

    @precondition(lambda self: bool(cast("Session", self).down))
    @rule()
    def client_reads(self) -> None:
        self.client.receive(self.down.popleft())

    @precondition(lambda self: bool(cast("Session", self).unanswered))
    @rule()
    def acknowledge(self) -> None:
        if self.tell(self.unanswered[0]()):
            self.unanswered.popleft()

    @rule(
        message=st.sampled_from(
            [
                STARTED,
                QUESTION,
                HELLO,
                AUDIO,
                DONE,
                dg.SettingsApplied(),
                dg.InjectionRefused(),
                dg.LatencyReport(),
            ]
        )
    )
    def go_on(self, message: dg.ServerMessage | dg.BinaryAudio) -> None:
        if self.tell(message) and message in {STARTED, HELLO}:
            # The client is where the server is again.
            self.dropped = False

    @rule(client_side=st.booleans())
    def request(self, client_side: bool) -> None:
        self.n_calls += 1
        self.tell(call(f"c{self.n_calls}", client_side=client_side))

    @precondition(lambda self: bool(cast("Session", self).server.pending_calls))
    @rule()
    def cancel(self) -> None:
        message = cancelled(self.server.pending_calls[0].id)
        assert self.tell(message) or self.server.state is State.ENDED

    @precondition(lambda self: cast("Session", self).server.state in ACTIVE)
    @rule()
    def drop(self) -> None:
        self.server.drop_turn()
        self.dropped = True

    @invariant()
    def once_all_is_read_both_agree(self) -> None:
        if self.up or self.down:
            return
        if not self.dropped:
            assert self.client.state is self.server.state
        if self.server.state is State.ENDED:
            return
        assert self.client.pending_calls == self.server.pending_calls
        assert len(self.client.pending_updates) == len(self.unanswered)
        if not self.unanswered:
            assert self.client.settings == self.server.settings

    @invariant()
    def settings_are_in_force_in_every_turn(self) -> None:
        assert self.client.ready is (self.client.state in ACTIVE)
        if self.server.state in ACTIVE:
            assert self.server.settings is not None
            assert json.loads(dg.encode(self.server.settings))["type"] == "Settings"


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
