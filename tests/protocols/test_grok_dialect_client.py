"""A client of the real wire in front of a server of the dialect: what each message becomes, and what is made up."""

import json

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, grok
from callboard.protocols.grok import dialect
from tests.protocols.grok_kit import client_events
from tests.protocols.test_grok_dialect import server_messages

SECOND = bytes(48000)  # of 24 kHz PCM
QUIET, SETTLE = 1.0, 0.25

VAD: dict[str, object] = {"turn_detection": {"type": "server_vad"}}


@attrs.define
class Bridge:
    """The translator, a protocol object of the real wire that checks what comes out of it, and a clock."""

    translator: dialect.DialectClient = attrs.field(
        factory=lambda: dialect.DialectClient(model="m", name="d")
    )
    real: grok.GrokClient = attrs.field(factory=grok.GrokClient)
    now: float = 100.0

    def client(self, event: grok.ClientEvent | grok.BinaryAudio) -> list[dialect.ClientMessage]:
        return list(self.translator.send(event, self.now))

    def open(self, *events: grok.ClientEvent) -> list[dialect.ClientMessage]:
        return list(self.translator.open(events, self.now))

    def server(self, message: dialect.ServerMessage) -> list[grok.Event]:
        return self._checked(self.translator.receive(dialect.encode(message), self.now))

    def _checked(self, decoded: tuple[grok.Decoded, ...]) -> list[grok.Event]:
        for entry in decoded:
            message = grok.encode(entry.event)
            again = self.real.receive(message).event
            assert again == entry.event
        return [entry.event for entry in decoded]

    def wait(self, seconds: float) -> list[grok.Event]:
        """Let time pass; the timer is heeded."""
        until = self.now + seconds
        deadline = self.translator.deadline
        events: list[grok.Event] = []
        if deadline is not None and deadline <= until:
            assert not self.translator.handle_timer(deadline - 0.01)
            events = self._checked(self.translator.handle_timer(deadline))
        self.now = until
        return events

    def configured(self, **session: object) -> None:
        self.open(grok.SessionUpdate(session=VAD | session))
        self.server(dialect.SessionConfigured())

    def audio(self, payload: bytes = SECOND) -> list[grok.Event]:
        return self.server(dialect.AudioDelta(audio=grok.encode_audio(payload)))

    def agent(self, text: str, *, final: bool | None = None) -> list[grok.Event]:
        return self.server(dialect.Transcript(text=text, role="assistant", final=final))

    def caller(self, text: str, *, final: bool | None = True) -> list[grok.Event]:
        return self.server(dialect.Transcript(text=text, role="user", final=final))

    def call(self, call_id: str = "c1") -> list[grok.Event]:
        function = dialect.CalledFunction(name="look", arguments='{"a": 1}')
        return self.server(dialect.ToolCall(id=call_id, function=function))

    def result(self, call_id: str = "c1") -> list[dialect.ClientMessage]:
        item = grok.FunctionCallOutput(call_id=call_id, output="42")
        return self.client(grok.ConversationItemCreate(item=item))


@pytest.fixture
def bridge() -> Bridge:
    configured = Bridge()
    configured.configured()
    return configured


def types(events: list[grok.Event]) -> list[str]:
    return [getattr(event, "type", "binary") for event in events]


def written(text: str, role: str = "user", item_id: str | None = None) -> grok.ConversationItemCreate:
    part = grok.ContentPart.output_text(text) if role == "assistant" else grok.ContentPart.input_text(text)
    return grok.ConversationItemCreate(item=grok.Message(id=item_id, role=role, content=(part,)))


def response(events: list[grok.Event]) -> grok.Response:
    (done,) = [event for event in events if isinstance(event, grok.ResponseDone)]
    return done.response


def outputs(events: list[grok.Event]) -> list[grok.Item]:
    return list(response(events).output or ())


CREATE = grok.ResponseCreate()
OPENED = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
CLOSED = [
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_audio.done",
    "response.output_item.done",
]
GREETING = ["session.created", "conversation.created"]
SPOKE = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.input_audio_transcription.completed",
]


# --- settings


