"""A client of the dialect in front of a server of the real wire: what each message becomes."""

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from callboard.protocols import RemoteWireError, grok
from callboard.protocols.grok import dialect
from tests.protocols.grok_kit import server_events
from tests.protocols.test_grok_dialect import client_messages

SECOND = bytes(48000)  # of 24 kHz PCM


def encoded(payload: bytes) -> str:
    return grok.encode_audio(payload)


@attrs.define
class Bridge:
    """The translator, a real wire's server that checks what it is given, and a clock."""

    translator: dialect.DialectServer = attrs.field(factory=dialect.DialectServer)
    now: float = 100.0
    n_responses: int = 0

    def client(self, message: dialect.ClientMessage) -> list[grok.ClientEvent]:
        return list(self.translator.receive(dialect.encode(message), self.now))

    def server(self, event: grok.ServerEvent | grok.BinaryAudio) -> list[dialect.ServerMessage]:
        return list(self.translator.send(event, self.now))

    def configure(self, **config: object) -> dialect.ServerMessage:
        (update,) = self.client(dialect.SessionConfigure(config=config))
        assert isinstance(update, grok.SessionUpdate)
        (answer,) = self.server(grok.SessionUpdated(session={"model": "grok-voice-latest"}))
        return answer

    def begin(self) -> str:
        self.n_responses += 1
        response_id = f"r{self.n_responses}"
        assert not self.server(grok.ResponseCreated(response=grok.Response(id=response_id)))
        return response_id

    def audio(self, payload: bytes, item_id: str = "a1", response_id: str = "r1") -> None:
        (delta,) = self.server(
            grok.ResponseOutputAudioDelta(response_id=response_id, item_id=item_id, delta=encoded(payload))
        )
        assert isinstance(delta, dialect.AudioDelta)
        assert delta.payload() == payload

    def call(self, call_id: str, response_id: str = "r1") -> list[dialect.ServerMessage]:
        return self.server(
            grok.ResponseFunctionCallArgumentsDone(
                response_id=response_id,
                item_id=f"i-{call_id}",
                call_id=call_id,
                name="look",
                arguments='{"a":1}',
            )
        )

    def done(self, response_id: str = "r1") -> list[grok.ClientEvent]:
        assert not self.server(grok.ResponseDone(response=grok.Response(id=response_id)))
        return self.followers()

    def followers(self) -> list[grok.ClientEvent]:
        return list(self.translator.follow_ups())


@pytest.fixture
def bridge() -> Bridge:
    configured = Bridge()
    configured.configure()
    return configured


CREATE = grok.ResponseCreate()
COMMIT = grok.InputAudioBufferCommit()
AUDIO = dialect.AudioAppend(audio=encoded(SECOND))


def refused(bridge: Bridge, message: dialect.ClientMessage) -> grok.ErrorDetail:
    with pytest.raises(RemoteWireError) as raised:
        bridge.client(message)
    reply = raised.value.reply
    assert isinstance(reply, dialect.ErrorMessage)
    return reply.error


# --- settings


def test_settings_become_an_update_of_the_real_session() -> None:
    bridge = Bridge()
    tool = {"type": "function", "function": {"name": "look"}}
    (update,) = bridge.client(
        dialect.SessionConfigure(
            config={"model": "grok-4", "voice": "eve", "sample_rate": 16000, "tools": [tool]}
        )
    )
    assert isinstance(update, grok.SessionUpdate)
    pcm = {"type": "audio/pcm", "rate": 16000}
    assert update.session == {
        "voice": "eve",
        "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
        "audio": {
            "input": {"format": pcm, "transcription": {"model": "grok-transcribe"}},
            "output": {"format": pcm},
        },
        "tools": [{"type": "function", "name": "look"}],
    }
    receipt = {"model": "grok-voice-latest", "voice": "ara"}
    assert bridge.server(grok.SessionUpdated(session=receipt)) == [
        dialect.SessionConfigured(
            config={"model": "grok-voice-latest", "voice": "ara", "sample_rate": 16000, "tools": [tool]}
        )
    ]


