"""The order of messages on the Deepgram wire: openings, turns, ends, and the tables behind them."""

from typing import cast

import attrs
import pytest

from callboard.protocols import LocalWireError, RemoteWireError, deepgram as dg
from callboard.protocols._machine import Direction
from callboard.protocols.deepgram import State
from callboard.protocols.deepgram._states import CLIENT_TABLE, SERVER_TABLE
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
    response,
    way_to,
)

# --- opening


def test_opening_with_the_greeting_before_the_acknowledgement() -> None:
    pair = Pair(greeted=False, applied=False)
    assert pair.states == (State.AWAIT_WELCOME, State.AWAIT_WELCOME)
    pair.tell(dg.Welcome(request_id="r1"))
    assert pair.states == (State.AWAIT_SETTINGS, State.AWAIT_SETTINGS)
    assert pair.client.request_id == "r1"
    pair.ask(SETTINGS)
    assert pair.states == (State.AWAIT_APPLIED, State.AWAIT_APPLIED)
    assert pair.server.settings == pair.client.settings == SETTINGS
    pair.tell(HELLO)
    pair.tell(dg.History(role="assistant", content=HELLO.content))
    assert pair.states == (State.AWAIT_APPLIED, State.AWAIT_APPLIED)
    assert not pair.client.ready
    pair.tell(dg.SettingsApplied())
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)
    assert pair.client.ready
    pair.tell(AUDIO)
    pair.tell(DONE)
    assert pair.states == (State.IDLE, State.IDLE)


def test_opening_with_the_greeting_after_the_acknowledgement() -> None:
    pair = Pair()
    assert pair.states == (State.IDLE, State.IDLE)
    pair.tell(HELLO)
    pair.tell(AUDIO)
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)


def test_client_takes_a_whole_greeting_before_the_acknowledgement() -> None:
    client = dg.DeepgramClient(0.0)
    client.receive(dg.encode(dg.Welcome(request_id="r1")))
    client.send(SETTINGS, 0.0)
    for message in (HELLO, AUDIO, DONE, dg.SettingsApplied()):
        client.receive(dg.encode(message))
    assert client.state is State.IDLE


@pytest.mark.parametrize("greeted", [False, True])
def test_client_sends_nothing_but_settings_first(greeted: bool) -> None:
    client = Pair(greeted=greeted, applied=False).client
    messages: list[dg.ClientMessage | dg.BinaryAudio] = [
        AUDIO,
        dg.KeepAlive(),
        dg.InjectUserMessage(content="x"),
    ]
    if not greeted:
        messages.append(SETTINGS)
    for message in messages:
        with pytest.raises(
            LocalWireError, match=f"cannot send {type(message).__name__} in state {client.state.name}"
        ):
            client.send(message, 0.0)
    with pytest.raises(LocalWireError, match="AWAIT"):
        client.send_audio(b"\0", 0.0)


def test_until_settings_are_applied_only_keep_alives_go() -> None:
    pair = Pair(applied=False)
    pair.ask(SETTINGS)
    pair.ask(dg.KeepAlive())
    for message in (AUDIO, dg.InjectAgentMessage(message="x"), dg.UpdatePrompt(prompt="x"), SETTINGS):
        with pytest.raises(LocalWireError, match="AWAIT_APPLIED"):
            pair.client.send(message, 0.0)


def test_server_keeps_what_comes_before_it_says_applied() -> None:
    pair = Pair(applied=False)
    pair.ask(SETTINGS)
    for message in (AUDIO, dg.InjectUserMessage(content="x"), dg.UpdatePrompt(prompt="x")):
        assert pair.server.receive(dg.encode(message), 0.0).event == message
    assert pair.server.state is State.AWAIT_APPLIED
    for answer in (AUDIO, dg.PromptUpdated(), STARTED, QUESTION):
        with pytest.raises(LocalWireError, match="AWAIT_APPLIED"):
            pair.server.send(answer)