def test_the_update_becomes_settings_and_their_confirmation_an_update() -> None:
    bridge = Bridge()
    audio = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}
    (configure,) = bridge.open(grok.SessionUpdate(session=VAD | {"voice": "eve", "audio": audio}))
    assert configure == dialect.SessionConfigure(
        config={
            "model": "m",
            "voice": "eve",
            "input_audio_format": "g711_ulaw",
            "output_audio_format": "g711_ulaw",
            "sample_rate": 8000,
        }
    )
    events = bridge.server(dialect.SessionConfigured(config={"voice": "eve"}))
    assert types(events) == [*GREETING, "session.updated"]
    updated = events[-1]
    assert isinstance(updated, grok.SessionUpdated)
    config = grok.parse_session(updated.session)
    assert (config.voice, config.manual, config.input_format.type) == ("eve", False, "audio/pcmu")
    assert bridge.real.conversation_id == "d-conversation"


def test_a_client_without_settings_makes_the_server_speak_all_the_same() -> None:
    bridge = Bridge()
    (configure,) = bridge.open()
    assert isinstance(configure, dialect.SessionConfigure)
    # Nobody asked, so nobody is told of an update.
    assert types(bridge.server(dialect.SessionConfigured())) == GREETING


def test_all_settings_are_said_each_time(bridge: Bridge) -> None:
    (configure,) = bridge.client(grok.SessionUpdate(session={"voice": "leo"}))
    (again,) = bridge.client(grok.SessionUpdate(session={"instructions": "Be brief."}))
    assert isinstance(configure, dialect.SessionConfigure)
    assert isinstance(again, dialect.SessionConfigure)
    assert again.config == {**configure.config, "instructions": "Be brief."}


def test_formats_that_the_server_names_are_believed(bridge: Bridge) -> None:
    bridge.client(grok.SessionUpdate(session={}))
    echo = {"output_audio_format": "g711_alaw", "input_audio_format": "mp3", "sample_rate": 16000}
    (updated,) = bridge.server(dialect.SessionConfigured(config=echo))
    assert isinstance(updated, grok.SessionUpdated)
    config = grok.parse_session(updated.session)
    assert config.output_format == grok.AudioFormatConfig(type="audio/pcma")
    assert config.input_format == grok.AudioFormatConfig(type="audio/pcm", rate=16000)


def test_settings_that_cannot_be_said_change_nothing(bridge: Bridge) -> None:
    for session in ({"audio": {"output": {"format": {"type": "audio/opus"}}}}, {"tools": [{"type": "x"}]}):
        with pytest.raises(LocalWireError):
            bridge.client(grok.SessionUpdate(session=session))
    (configure,) = bridge.client(grok.SessionUpdate(session={}))
    assert isinstance(configure, dialect.SessionConfigure)
    assert configure.config["output_audio_format"] == "pcm16"


def test_settings_without_a_place_are_named(bridge: Bridge) -> None:
    assert not bridge.translator.left_out
    bridge.client(grok.SessionUpdate(session={"audio": {"output": {"speed": 1.25}}}))
    assert bridge.translator.left_out == ("audio.output.speed",)


@pytest.mark.parametrize(
    ("param", "path"),
    [
        ("config.sample_rate", "session.audio.input.format.rate"),
        ("config.voice", "session.voice"),
        ("config", "session"),
    ],
)
def test_an_error_about_settings_is_the_answer_to_the_update(bridge: Bridge, param: str, path: str) -> None:
    bridge.client(grok.SessionUpdate(session={"voice": "nobody"}, event_id="e7"))
    detail = grok.ErrorDetail(type="invalid_request_error", message="no", param=param)
    (error,) = bridge.server(dialect.ErrorMessage(error=detail))
    assert isinstance(error, grok.ErrorEvent)
    assert (error.error.event_id, error.error.param) == ("e7", path)
    (configure,) = bridge.client(grok.SessionUpdate(session={}))
    assert isinstance(configure, dialect.SessionConfigure)
    assert "voice" not in configure.config


def test_an_error_before_the_first_settings_is_about_them() -> None:
    bridge = Bridge()
    bridge.open(grok.SessionUpdate(session=VAD, event_id="e1"))
    *_, error = bridge.server(dialect.ErrorMessage(error=grok.ErrorDetail(type="error", message="no")))
    assert isinstance(error, grok.ErrorEvent)
    assert error.error.event_id == "e1"


def test_other_errors_come_as_they_are(bridge: Bridge) -> None:
    bridge.client(grok.SessionUpdate(session={}, event_id="e7"))
    detail = grok.ErrorDetail(type="timeout", message="too long")
    assert bridge.server(dialect.ErrorMessage(error=detail)) == [grok.ErrorEvent(error=detail)]


# --- an answer