def test_a_session_begins_with_its_settings() -> None:
    bridge = Bridge()
    for message in (AUDIO, dialect.TextAppend(text="x"), dialect.ConversationInterrupt()):
        error = refused(bridge, message)
        assert error.param == "type"
        assert "expected session.configure first" in error.message
    bridge.configure()
    assert bridge.client(AUDIO)


def test_later_settings_change_what_they_name() -> None:
    bridge = Bridge()
    bridge.configure(sample_rate=16000, voice="eve")
    (update,) = bridge.client(dialect.SessionConfigure(config={"voice": "leo"}))
    assert isinstance(update, grok.SessionUpdate)
    config = grok.parse_session(update.session)
    assert (config.voice, config.input_format.rate) == ("leo", 16000)


def test_settings_of_the_dialect_that_are_wrong_never_reach_the_server(bridge: Bridge) -> None:
    error = refused(bridge, dialect.SessionConfigure(config={"input_audio_format": "mp3"}))
    assert error.param == "config.input_audio_format"
    (update,) = bridge.client(dialect.SessionConfigure(config={}))
    assert isinstance(update, grok.SessionUpdate)


def test_settings_that_the_server_refuses_are_taken_back(bridge: Bridge) -> None:
    (update,) = bridge.client(dialect.SessionConfigure(config={"sample_rate": 8000}))
    answer = grok.invalid_request(
        "session.audio.input.format.rate: no",
        param="session.audio.input.format.rate",
        event_id=update.event_id,
    )
    (error,) = bridge.server(answer)
    assert isinstance(error, dialect.ErrorMessage)
    assert (error.error.param, error.error.event_id) == ("config.sample_rate", None)
    config = bridge.configure()
    assert isinstance(config, dialect.SessionConfigured)
    assert config.config == {"model": "grok-voice-latest"}


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("session.voice", "config.voice"),
        ("session.audio.output.format.type", "config.output_audio_format"),
        ("session.tools[0].name", "config.tools[0].name"),
        ("audio", "audio"),
        (None, None),
    ],
)
def test_fields_at_fault_are_named_as_the_client_knows_them(
    bridge: Bridge, path: str | None, param: str | None
) -> None:
    (error,) = bridge.server(grok.invalid_request("no", param=path))
    assert isinstance(error, dialect.ErrorMessage)
    assert error.error.param == param


# --- what is said


def heard(text: str, status: str | None) -> grok.ServerEvent:
    return grok.ConversationItemInputAudioTranscriptionCompleted(item_id="u1", transcript=text, status=status)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            grok.ResponseOutputAudioTranscriptDelta(response_id="r1", item_id="a1", delta=" there"),
            dialect.Transcript(text=" there", role="assistant", final=False),
        ),
        (
            grok.ResponseOutputAudioTranscriptDone(response_id="r1", item_id="a1", transcript="Hi there"),
            dialect.Transcript(text="Hi there", role="assistant", final=True),
        ),
        (
            grok.ResponseOutputTextDelta(response_id="r1", item_id="a1", delta="x"),
            dialect.Transcript(text="x", role="assistant", final=False),
        ),
        (
            grok.ResponseOutputTextDone(response_id="r1", item_id="a1", text="xy"),
            dialect.Transcript(text="xy", role="assistant", final=True),
        ),
        (heard("hello", "completed"), dialect.Transcript(text="hello", role="user", final=True)),
        (heard("hello", None), dialect.Transcript(text="hello", role="user", final=True)),
    ],
)
def test_what_is_said_comes_with_who_said_it(
    bridge: Bridge, event: grok.ServerEvent, said: dialect.Transcript
) -> None:
    assert bridge.server(event) == [said]


