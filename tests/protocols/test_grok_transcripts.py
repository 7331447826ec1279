"""Whole conversations, line by line, through the codec and through both protocol objects."""

import json
from pathlib import Path

import pytest

from callboard.protocols import LocalWireError, RemoteWireError, grok

DATA = Path(__file__).parent.parent / "data"
TRANSCRIPTS = {
    name: (DATA / f"grok_{name}.txt").read_text(encoding="utf-8")
    for name in ("vad_turn_with_tool", "barge_in", "manual_turn", "errors")
}
BINARY = b"\xff\x7f\x00"


def lines(transcript: str) -> list[tuple[str, str | bytes]]:
    pairs = [line.split(" ", 1) for line in transcript.splitlines() if line and not line.startswith("#")]
    return [(side, BINARY if message == "binary" else message) for side, message in pairs]


class Replay:
    """Plays a transcript through a client and a server, each line sent by one and received by the other."""

    def __init__(self, name: str) -> None:
        self.client = grok.GrokClient()
        self.server = grok.GrokServer()
        self.heard: list[grok.Event] = []
        self.calls: list[grok.ResponseFunctionCallArgumentsDone] = []
        refusal: object = None
        for side, message in lines(TRANSCRIPTS[name]):
            if side == "S":
                sent = grok.decode_server_event(message).event
                assert isinstance(sent, grok.ServerEvent | grok.BinaryAudio)
                assert refusal is None or sent == refusal
                refusal = None
                event = self.client.receive(self.server.send(sent)).event
                assert event == sent
                self.heard.append(event)
                self.calls += self.client.new_calls(event)
            elif side == "C":
                asked = grok.decode_client_event(message).event
                assert isinstance(asked, grok.ClientEvent)
                assert self.server.receive(self.client.send(asked)).event == asked
            else:
                with pytest.raises(RemoteWireError) as caught:
                    self.server.receive(message)
                refusal = caught.value.reply
                assert isinstance(refusal, grok.ErrorEvent)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_every_line_decodes_to_a_class_and_encodes_to_itself(name: str) -> None:
    for side, message in lines(TRANSCRIPTS[name]):
        if side == "X":
            continue
        decode = grok.decode_server_event if side == "S" else grok.decode_client_event
        event = decode(message).event
        assert not isinstance(event, grok.Unknown)
        encoded = grok.encode(event)
        if isinstance(encoded, bytes):
            assert encoded == message
            continue
        # Nulls are left out, save for the previous_item_id of nearly everything.
        assert _plain(json.loads(encoded)) == _plain(json.loads(message))
        documented = json.loads(grok.encode(event, profile=grok.Profile.DOCUMENTED))
        assert _plain(documented) == _plain(json.loads(message))


def _plain(message: dict[str, object]) -> dict[str, object]:
    """A message without the nulls that mean nothing."""
    plain = {name: value for name, value in message.items() if value is not None}
    response = plain.get("response")
    if isinstance(response, dict):
        plain["response"] = {name: value for name, value in response.items() if value is not None}  # pyright: ignore[reportUnknownVariableType]
    return plain


def test_vad_turn_with_tool() -> None:
    replay = Replay("vad_turn_with_tool")
    assert replay.client.ready
    assert (replay.client.conversation_id, replay.client.active_response) == ("talk-4", None)
    # Announced in five events, run once.
    assert [(call.call_id, call.name, call.arguments) for call in replay.calls] == [
        ("call-9-0", "repair_status", '{"ticket":40}')
    ]
    spoken = [event.payload() for event in replay.heard if isinstance(event, grok.ResponseOutputAudioDelta)]
    assert spoken == [b"\xff\xff\x7f\x7f", b"\xff\xff"]
    totals = [grok.usage_of(event) for event in replay.heard if isinstance(event, grok.ResponseDone)]
    assert [total and total["total_tokens"] for total in totals] == [100, 20]
    config = replay.server.config
    assert (config.manual, config.voice, config.input_format.rate_hz) == (False, "leo", 8000)
    assert config.resumption == grok.Resumption(enabled=True)


def test_barge_in() -> None:
    replay = Replay("barge_in")
    assert (replay.client.active_response, replay.server.active_response) == (None, None)
    # Three responses began; the second was dropped and has no end.
    created = [event.response.id for event in replay.heard if isinstance(event, grok.ResponseCreated)]
    done = [
        (event.response.id, event.response.status)
        for event in replay.heard
        if isinstance(event, grok.ResponseDone)
    ]
    assert created == ["resp-1", "resp-2", "resp-3"]
    assert done == [("resp-1", "cancelled"), ("resp-3", "completed")]
    # Nothing runs while it is only played: a cancel now would hit the next answer.
    with pytest.raises(LocalWireError, match="no response is running"):
        replay.client.send(grok.ResponseCancel(response_id="resp-3"))


def test_manual_turn() -> None:
    replay = Replay("manual_turn")
    assert replay.server.config.manual
    assert [event.payload for event in replay.heard if isinstance(event, grok.BinaryAudio)] == [BINARY]
    done = [event for event in replay.heard if isinstance(event, grok.ResponseDone)]
    assert done[0].response.metadata == {"why": "bell"}
    assert grok.usage_of(done[0]) == {"total_tokens": 9}
    assert replay.calls == []


def test_errors() -> None:
    replay = Replay("errors")
    kinds = [grok.classify_error(event) for event in replay.heard if isinstance(event, grok.ErrorEvent)]
    benign, request, over = grok.ErrorKind.BENIGN, grok.ErrorKind.REQUEST, grok.ErrorKind.SESSION_ENDED
    assert kinds == [benign, request, benign, request, request, over]
    assert (replay.client.state, replay.server.state) == (grok.ClientState.ENDED, grok.ServerState.ENDED)
    assert replay.server.config.voice == "rex"


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_client_that_joins_at_any_line_survives(name: str) -> None:
    messages = [message for side, message in lines(TRANSCRIPTS[name]) if side == "S"]
    for first in range(len(messages)):
        client = grok.GrokClient()
        for message in messages[first:]:
            client.receive(message)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_client_survives_any_line_twice_and_any_line_missing(name: str) -> None:
    messages = [message for side, message in lines(TRANSCRIPTS[name]) if side == "S"]
    for index in range(len(messages)):
        for changed in (messages[: index + 1] + messages[index:], messages[:index] + messages[index + 1 :]):
            client = grok.GrokClient()
            calls = [call for message in changed for call in client.new_calls(client.receive(message).event)]
            assert len(calls) == (1 if name == "vad_turn_with_tool" else 0)