@pytest.mark.parametrize("first", [AUDIO, dg.KeepAlive(), dg.InjectUserMessage(content="x"), response()])
def test_anything_before_settings_ends_the_session(first: dg.ClientMessage | dg.BinaryAudio) -> None:
    reply = Pair(applied=False).refused(first)
    assert reply.code == "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"
    assert "expected Settings first" in reply.description


@pytest.mark.parametrize("applied", [False, True])
def test_second_settings_end_the_session(applied: bool) -> None:
    pair = Pair(applied=applied)
    if not applied:
        pair.ask(SETTINGS)
    with pytest.raises(LocalWireError):
        pair.client.send(SETTINGS, 0.0)
    assert pair.refused(SETTINGS).code == "SETTINGS_ALREADY_APPLIED"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "UNPARSABLE_CLIENT_MESSAGE"),
        ('{"type":"Settings"}', "UNPARSABLE_CLIENT_MESSAGE"),
        ('{"type":"SettingsConfiguration","audio":{},"agent":{}}', "UNPARSABLE_CLIENT_MESSAGE"),
        ('{"type":"Settings","audio":{},"agent":{},"greeting":"x"}', "UNPARSABLE_CLIENT_MESSAGE"),
        ('{"type":"Settings","audio":{},"agent":{"think":[]}}', "INVALID_SETTINGS"),
        (
            '{"type":"Settings","audio":{},"agent":{"think_live":{"provider":{}}}}',
            "UNPARSABLE_CLIENT_MESSAGE",
        ),
        ('{"type":"Settings","audio":{},"agent":"x"}', "INVALID_AGENT_ID"),
    ],
)
def test_settings_a_server_does_not_take_end_the_session(message: str, code: str) -> None:
    assert Pair(applied=False).refused(message).code == code


def test_options_of_the_server_for_settings() -> None:
    wire = '{"type":"Settings","audio":{},"agent":{"think_live":{"provider":{}}},"greeting":"x"}'
    server = dg.DeepgramServer(0.0, open_fields=True, early_access=True)
    server.send(dg.Welcome(request_id="r1"))
    server.receive(wire, 0.0)
    assert server.state is State.AWAIT_APPLIED


def test_stored_agents() -> None:
    by_id = dg.Settings(audio=dg.Audio(), agent=AGENT_ID)
    agent = dg.Agent(think=ENTRY, greeting="Hello.")

    def server(agents: dict[str, dg.Agent] | None) -> dg.DeepgramServer:
        made = dg.DeepgramServer(0.0, agents=agents)
        made.send(dg.Welcome(request_id="r1"))
        return made

    known = server({AGENT_ID: agent})
    assert known.receive(dg.encode(by_id), 0.0).event == by_id
    assert known.settings == attrs.evolve(by_id, agent=agent)
    cases: list[tuple[dict[str, dg.Agent] | None, str]] = [
        (None, "AGENT_ID_NOT_SUPPORTED"),
        ({}, "INVALID_AGENT_ID"),
    ]
    for agents, code in cases:
        with pytest.raises(RemoteWireError) as caught:
            server(agents).receive(dg.encode(by_id), 0.0)
        assert isinstance(caught.value.reply, dg.ErrorMessage)
        assert (caught.value.reply.code, caught.value.path) == (code, "agent")
    # The output has to suit the voice that was not known before.
    loud = attrs.evolve(by_id, audio=dg.Audio(output=dg.AudioOutput(encoding="mp3")))
    with pytest.raises(RemoteWireError, match="encoding"):
        server({AGENT_ID: agent}).receive(dg.encode(loud), 0.0)


def test_server_does_not_receive_before_it_has_greeted() -> None:
    with pytest.raises(LocalWireError, match="send Welcome first"):
        dg.DeepgramServer(0.0).receive(dg.encode(SETTINGS), 0.0)


# --- turns