def test_unfinished_and_empty_transcripts_are_not_sent(bridge: Bridge) -> None:
    assert not bridge.server(heard("hel", "in_progress"))
    assert not bridge.server(heard("", "completed"))
    assert not bridge.server(grok.ResponseOutputAudioTranscriptDone(response_id="r1", item_id="a1"))


def test_binary_audio_becomes_text(bridge: Bridge) -> None:
    assert bridge.server(grok.BinaryAudio(b"\1\2")) == [dialect.AudioDelta(audio=encoded(b"\1\2"))]


@given(server_events)
def test_events_of_the_real_wire_never_slip_through(event: grok.ServerEvent) -> None:
    translator = dialect.DialectServer()
    try:
        messages = translator.send(event, 0.0)
    except RemoteWireError:
        assert isinstance(event, grok.ResponseOutputAudioDelta)
        return
    for message in messages:
        assert isinstance(message, dialect.SERVER_MESSAGES)
        assert isinstance(dialect.decode_server_message(dialect.encode(message)).event, type(message))


# --- asking for answers


def test_text_is_an_item_and_a_request(bridge: Bridge) -> None:
    item = grok.Message(role="user", content=(grok.ContentPart.input_text("Hello"),))
    assert bridge.client(dialect.TextAppend(text="Hello")) == [grok.ConversationItemCreate(item=item), CREATE]


def test_text_during_an_answer_waits_for_its_end(bridge: Bridge) -> None:
    bridge.begin()
    (item,) = bridge.client(dialect.TextAppend(text="And then?"))
    assert isinstance(item, grok.ConversationItemCreate)
    (item,) = bridge.client(dialect.TextAppend(text="Well?"))
    assert bridge.done() == [CREATE]
    assert not bridge.followers()
    # The one that was asked for answers both.
    bridge.begin()
    assert bridge.done("r2") == []


def test_requests_are_not_doubled_before_the_answer_begins(bridge: Bridge) -> None:
    assert bridge.client(dialect.TextAppend(text="a"))[1:] == [CREATE]
    assert bridge.client(dialect.TextAppend(text="b"))[1:] == []
    bridge.begin()
    assert bridge.done() == []


def test_a_request_that_came_too_early_is_repeated(bridge: Bridge) -> None:
    bridge.client(dialect.TextAppend(text="a"))
    assert not bridge.server(grok.invalid_request("Conversation already has an active response"))
    bridge.begin()
    assert bridge.done() == []


def test_a_request_refused_while_another_answer_runs_is_repeated_after_it(bridge: Bridge) -> None:
    bridge.client(dialect.TextAppend(text="a"))
    bridge.begin()
    bridge.server(grok.invalid_request("Conversation already has an active response"))
    assert bridge.done() == [CREATE]


def test_commit_ends_the_turn_and_asks(bridge: Bridge) -> None:
    assert bridge.client(AUDIO) == [grok.InputAudioBufferAppend(audio=AUDIO.audio)]
    assert bridge.client(dialect.AudioCommit()) == [COMMIT, CREATE]


def test_commit_without_audio_only_asks(bridge: Bridge) -> None:
    assert bridge.client(dialect.AudioCommit()) == [CREATE]


def test_commit_after_a_turn_that_was_noticed_is_ignored(bridge: Bridge) -> None:
    bridge.client(AUDIO)
    bridge.server(grok.InputAudioBufferSpeechStarted(item_id="u1"))
    bridge.server(grok.InputAudioBufferSpeechStopped(item_id="u1"))
    bridge.server(grok.InputAudioBufferCommitted(item_id="u1"))
    bridge.client(AUDIO)
    assert bridge.client(dialect.AudioCommit()) == []
    bridge.begin()
    assert bridge.client(dialect.AudioCommit()) == []
    bridge.audio(SECOND)
    assert bridge.done() == []
    # Still to be heard.
    assert bridge.client(dialect.AudioCommit()) == []
    bridge.now += 1.0
    assert bridge.client(dialect.AudioCommit()) == [COMMIT, CREATE]


