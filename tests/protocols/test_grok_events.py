"""The events of the Grok wire: all there, and as tolerant as real servers require."""

import json
from pathlib import Path

import pytest

from callboard.protocols import RemoteWireError, grok

LIST = Path(__file__).parent.parent / "data" / "grok_events.txt"
LINES = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
CLASSES: dict[str, dict[str, type[grok.Event]]] = {
    "C": {cls.type: cls for cls in grok.CLIENT_EVENTS},
    "S": {cls.type: cls for cls in grok.SERVER_EVENTS},
}

# Enough fields for any event.
ANYTHING: dict[str, object] = {
    "session": {},
    "conversation": {"id": "cv1"},
    "item_id": "i1",
    "item": {"type": "message", "role": "user", "content": [{"type": "text", "text": "t"}]},
    "response_id": "r1",
    "call_id": "c1",
    "name": "n",
    "arguments": "{}",
    "delta": "AAAA",
    "audio": "AAAA",
    "audio_end_ms": 1,
    "transcript": "t",
    "error": {"type": "internal_error", "message": "m"},
}


def decode(side: str, message: dict[str, object]) -> grok.Event:
    decoder = grok.decode_client_event if side == "C" else grok.decode_server_event
    return decoder(json.dumps(message)).event


def server(kind: str, **fields: object) -> grok.Event:
    return decode("S", {"type": kind, **fields})


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[1])
def test_every_event_of_the_list_has_its_class(line: list[str]) -> None:
    side, kind, *alias = line
    target = alias[0] if alias else kind
    needs_response = kind in {"response.created", "response.done"}
    fields = ANYTHING | ({"response": {"id": "r1"}} if needs_response else {})
    event = decode(side, {"type": kind} | fields)
    assert type(event) is (grok.Unknown if target == "-" else CLASSES[side][target])


def test_every_class_is_in_the_list() -> None:
    for side, classes in CLASSES.items():
        assert set(classes) == {line[1] for line in LINES if line[0] == side and len(line) == 2}


def test_every_class_is_public_under_its_name() -> None:
    for cls in (*grok.CLIENT_EVENTS, *grok.SERVER_EVENTS):
        assert getattr(grok, cls.__name__) is cls
        joined = cls.type.replace(".", "_").replace("_", "").lower()
        assert cls.__name__.lower() in {joined, "errorevent"}


# --- other names


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.text.delta", "response.output_text.delta"),
    ],
)
def test_older_names_of_deltas_are_the_same_events(alias: str, kind: str) -> None:
    fields = {"response_id": "r1", "item_id": "a1", "delta": "AAAA"}
    assert server(alias, **fields) == server(kind, **fields)
    # Only the present name is ever sent.
    assert json.loads(grok.encode(server(alias, **fields)))["type"] == kind


def test_older_name_of_text_done_is_the_same_event() -> None:
    event = server("response.text.done", response_id="r1", item_id="a1", text="18:42")
    assert isinstance(event, grok.ResponseOutputTextDone)
    assert event.text == "18:42"


def test_older_name_of_commit_is_the_same_event() -> None:
    event = decode("C", {"type": "conversation.item.commit", "event_id": "e1"})
    assert event == grok.InputAudioBufferCommit(event_id="e1")


# --- what real servers leave out or spell otherwise


@pytest.mark.parametrize(
    ("top", "nested", "wanted"),
    [
        ({"total_tokens": 5}, {}, {"total_tokens": 5}),
        (None, {"total_tokens": 6}, {"total_tokens": 6}),
        ({}, {"total_tokens": 6}, {"total_tokens": 6}),
        ({"total_tokens": 5}, {"total_tokens": 6}, {"total_tokens": 5}),
        ({}, {}, None),
        (None, None, None),
    ],
)
def test_usage_in_either_place(top: object, nested: object, wanted: object) -> None:
    event = server("response.done", response={"id": "r1", "usage": nested}, usage=top)
    assert isinstance(event, grok.ResponseDone)
    assert grok.usage_of(event) == wanted


@pytest.mark.parametrize("details", ["unimplemented", {"type": "cancelled", "reason": "turn_detected"}, None])
def test_status_details_is_a_string_or_an_object(details: object) -> None:
    event = server("response.done", response={"id": "r1", "status_details": details})
    assert isinstance(event, grok.ResponseDone)
    assert event.response.status_details == details
    with pytest.raises(RemoteWireError):
        server("response.done", response={"id": "r1", "status_details": 5})


@pytest.mark.parametrize("latency", ["0.61", 0.61, 1, None])
def test_latency_is_text_or_a_number(latency: object) -> None:
    event = server("response.output_audio.delta", response_id="r1", item_id="a1", delta="", latency=latency)
    assert isinstance(event, grok.ResponseOutputAudioDelta)
    assert event.latency == latency
    assert event.payload() == b""