def test_an_answer_with_audio_and_text(bridge: Bridge) -> None:
    events = bridge.audio()
    assert types(events) == ["response.created", *OPENED, "response.output_audio.delta"]
    assert types(bridge.agent("Good", final=False)) == ["response.output_audio_transcript.delta"]
    assert types(bridge.agent(" day", final=False)) == ["response.output_audio_transcript.delta"]
    assert types(bridge.audio()) == ["response.output_audio.delta"]
    events = bridge.wait(5)
    assert types(events) == [*CLOSED, "response.done"]
    message = outputs(events)[0]
    assert isinstance(message, grok.Message)
    assert (message.words, message.status, response(events).status) == ("Good day", "completed", "completed")
    assert bridge.translator.deadline is None


def test_an_answer_ends_after_it_was_played_and_a_silence(bridge: Bridge) -> None:
    bridge.audio()
    bridge.wait(0.25)
    bridge.audio()
    assert bridge.translator.deadline == pytest.approx(100 + 2 + QUIET)
    assert bridge.wait(2.7) == []
    assert bridge.wait(0.1)


def test_a_text_alone_ends_after_a_silence(bridge: Bridge) -> None:
    bridge.agent("Hm")
    assert bridge.translator.deadline == pytest.approx(100 + QUIET)


def test_the_whole_text_ends_an_answer_at_once(bridge: Bridge) -> None:
    bridge.audio()
    assert types(bridge.agent("Hello.", final=True)) == ["response.output_audio_transcript.done"]
    assert bridge.translator.deadline == pytest.approx(100 + SETTLE)
    # Not said twice.
    assert types(bridge.wait(1)) == [*CLOSED[1:], "response.done"]


def test_words_after_the_whole_text_begin_another_answer(bridge: Bridge) -> None:
    ended = [*CLOSED[1:], "response.done", "response.created"]
    bridge.audio()
    bridge.agent("Hello.", final=True)
    assert types(bridge.audio())[:5] == ended
    bridge.agent("Hello.", final=True)
    assert types(bridge.agent("More", final=False))[:5] == ended


def test_audio_is_reckoned_in_the_format_in_force() -> None:
    bridge = Bridge()
    audio = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}
    bridge.configured(audio=audio)
    bridge.audio(bytes(8000))
    assert bridge.translator.deadline == pytest.approx(100 + 1 + QUIET)


def test_audio_that_is_not_base64_changes_nothing(bridge: Bridge) -> None:
    with pytest.raises(RemoteWireError):
        bridge.translator.receive('{"type": "audio.delta", "audio": "?"}', bridge.now)
    assert bridge.translator.deadline is None
    assert types(bridge.audio())[0] == "response.created"


def test_raw_is_the_message_for_the_event_that_says_the_same(bridge: Bridge) -> None:
    message = dialect.encode(dialect.AudioDelta(audio=grok.encode_audio(SECOND)))
    *made, said = bridge.translator.receive(message, bridge.now)
    assert said.raw == json.loads(message)
    assert made
    assert all(entry.raw == {} for entry in made)


def test_ids_differ_between_answers_and_connections(bridge: Bridge) -> None:
    ids: set[str] = set()
    for name in ("one", "two"):
        other = Bridge(translator=dialect.DialectClient(name=name))
        other.configured()
        for _ in range(2):
            created = other.audio()[0]
            assert isinstance(created, grok.ResponseCreated)
            ids.add(created.response.id)
            other.wait(10)
    assert len(ids) == 4


def test_unknown_messages_are_passed_on(bridge: Bridge) -> None:
    (decoded,) = bridge.translator.receive('{"type": "hint", "x": 1}', bridge.now)
    assert decoded.event == grok.Unknown("hint", {"type": "hint", "x": 1})


# --- asking


def test_a_text_goes_out_when_an_answer_is_wanted(bridge: Bridge) -> None:
    assert bridge.client(written("Hello")) == []
    assert bridge.client(written("again")) == []
    assert bridge.client(CREATE) == [dialect.TextAppend(text="Hello\nagain")]
    events = bridge.audio()
    # Now there is a sign that the server has it.
    assert types(events)[:3] == ["conversation.item.added", "conversation.item.added", "response.created"]


def test_a_text_that_was_deleted_does_not_go_out(bridge: Bridge) -> None:
    bridge.client(written("Hello", item_id="m1"))
    bridge.client(grok.ConversationItemDelete(item_id="m1"))
    assert bridge.client(CREATE) == [dialect.AudioCommit()]