def test_one_turn() -> None:
    pair = Pair()
    seen: list[State] = []
    for message in (
        STARTED,
        QUESTION,
        dg.History(role="user", content=QUESTION.content),
        dg.AgentThinking(content="Look it up."),
        HELLO,
        dg.History(role="assistant", content=HELLO.content),
        dg.AgentStartedSpeaking(total_latency=0.9, tts_latency=0.2, ttt_latency=0.5),
        AUDIO,
        HELLO,
        AUDIO,
        dg.LatencyReport(total_latency=0.9),
        DONE,
    ):
        pair.tell(message)
        assert pair.client.state is pair.server.state
        seen.append(pair.client.state)
    assert seen == [State.USER_TURN] + [State.THINKING] * 3 + [State.AGENT_TURN] * 7 + [State.IDLE]


@pytest.mark.parametrize("state", ACTIVE)
def test_everything_but_settings_may_be_sent_in_every_turn(state: State) -> None:
    pair = Pair()
    pair.tell(call())
    for message in way_to(state):
        pair.tell(message)
    assert pair.states == (state, state)
    for sent in (
        AUDIO,
        dg.KeepAlive(),
        dg.ForceEndTurn(),
        dg.InjectUserMessage(content="x"),
        dg.InjectAgentMessage(message="x", behavior="queue"),
        dg.UpdatePrompt(prompt="x"),
        dg.UpdateThink(think=ENTRY),
        dg.UpdateSpeak(
            speak=dg.SpeakEntry(provider=dg.SpeakProvider(type="deepgram", model="aura-2-vesta-en"))
        ),
        dg.UpdateListen(listen=dg.Listen(provider=dg.ListenProvider())),
        dg.CustomToThinkProvider(content=None),
        response(),
    ):
        pair.ask(sent)
    assert pair.states == (state, state)


@pytest.mark.parametrize("state", ACTIVE)
def test_user_may_begin_in_every_turn(state: State) -> None:
    pair = Pair()
    pair.tell(call())
    for message in way_to(state):
        pair.tell(message)
    pair.tell(STARTED)
    assert pair.states == (State.USER_TURN, State.USER_TURN)


def test_audio_after_an_interruption_is_stale_until_the_next_text() -> None:
    pair = Pair()
    pair.tell(HELLO)
    pair.tell(AUDIO)
    assert not pair.client.is_stale(AUDIO)
    pair.tell(STARTED)
    with pytest.raises(LocalWireError, match="BinaryAudio in state USER_TURN"):
        pair.server.send(AUDIO)
    # On a real wire some may be under way.
    client = pair.client
    for message, state in (
        (AUDIO, State.USER_TURN),
        (DONE, State.USER_TURN),
        (QUESTION, State.THINKING),
        (AUDIO, State.THINKING),
        (dg.UserStartedSpeaking(), State.USER_TURN),
        (QUESTION, State.THINKING),
    ):
        client.receive(dg.encode(message))
        assert client.state is state
        assert client.is_stale(AUDIO)
        assert not client.is_stale(QUESTION)
    client.receive(dg.encode(HELLO))
    assert not client.is_stale(AUDIO)
    client.receive(dg.encode(AUDIO))
    assert client.state is State.AGENT_TURN


def test_text_of_a_backchannel_ends_no_turn() -> None:
    pair = Pair()
    pair.tell(HELLO)
    pair.tell(dg.ConversationText(role="user", content="mhm", conversational_behavior="backchannel"))
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)
    pair.tell(DONE)
    pair.tell(STARTED)
    pair.tell(dg.ConversationText(role="user", content="mhm", conversational_behavior="backchannel"))
    assert pair.states == (State.USER_TURN, State.USER_TURN)


def test_injected_text_of_the_user_does_not_stop_the_agent() -> None:
    pair = Pair()
    pair.tell(HELLO)
    pair.ask(dg.InjectUserMessage(content=QUESTION.content))
    pair.tell(QUESTION)
    pair.tell(AUDIO)
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)
    pair.tell(DONE)
    pair.ask(dg.InjectUserMessage(content=QUESTION.content))
    pair.tell(QUESTION)
    assert pair.states == (State.THINKING, State.THINKING)