def test_commit_while_the_caller_speaks_over_an_answer_counts(bridge: Bridge) -> None:
    bridge.begin()
    bridge.audio(SECOND)
    bridge.client(AUDIO)
    bridge.server(grok.InputAudioBufferSpeechStarted(item_id="u1"))
    assert bridge.client(dialect.AudioCommit()) == [COMMIT]
    bridge.followers()
    assert bridge.done() == [CREATE]


def test_commit_in_manual_mode_always_counts() -> None:
    bridge = Bridge()
    bridge.configure(turn_detection={"type": None})
    bridge.begin()
    bridge.client(AUDIO)
    assert bridge.client(dialect.AudioCommit()) == [COMMIT]
    assert bridge.done() == [CREATE]


# --- functions


def test_a_call_is_announced_once_and_its_result_asks(bridge: Bridge) -> None:
    bridge.begin()
    function = dialect.CalledFunction(name="look", arguments='{"a":1}')
    assert bridge.call("c1") == [dialect.ToolCall(id="c1", function=function)]
    item = grok.FunctionCall(id="i-c1", status="completed", call_id="c1", name="look", arguments='{"a":1}')
    assert not bridge.server(grok.ResponseOutputItemDone(response_id="r1", item=item))
    assert not bridge.server(grok.ResponseDone(response=grok.Response(id="r1", output=(item,))))
    output = grok.FunctionCallOutput(call_id="c1", output="42")
    assert bridge.client(dialect.ToolResult(tool_call_id="c1", result="42")) == [
        grok.ConversationItemCreate(item=output),
        CREATE,
    ]


def test_the_model_goes_on_after_the_last_result(bridge: Bridge) -> None:
    bridge.begin()
    bridge.call("c1")
    bridge.call("c2")
    assert bridge.done() == []
    assert CREATE not in bridge.client(dialect.ToolResult(tool_call_id="c2", result=""))
    assert CREATE in bridge.client(dialect.ToolResult(tool_call_id="c1", result=""))


def test_a_quick_result_waits_for_the_rest_of_the_answer(bridge: Bridge) -> None:
    bridge.begin()
    bridge.call("c1")
    assert CREATE not in bridge.client(dialect.ToolResult(tool_call_id="c1", result=""))
    bridge.call("c2")
    assert bridge.done() == []
    assert CREATE in bridge.client(dialect.ToolResult(tool_call_id="c2", result=""))


def test_results_that_an_answer_knows_of_are_not_asked_for_again(bridge: Bridge) -> None:
    bridge.begin()
    bridge.call("c1")
    bridge.client(dialect.ToolResult(tool_call_id="c1", result=""))
    bridge.begin()
    assert bridge.done("r2") == []


def test_results_of_unknown_calls_are_refused(bridge: Bridge) -> None:
    assert refused(bridge, dialect.ToolResult(tool_call_id="c1", result="")).param == "tool_call_id"
    bridge.begin()
    bridge.call("c1")
    bridge.client(dialect.ToolResult(tool_call_id="c1", result=""))
    assert refused(bridge, dialect.ToolResult(tool_call_id="c1", result="")).param == "tool_call_id"


def test_calls_that_nobody_answers_do_not_fill_the_memory(bridge: Bridge) -> None:
    bridge.begin()
    for number in range(1100):
        assert bridge.call(f"c{number}")
    assert refused(bridge, dialect.ToolResult(tool_call_id="c0", result="")).param == "tool_call_id"
    assert bridge.client(dialect.ToolResult(tool_call_id="c1099", result=""))


# --- interruptions


def test_an_interruption_cancels_and_cuts_what_was_not_heard(bridge: Bridge) -> None:
    bridge.begin()
    bridge.audio(SECOND)
    bridge.now += 0.25
    bridge.audio(SECOND)
    assert bridge.client(dialect.ConversationInterrupt()) == [
        grok.ResponseCancel(),
        grok.ConversationItemTruncate(item_id="a1", audio_end_ms=250),
    ]
    assert bridge.client(dialect.ConversationInterrupt()) == [grok.ResponseCancel()]