def test_a_commit_goes_out_when_an_answer_is_wanted(bridge: Bridge) -> None:
    assert bridge.client(grok.InputAudioBufferCommit()) == []
    assert bridge.client(CREATE) == [dialect.AudioCommit()]


def test_metadata_comes_back_with_the_answer(bridge: Bridge) -> None:
    bridge.client(grok.ResponseCreate(response=grok.ResponseOptions(metadata={"k": "v"})))
    created = bridge.audio()[0]
    assert isinstance(created, grok.ResponseCreated)
    assert created.response.metadata == {"k": "v"}
    assert response(bridge.wait(9)).metadata == {"k": "v"}
    created = bridge.audio()[0]
    assert isinstance(created, grok.ResponseCreated)
    assert created.response.metadata is None


def test_audio_goes_out_in_either_form(bridge: Bridge) -> None:
    append = dialect.AudioAppend(audio=grok.encode_audio(b"\1\2"))
    assert bridge.client(grok.BinaryAudio(b"\1\2")) == [append]
    assert bridge.client(grok.InputAudioBufferAppend(audio=append.audio)) == [append]


@attrs.frozen(kw_only=True)
class Given(grok.ClientEvent):
    """A message as a user wrote it."""

    message: dict[str, object]

    def to_wire(self) -> dict[str, object]:
        return self.message


def test_events_written_as_json_are_understood(bridge: Bridge) -> None:
    assert bridge.client(Given(message={"type": "response.create"})) == [dialect.AudioCommit()]
    wrong: list[dict[str, object]] = [{"type": "response.create", "response": 5}, {"type": "nothing"}]
    for message in wrong:
        with pytest.raises(LocalWireError):
            bridge.client(Given(message=message))


@pytest.mark.parametrize(
    "event",
    [
        grok.InputAudioBufferClear(),
        grok.ResponseCreate(response=grok.ResponseOptions(instructions="Shout.")),
        grok.ConversationItemCreate(
            item=grok.ForceMessage(role="assistant", content=(grok.ContentPart.output_text("Hi"),))
        ),
        grok.ConversationItemCreate(
            item=grok.Message(role="user", content=(grok.ContentPart(type="input_audio", audio="AAAA"),))
        ),
        grok.ConversationItemCreate(item=grok.UnknownItem("x", {})),
    ],
)
def test_what_the_dialect_cannot_say(bridge: Bridge, event: grok.ClientEvent) -> None:
    bridge.client(written("Hello"))
    with pytest.raises(LocalWireError, match="the dialect has no message for"):
        bridge.client(event)
    assert bridge.client(CREATE) == [dialect.TextAppend(text="Hello")]


# --- functions