def test_part_content_and_indices_may_be_missing() -> None:
    done = server("response.content_part.done", response_id="r1", item_id="a1")
    assert isinstance(done, grok.ResponseContentPartDone)
    assert (done.part, done.output_index, done.content_index) == (None, None, None)
    added = server("response.output_item.added", response_id="r1", item={"type": "message"})
    assert isinstance(added, grok.ResponseOutputItemAdded)
    assert isinstance(added.item, grok.Message)
    assert (added.item.content, added.item.words) == (None, "")
    delta = server(
        "response.function_call_arguments.delta", response_id="r1", item_id="f1", call_id="c1", delta="{}"
    )
    assert isinstance(delta, grok.ResponseFunctionCallArgumentsDelta)
    assert delta.output_index is None
    text = server("response.output_audio_transcript.done", response_id="r1", item_id="a1")
    assert isinstance(text, grok.ResponseOutputAudioTranscriptDone)
    assert text.transcript is None


def test_fields_that_only_tend_to_be_there_may_be_missing() -> None:
    for kind in ("ping", "input_audio_buffer.cleared", "input_audio_buffer.dtmf_event_received"):
        server(kind)
    for kind in ("speech_started", "speech_stopped", "committed", "timeout_triggered"):
        server(f"input_audio_buffer.{kind}", item_id="u1")
    server("conversation.item.truncated", item_id="a1")
    # Seen empty.
    assert server("conversation.item.deleted", item_id="") == grok.ConversationItemDeleted(item_id="")


def test_previous_item_id_may_be_anything_textual_or_null() -> None:
    for previous in (None, "0", "never-announced"):
        event = server("ping", previous_item_id=previous)
        assert isinstance(event, grok.Ping)
        assert event.previous_item_id == previous


# --- items


def test_items_of_every_kind() -> None:
    items: list[tuple[dict[str, object], grok.Item]] = [
        (
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": ""}]},
            grok.Message(role="user", content=(grok.ContentPart(type="input_audio", transcript=""),)),
        ),
        (
            {"type": "function_call", "role": "tool", "call_id": "c", "name": "n", "arguments": ""},
            grok.FunctionCall(role="tool", call_id="c", name="n", arguments=""),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "plain prose", "replayed": True},
            grok.FunctionCallOutput(call_id="c", output="plain prose", replayed=True),
        ),
        (
            {"type": "force_message", "content": [], "interruptible": False},
            grok.ForceMessage(content=(), interruptible=False),
        ),
        (
            {"type": "mcp_call", "id": "m1", "x": [1]},
            grok.UnknownItem("mcp_call", {"type": "mcp_call", "id": "m1", "x": [1]}),
        ),
    ]
    for raw, item in items:
        for kind in ("conversation.item.added", "conversation.item.created"):
            event = server(kind, item=raw)
            assert isinstance(event, grok.ConversationItemAdded | grok.ConversationItemCreated)
            assert event.item == item
            assert json.loads(grok.encode(event))["item"] == raw
    assert items[-1][1].id == "m1"
    assert grok.UnknownItem("x", {"id": 5}).id is None


def test_words_of_a_message_are_its_texts_and_transcripts() -> None:
    parts = (
        grok.ContentPart.input_text("Last train "),
        grok.ContentPart.spoken_audio("at Derby"),
        grok.ContentPart.output_text("?"),
        grok.ContentPart(type="audio"),
    )
    assert (
        grok.Message(content=parts).words == grok.ForceMessage(content=parts).words == "Last train at Derby?"
    )
    assert grok.ForceMessage().words == ""


@pytest.mark.parametrize("part", ["text", "input_text", "output_text"])
def test_force_message_takes_three_kinds_of_text(part: str) -> None:
    item = {"type": "force_message", "role": "assistant", "content": [{"type": part, "text": "Hold on."}]}
    event = decode("C", {"type": "conversation.item.create", "item": item})
    assert isinstance(event, grok.ConversationItemCreate)
    assert isinstance(event.item, grok.ForceMessage)
    assert event.item.words == "Hold on."


# --- errors


@pytest.mark.parametrize(
    ("kind", "message", "wanted"),
    [
        ("invalid_request_error", "Cancellation failed: no active response found", grok.ErrorKind.BENIGN),
        ("whatever", "Conversation ALREADY HAS an active response", grok.ErrorKind.BENIGN),
        ("invalid_request_error", "Cannot truncate beyond the end", grok.ErrorKind.BENIGN),
        ("invalid_request_error", "bad field", grok.ErrorKind.REQUEST),
        ("invalid_event", "Unsupported event type", grok.ErrorKind.REQUEST),
        ("internal_error", "oops", grok.ErrorKind.SERVER),
        ("brand_new", "oops", grok.ErrorKind.SERVER),
        ("timeout", "idle", grok.ErrorKind.SESSION_ENDED),
        ("max_duration", "Maximum conversation duration reached", grok.ErrorKind.SESSION_ENDED),
    ],
)
def test_what_an_error_means(kind: str, message: str, wanted: grok.ErrorKind) -> None:
    event = server("error", error={"type": kind, "code": "anything", "message": message, "param": None})
    assert isinstance(event, grok.ErrorEvent)
    assert grok.classify_error(event) is grok.classify_error(event.error) is wanted
    assert grok.is_benign_error(event) is (wanted is grok.ErrorKind.BENIGN)
    assert wanted.permanent is (wanted is grok.ErrorKind.REQUEST)
    assert wanted.ends_session is (wanted is grok.ErrorKind.SESSION_ENDED)