def test_an_answer_that_was_heard_is_not_cut(bridge: Bridge) -> None:
    bridge.begin()
    bridge.audio(SECOND)
    bridge.done()
    bridge.now += 1.5
    assert bridge.client(dialect.ConversationInterrupt()) == [grok.ResponseCancel()]


def test_answers_behind_one_another_are_cut_at_their_own_places(bridge: Bridge) -> None:
    bridge.begin()
    bridge.audio(SECOND, "a1")
    bridge.audio(SECOND, "a2")
    bridge.audio(SECOND, "a3")
    bridge.now += 1.5
    assert bridge.client(dialect.ConversationInterrupt())[1:] == [
        grok.ConversationItemTruncate(item_id="a2", audio_end_ms=500),
        grok.ConversationItemTruncate(item_id="a3", audio_end_ms=0),
    ]


def test_a_pause_in_the_audio_counts(bridge: Bridge) -> None:
    bridge.begin()
    bridge.audio(SECOND)
    bridge.now += 3.0
    bridge.audio(SECOND)
    bridge.now += 0.25
    assert bridge.client(dialect.ConversationInterrupt())[1:] == [
        grok.ConversationItemTruncate(item_id="a1", audio_end_ms=1250)
    ]


def test_a_caller_who_speaks_cuts_the_answer_too(bridge: Bridge) -> None:
    bridge.begin()
    bridge.audio(SECOND)
    bridge.now += 0.5
    assert not bridge.server(grok.InputAudioBufferSpeechStarted(item_id="u1"))
    assert bridge.followers() == [grok.ConversationItemTruncate(item_id="a1", audio_end_ms=500)]


def test_a_caller_cuts_nothing_where_that_is_switched_off() -> None:
    bridge = Bridge()
    bridge.configure(turn_detection={"type": "server_vad", "interrupt_response": False})
    bridge.begin()
    bridge.audio(SECOND)
    bridge.server(grok.InputAudioBufferSpeechStarted(item_id="u1"))
    assert bridge.followers() == []


def test_an_answer_dropped_without_a_word_holds_nothing_up(bridge: Bridge) -> None:
    bridge.begin()
    bridge.server(grok.InputAudioBufferSpeechStarted(item_id="u1"))
    bridge.server(grok.InputAudioBufferSpeechStopped(item_id="u1"))
    assert bridge.client(dialect.TextAppend(text="Hello?"))[1:] == [CREATE]


@pytest.mark.parametrize(
    "message", ["Cancellation failed: no active response found", "Cannot truncate item 'a1' to 9 ms"]
)
def test_lost_races_are_not_the_clients_business(bridge: Bridge, message: str) -> None:
    assert not bridge.server(grok.invalid_request(message))


def test_audio_is_reckoned_in_the_format_in_force() -> None:
    bridge = Bridge()
    bridge.configure(output_audio_format="g711_ulaw")
    bridge.begin()
    bridge.audio(bytes(8000))
    bridge.now += 0.5
    assert bridge.client(dialect.ConversationInterrupt())[1:] == [
        grok.ConversationItemTruncate(item_id="a1", audio_end_ms=500)
    ]


# --- anything at all


@settings(max_examples=50)
@given(st.lists(client_messages | server_events, max_size=30))
def test_no_order_of_events_raises_anything_else(
    events: list[dialect.ClientMessage | grok.ServerEvent],
) -> None:
    translator = dialect.DialectServer()
    for now, event in enumerate(events):
        try:
            if isinstance(event, dialect.ClientMessage):
                for sent in translator.receive(dialect.encode(event), now):
                    grok.decode_client_event(grok.encode(sent))
            else:
                translator.send(event, now)
        except RemoteWireError:
            continue
        for follower in translator.follow_ups():
            grok.decode_client_event(grok.encode(follower))