def test_agent_may_break_in() -> None:
    pair = Pair()
    pair.tell(STARTED)
    pair.ask(dg.InjectAgentMessage(message="The yard is closing.", behavior="interrupt"))
    pair.tell(HELLO)
    pair.tell(AUDIO)
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)


def test_turn_with_nothing_in_it_is_dropped_without_a_word() -> None:
    pair = Pair()
    pair.tell(STARTED)
    pair.server.drop_turn()
    assert pair.states == (State.USER_TURN, State.IDLE)
    pair.tell(HELLO)
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)
    with pytest.raises(LocalWireError, match="AWAIT_SETTINGS"):
        Pair(applied=False).server.drop_turn()


@pytest.mark.parametrize("state", [State.IDLE, State.USER_TURN, State.THINKING])
def test_server_speaks_only_after_text(state: State) -> None:
    pair = Pair()
    pair.tell(call())
    for message in way_to(state):
        pair.tell(message)
    started = dg.AgentStartedSpeaking(total_latency=1, tts_latency=1, ttt_latency=1)
    for sent in (AUDIO, DONE, started):
        with pytest.raises(LocalWireError, match=f"in state {state.name}"):
            pair.server.send(sent)


def test_what_the_settings_do_not_want_is_not_sent() -> None:
    pair = Pair(given=attrs.evolve(SETTINGS, experimental=None, flags=dg.Flags(history=False)))
    pair.tell(HELLO)
    with pytest.raises(LocalWireError, match="not experimental"):
        pair.server.send(dg.AgentStartedSpeaking(total_latency=1, tts_latency=1, ttt_latency=1))
    with pytest.raises(LocalWireError, match="turn it off"):
        pair.server.send(dg.History(role="assistant", content="x"))
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)


def test_client_hears_what_the_settings_do_not_want() -> None:
    client = Pair(given=attrs.evolve(SETTINGS, experimental=None)).client
    client.receive(dg.encode(dg.AgentStartedSpeaking(total_latency=1, tts_latency=1, ttt_latency=1)))
    assert client.state is State.AGENT_TURN


@pytest.mark.parametrize("steps", range(8))
def test_unknown_messages_move_nothing(steps: int) -> None:
    way: list[dg.Message] = [
        dg.Welcome(request_id="r"),
        SETTINGS,
        dg.SettingsApplied(),
        STARTED,
        QUESTION,
        HELLO,
        DONE,
    ]
    client = dg.DeepgramClient(0.0)
    for message in way[:steps]:
        if isinstance(message, dg.ClientMessage):
            client.send(message, 0.0)
        else:
            client.receive(dg.encode(message))
    state, stale = client.state, client.is_stale(AUDIO)
    decoded = client.receive('{"type":"EndOfThought","x":1}')
    assert isinstance(decoded.event, dg.Unknown)
    assert (client.state, client.is_stale(AUDIO)) == (state, stale)


# --- the end


def test_error_ends_the_session_and_a_warning_does_not() -> None:
    pair = Pair()
    pair.tell(HELLO)
    pair.tell(dg.WarningMessage(description="slow", code="SLOW_THINK_REQUEST"))
    assert pair.states == (State.AGENT_TURN, State.AGENT_TURN)
    pair.tell(dg.ErrorMessage(description="d", code="a code of next year"))
    assert pair.states == (State.ENDED, State.ENDED)
    with pytest.raises(LocalWireError, match="ENDED"):
        pair.client.send(dg.KeepAlive(), 0.0)
    with pytest.raises(LocalWireError, match="ENDED"):
        pair.server.send(dg.ErrorMessage(code="another one"))
    # What was under way is taken and changes nothing.
    for message in (HELLO, AUDIO, dg.SettingsApplied(), dg.ErrorMessage(code="x")):
        pair.client.receive(dg.encode(message))
    for sent in (AUDIO, SETTINGS, dg.UpdatePrompt(prompt="x"), dg.UpdateThink(think=())):
        pair.server.receive(dg.encode(sent), 1.0)
    assert pair.server.settings == SETTINGS
    with pytest.raises(RemoteWireError) as caught:
        pair.server.receive("not json", 1.0)
    assert caught.value.reply is None
    assert pair.states == (State.ENDED, State.ENDED)