def test_a_call_is_an_answer_of_its_own(bridge: Bridge) -> None:
    events = bridge.call()
    assert types(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert bridge.call() == []
    done = bridge.wait(SETTLE)
    item = outputs(done)[0]
    assert isinstance(item, grok.FunctionCall)
    assert (item.call_id, item.name, item.arguments, item.status) == ("c1", "look", '{"a": 1}', "completed")


def test_a_call_behind_words_is_of_the_same_answer(bridge: Bridge) -> None:
    bridge.audio()
    bridge.agent("Let me look.", final=True)
    events = [*bridge.call("c1"), *bridge.call("c2")]
    assert "response.created" not in types(events)
    assert types(events)[:3] == CLOSED[1:]
    output = outputs(bridge.wait(SETTLE))
    assert [item.type for item in output] == ["message", "function_call", "function_call"]
    assert len({item.id for item in output}) == 3


def test_results_need_no_request(bridge: Bridge) -> None:
    bridge.call("c1")
    bridge.call("c2")
    bridge.wait(1)
    assert bridge.result("c1") == [dialect.ToolResult(tool_call_id="c1", result="42")]
    assert bridge.result("c2") == [dialect.ToolResult(tool_call_id="c2", result="42")]
    assert bridge.client(CREATE) == []
    assert types(bridge.audio())[:3] == [*["conversation.item.added"] * 2, "response.created"]
    assert bridge.client(CREATE) == [dialect.AudioCommit()]


def test_the_answer_to_quick_results_is_a_new_one(bridge: Bridge) -> None:
    bridge.call()
    bridge.result()
    # Before the timer ended the first.
    assert types(bridge.audio())[:3] == ["response.done", "conversation.item.added", "response.created"]
    # As a client does that has just heard of the end of the first.
    assert bridge.client(CREATE) == []


def test_results_nobody_asked_to_go_on_from_do_not_swallow_a_later_request(bridge: Bridge) -> None:
    bridge.call()
    bridge.wait(1)
    bridge.result()
    bridge.audio()
    bridge.wait(10)
    assert bridge.client(CREATE) == [dialect.AudioCommit()]


def test_the_last_of_several_results_lets_the_model_go_on(bridge: Bridge) -> None:
    bridge.call("c1")
    bridge.call("c2")
    bridge.result("c1")
    assert types(bridge.call("c3"))[0] == "response.output_item.added"
    bridge.result("c2")
    bridge.result("c3")
    assert "response.created" in types(bridge.audio())


# --- interruptions


def test_cancel_and_truncate_are_one_interruption(bridge: Bridge) -> None:
    created = bridge.audio()[0]
    assert isinstance(created, grok.ResponseCreated)
    truncate = grok.ConversationItemTruncate(item_id="a1", audio_end_ms=5)
    cancel = grok.ResponseCancel(response_id=created.response.id)
    assert bridge.client(truncate) == [dialect.ConversationInterrupt()]
    assert bridge.client(cancel) == []
    assert response(bridge.wait(SETTLE)).status == "cancelled"
    bridge.audio()
    assert bridge.client(truncate) == [dialect.ConversationInterrupt()]


def test_what_was_on_its_way_belongs_to_the_interrupted_answer(bridge: Bridge) -> None:
    bridge.audio()
    bridge.client(grok.ResponseCancel())
    bridge.wait(0.2)
    assert types(bridge.audio()) == ["response.output_audio.delta"]
    assert types(bridge.agent("and so", final=False)) == ["response.output_audio_transcript.delta"]
    assert bridge.translator.deadline == pytest.approx(bridge.now + SETTLE)
    events = bridge.wait(SETTLE)
    message = outputs(events)[0]
    assert isinstance(message, grok.Message)
    assert (response(events).status, message.status) == ("cancelled", "incomplete")


def test_an_answer_that_plays_on_can_be_interrupted(bridge: Bridge) -> None:
    bridge.audio()
    bridge.agent("Hello.", final=True)
    bridge.wait(SETTLE)
    truncate = grok.ConversationItemTruncate(item_id="a1", audio_end_ms=5)
    assert bridge.client(truncate) == [dialect.ConversationInterrupt()]


def test_an_interruption_never_hits_the_next_answer(bridge: Bridge) -> None:
    bridge.caller("Hello")
    created = bridge.audio()[0]
    assert isinstance(created, grok.ResponseCreated)
    bridge.caller("Stop")
    # As a client does that is told of speech while it plays.
    assert bridge.client(grok.ConversationItemTruncate(item_id="a1", audio_end_ms=5)) == []
    assert bridge.client(grok.ResponseCancel(response_id=created.response.id)) == []
    # But one that names nothing means whatever comes.
    assert bridge.client(grok.ResponseCancel()) == [dialect.ConversationInterrupt()]


# --- the caller


def test_a_callers_words_are_a_turn(bridge: Bridge) -> None:
    events = bridge.caller("Hello")
    assert types(events) == SPOKE
    completed = events[-1]
    assert isinstance(completed, grok.ConversationItemInputAudioTranscriptionCompleted)
    assert (completed.transcript, completed.status) == ("Hello", "completed")


def test_words_over_an_answer_end_it(bridge: Bridge) -> None:
    bridge.caller("Hello")
    bridge.audio()
    bridge.agent("Good d", final=False)
    events = bridge.caller("Stop")
    assert types(events) == [SPOKE[0], *CLOSED, "response.done", *SPOKE[1:]]
    assert response(events).status == "cancelled"
    assert bridge.translator.deadline is None


def test_words_that_come_late_do_not_end_the_answer_to_them(bridge: Bridge) -> None:
    bridge.audio()
    assert types(bridge.caller("Hello")) == SPOKE[2:]
    assert types(bridge.audio()) == ["response.output_audio.delta"]
    # The next ones are about this answer.
    assert types(bridge.caller("Stop"))[0] == SPOKE[0]


def test_words_so_far_are_of_the_same_turn(bridge: Bridge) -> None:
    first = bridge.caller("Hel", final=False)
    second = bridge.caller("Hello", final=False)
    third = bridge.caller("Hello.")
    updated = "conversation.item.input_audio_transcription.updated"
    assert [types(first), types(second), types(third)] == [[SPOKE[0], updated], [updated], SPOKE[1:]]
    assert len({getattr(events[-1], "item_id", None) for events in (first, second, third)}) == 1


def test_manual_turns_have_no_speech_events() -> None:
    bridge = Bridge()
    bridge.configured(turn_detection={"type": None})
    assert types(bridge.caller("Hello")) == SPOKE[2:]


def test_words_without_a_name_are_the_agents_while_it_answers(bridge: Bridge) -> None:
    nobody = dialect.Transcript(text="Hello")
    assert types(bridge.server(nobody)) == SPOKE
    bridge.audio()
    assert types(bridge.server(nobody)) == ["response.output_audio_transcript.delta"]


# --- what was said before


def test_the_past_goes_into_the_instructions() -> None:
    bridge = Bridge()
    call = grok.FunctionCall(call_id="c9", name="look", arguments="{}")
    (configure, text) = bridge.open(
        grok.SessionUpdate(session=VAD | {"instructions": "Be brief."}),
        written("Be polite.", "system"),
        written("When?"),
        grok.ConversationItemCreate(item=call),
        grok.ConversationItemCreate(item=grok.FunctionCallOutput(call_id="c9", output="at six")),
        written("At six.", "assistant"),
        written("And then?"),
        CREATE,
    )
    assert isinstance(configure, dialect.SessionConfigure)
    instructions = str(configure.config["instructions"])
    assert instructions.splitlines()[0] == "Be brief."
    assert instructions.splitlines()[-5:] == [
        "Note: Be polite.",
        "User: When?",
        "You called look({})",
        "look returned: at six",
        "You: At six.",
    ]
    assert text == dialect.TextAppend(text="And then?")
    bridge.server(dialect.SessionConfigured())
    # Only what is new was added to this session.
    assert types(bridge.audio())[:2] == ["conversation.item.added", "response.created"]


def test_the_past_alone_is_told_too() -> None:
    bridge = Bridge()
    (configure,) = bridge.open(written("Hello.", "assistant"))
    assert isinstance(configure, dialect.SessionConfigure)
    assert str(configure.config["instructions"]).endswith("You: Hello.")
    # The server is not asked to go on, and the settings have no answer that anybody waits for.
    assert types(bridge.server(dialect.SessionConfigured())) == GREETING


def test_notes_during_a_session_change_the_instructions(bridge: Bridge) -> None:
    (configure,) = bridge.client(written("The shop closes now.", "system", item_id="n1"))
    assert isinstance(configure, dialect.SessionConfigure)
    assert "Note: The shop closes now." in str(configure.config["instructions"])
    assert bridge.server(dialect.SessionConfigured()) == []
    (configure,) = bridge.client(grok.ConversationItemDelete(item_id="n1"))
    assert isinstance(configure, dialect.SessionConfigure)
    assert "instructions" not in configure.config
    assert bridge.client(grok.ConversationItemDelete(item_id="n1")) == []


def test_results_for_an_earlier_connection_are_notes(bridge: Bridge) -> None:
    (configure,) = bridge.result("c0")
    assert isinstance(configure, dialect.SessionConfigure)
    assert "returned: 42" in str(configure.config["instructions"])


def test_the_past_is_not_told_without_end(bridge: Bridge) -> None:
    for number in range(299):
        bridge.client(written(f"note {number}", "system"))
        bridge.server(dialect.SessionConfigured())
    (configure,) = bridge.client(written("note 299", "system"))
    assert isinstance(configure, dialect.SessionConfigure)
    lines = str(configure.config["instructions"]).splitlines()
    assert len(lines) == 257
    assert lines[-1] == "Note: note 299"


# --- anything at all


@settings(max_examples=50)
@given(st.lists(client_events | server_messages, max_size=30))
def test_no_order_of_events_raises_anything_else(
    events: list[grok.ClientEvent | dialect.ServerMessage],
) -> None:
    bridge = Bridge()
    for event in events:
        bridge.now += 0.2
        try:
            if isinstance(event, grok.ClientEvent):
                for message in bridge.client(event):
                    dialect.decode_client_message(dialect.encode(message))
            else:
                bridge.server(event)
        except (LocalWireError, RemoteWireError):
            continue
        deadline = bridge.translator.deadline
        if deadline is not None and deadline <= bridge.now:
            assert bridge.translator.handle_timer(bridge.now)
            assert bridge.translator.deadline is None