@pytest.mark.parametrize("applied", [False, True])
def test_nothing_goes_over_a_closed_socket(applied: bool) -> None:
    pair = Pair(applied=applied)
    for end in (pair.client, pair.server):
        end.closed()
        end.closed()
    with pytest.raises(LocalWireError, match="CLOSED"):
        pair.client.send(SETTINGS, 0.0)
    with pytest.raises(LocalWireError, match="CLOSED"):
        pair.server.send(dg.WarningMessage())
    with pytest.raises(RemoteWireError, match="CLOSED"):
        pair.client.receive(dg.encode(HELLO))
    with pytest.raises(RemoteWireError, match="CLOSED") as caught:
        pair.server.receive(dg.encode(SETTINGS), 0.0)
    assert caught.value.reply is None


# --- our own mistakes


@pytest.mark.parametrize(
    "message",
    [
        dg.InjectAgentMessage(),
        dg.InjectAgentMessage(message="x", behavior="shout"),
        dg.InjectAgentMessage(message="x", is_dynamic=True),
        dg.FunctionCallResponse(name="f", content="x"),
        dg.CustomToThinkProvider(content=object()),
        dg.UpdatePrompt(prompt=cast("str", object())),
    ],
)
def test_client_does_not_send_what_a_server_must_refuse(message: dg.ClientMessage) -> None:
    pair = Pair()
    with pytest.raises(LocalWireError):
        pair.client.send(message, 0.0)
    assert pair.client.pending_updates == ()


def test_messages_of_the_other_side_are_our_error() -> None:
    pair = Pair()
    with pytest.raises(LocalWireError, match="Welcome"):
        pair.client.send(cast("dg.ClientMessage", dg.Welcome(request_id="x")), 0.0)
    with pytest.raises(LocalWireError, match="KeepAlive"):
        pair.server.send(cast("dg.ServerMessage", dg.KeepAlive()))


def test_undecodable_messages_leave_a_client_as_it_is() -> None:
    pair = Pair()
    for message in ("not json", '{"type":"ConversationText"}', "[]"):
        with pytest.raises(RemoteWireError) as caught:
            pair.client.receive(message)
        assert caught.value.reply is None
    assert pair.client.state is State.IDLE
    with pytest.raises(RemoteWireError):
        dg.DeepgramClient(0.0, max_octets=10).receive('{"type":"AgentAudioDone"}')
    server = dg.DeepgramServer(0.0, max_octets=10)
    server.send(dg.Welcome(request_id="r1"))
    with pytest.raises(RemoteWireError):
        server.receive('{"type":"Settings"}', 0.0)


def test_send_audio_is_send() -> None:
    client = Pair().client
    payload = bytes(range(256))
    assert client.send_audio(payload, 1.0) == client.send(dg.BinaryAudio(payload), 1.0) == payload


# --- the tables


@pytest.mark.parametrize("table", [CLIENT_TABLE, SERVER_TABLE])
def test_every_state_of_the_tables_can_be_reached_and_left(table: dict[State, dict[object, State]]) -> None:
    assert set(table) == set(State)
    targets = {state for moves in table.values() for state in moves.values()}
    assert targets | {State.AWAIT_WELCOME} == set(State)
    assert all(State.CLOSED in moves.values() for moves in table.values())


def test_a_client_hears_every_message_in_every_open_state() -> None:
    for state, moves in CLIENT_TABLE.items():
        heard = {kind for direction, kind in moves if direction is Direction.RECEIVED}
        assert state is State.CLOSED or heard >= {*dg.SERVER_MESSAGES, dg.Unknown, dg.BinaryAudio}


def test_a_server_can_say_everything_in_some_state() -> None:
    said = {
        kind for moves in SERVER_TABLE.values() for direction, kind in moves if direction is Direction.SENT
    }
    assert said >= {*dg.SERVER_MESSAGES, dg.BinaryAudio}
