"""The Twilio Media Streams wire: shapes, strictness, order, garbage."""

import base64
import json
from typing import cast

import pytest
from hypothesis import given, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, twilio

SID = "MZ00000000000000000000000000000007"

MESSAGES: dict[str, dict[str, object]] = {
    "connected": {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    "start": {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": SID,
        "start": {
            "streamSid": SID,
            "accountSid": "AC7",
            "callSid": "CA7",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"tenant": "harbour"},
        },
    },
    "media": {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": SID,
        "media": {
            "track": "inbound",
            "chunk": "1",
            "timestamp": "20",
            "payload": base64.b64encode(bytes(range(160))).decode(),
        },
    },
    "dtmf": {
        "event": "dtmf",
        "sequenceNumber": "3",
        "streamSid": SID,
        "dtmf": {"track": "inbound_track", "digit": "#"},
    },
    "mark": {"event": "mark", "sequenceNumber": "4", "streamSid": SID, "mark": {"name": "g1:1"}},
    "stop": {
        "event": "stop",
        "sequenceNumber": "5",
        "streamSid": SID,
        "stop": {"accountSid": "AC7", "callSid": "CA7"},
    },
}


def text(name: str) -> str:
    return json.dumps(MESSAGES[name])


def started() -> twilio.TwilioServer:
    server = twilio.TwilioServer()
    server.receive(text("connected"))
    server.receive(text("start"))
    return server


def test_whole_stream_decodes_to_typed_events() -> None:
    server = twilio.TwilioServer()
    events = [server.receive(text(name)) for name in MESSAGES]
    assert [type(event).__name__ for event in events] == [
        "Connected",
        "Start",
        "Media",
        "Dtmf",
        "Mark",
        "Stop",
    ]
    start, media, dtmf, mark = events[1:5]
    assert isinstance(start, twilio.Start)
    assert (start.call_sid, start.stream_sid, start.custom_parameters) == ("CA7", SID, {"tenant": "harbour"})
    assert isinstance(media, twilio.Media)
    assert (media.payload, media.timestamp, media.chunk, media.sequence_number) == (
        bytes(range(160)),
        20,
        1,
        2,
    )
    assert isinstance(dtmf, twilio.Dtmf)
    assert dtmf.digit == "#"
    assert isinstance(mark, twilio.Mark)
    assert mark.name == "g1:1"
    assert server.state is twilio.StreamState.STOPPED


def test_numbers_may_be_numbers() -> None:
    message = json.loads(text("media"))
    message["sequenceNumber"] = 2
    message["media"] |= {"chunk": 1, "timestamp": 20}
    assert started().receive(json.dumps(message)) == started().receive(text("media"))


@pytest.mark.parametrize("number", ["-1", "+1", " 1", "1_0", "1.5", "", "x", True, 1.5, -1, [], "9" * 30])
def test_what_is_no_whole_number_is_refused(number: object) -> None:
    message = json.loads(text("media"))
    message["media"]["timestamp"] = number
    with pytest.raises(RemoteWireError, match=r"media\.timestamp"):
        started().receive(json.dumps(message))


def test_unknown_events_and_fields_are_normal() -> None:
    server = started()
    unknown = server.receive(json.dumps({"event": "weather", "streamSid": SID, "sun": True}))
    assert isinstance(unknown, twilio.Unknown)
    assert (unknown.event, unknown.raw["sun"]) == ("weather", True)
    message = MESSAGES["mark"] | {"extra": {"deep": [1]}}
    assert isinstance(server.receive(json.dumps(message)), twilio.Mark)


@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        ([], "media"),
        (["connected"], "media"),
        (["connected", "start"], "start"),
        (["connected", "start"], "connected"),
        (["connected", "start", "stop"], "media"),
        (["connected", "start", "stop"], "stop"),
        (["connected"], "connected"),
    ],
)
def test_message_out_of_order_is_an_error_and_the_state_stays(order: list[str], wrong: str) -> None:
    server = twilio.TwilioServer()
    for name in order:
        server.receive(text(name))
    state = server.state
    with pytest.raises(RemoteWireError, match="in state"):
        server.receive(text(wrong))
    assert server.state is state


def test_message_for_another_stream_is_refused() -> None:
    message = MESSAGES["mark"] | {"streamSid": "MZother"}
    with pytest.raises(RemoteWireError, match="MZother"):
        started().receive(json.dumps(message))


def test_format_that_is_not_mulaw_is_refused() -> None:
    message = json.loads(text("start"))
    message["start"]["mediaFormat"]["encoding"] = "audio/x-alaw"
    with pytest.raises(RemoteWireError, match="mediaFormat"):
        twilio.TwilioServer().receive(json.dumps(message))


@pytest.mark.parametrize("payload", ["AAA", "@@@@", "AAAA\n", "AA==AA==", "é"])
def test_payload_that_is_not_base64_is_refused(payload: str) -> None:
    message = json.loads(text("media"))
    message["media"]["payload"] = payload
    with pytest.raises(RemoteWireError, match=r"media\.payload"):
        started().receive(json.dumps(message))


def test_binary_and_oversized_messages_are_refused() -> None:
    with pytest.raises(RemoteWireError, match="binary message of 3 octets"):
        started().receive(b"\x00\x01\x02")
    with pytest.raises(RemoteWireError, match="expected at most 65536"):
        started().receive('{"event":"' + "x" * 70_000 + '"}')


@pytest.mark.parametrize("name", list(MESSAGES))
def test_every_truncation_is_an_error_and_nothing_else(name: str) -> None:
    whole = text(name)
    for length in range(len(whole)):
        with pytest.raises(RemoteWireError):
            started().receive(whole[:length])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_garbage_is_an_error_of_the_wire_and_nothing_else(message: str | bytes) -> None:
    with pytest.raises(RemoteWireError):
        started().receive(message)


@given(st.sampled_from(list(MESSAGES)), json_values, st.data())
def test_any_field_may_hold_anything(name: str, value: object, data: st.DataObject) -> None:
    message = json.loads(text(name))
    places: list[tuple[dict[str, object], str]] = [(message, key) for key in message]
    for inner in message.values():
        if isinstance(inner, dict):
            places += [(cast("dict[str, object]", inner), key) for key in cast("dict[str, object]", inner)]
    where, key = data.draw(st.sampled_from(places))
    where[key] = value
    try:
        event = twilio.decode_inbound(json.dumps(message))
    except RemoteWireError:
        return
    assert isinstance(event, twilio.InboundEvent)


def test_what_we_send_has_the_stream_and_the_shape_the_carrier_wants() -> None:
    server = started()
    sent = [
        server.send(twilio.SendMedia(payload=b"\xff\x00\x7f")),
        server.send(twilio.SendMark(name='quo"te')),
        server.send(twilio.Clear()),
    ]
    assert [json.loads(message) for message in sent] == [
        {"event": "media", "streamSid": SID, "media": {"payload": "/wB/"}},
        {"event": "mark", "streamSid": SID, "mark": {"name": 'quo"te'}},
        {"event": "clear", "streamSid": SID},
    ]


@given(st.binary(min_size=1, max_size=2000))
def test_media_written_by_hand_equals_a_general_encoder(payload: bytes) -> None:
    wanted = {"event": "media", "streamSid": SID, "media": {"payload": base64.b64encode(payload).decode()}}
    assert json.loads(started().send(twilio.SendMedia(payload=payload))) == wanted


def test_sending_what_cannot_be_sent_is_our_error() -> None:
    with pytest.raises(LocalWireError, match="before the stream has started"):
        twilio.TwilioServer().send(twilio.Clear())
    with pytest.raises(LocalWireError, match="without audio"):
        started().send(twilio.SendMedia(payload=b""))
    with pytest.raises(LocalWireError, match="without a name"):
        started().send(twilio.SendMark(name=""))


def test_a_stream_id_with_quotes_cannot_break_out_of_a_message() -> None:
    message = json.loads(text("start"))
    message["streamSid"] = message["start"]["streamSid"] = 'MZ","event":"x'
    with pytest.raises(RemoteWireError, match="streamSid"):
        twilio.TwilioServer().receive(json.dumps(message))


def test_secrets_and_keys_are_not_in_reprs() -> None:
    server = twilio.TwilioServer()
    server.receive(text("connected"))
    message = json.loads(text("start"))
    message["start"]["customParameters"]["token"] = "hush-hush"
    assert "hush" not in repr(server.receive(json.dumps(message)))
    assert "#" not in repr(server.receive(text("dtmf")))


def test_both_sides_understand_each_other() -> None:
    client = twilio.TwilioClient(
        account_sid="AC7", call_sid="CA7", stream_sid=SID, custom_parameters={"tenant": 'har"bour'}
    )
    server = twilio.TwilioServer()
    inbound = [
        client.connected(),
        client.start(),
        client.media(b"\x01" * 160, 20),
        client.dtmf("5"),
        client.mark("m"),
        client.stop(),
    ]
    events = [server.receive(message) for message in inbound]
    assert [event.sequence_number for event in events] == [None, 1, 2, 3, 4, 5]
    assert isinstance(events[1], twilio.Start)
    assert events[1].custom_parameters == {"tenant": 'har"bour'}
    for event in (twilio.SendMedia(payload=b"\xff\x00"), twilio.SendMark(name='a"b'), twilio.Clear()):
        assert client.receive(server.send(event)) == event
    assert client.receive('{"event": "dance"}') == twilio.UnknownOutbound(event="dance")


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_the_carriers_side_takes_garbage_as_an_error_of_the_wire(message: str | bytes) -> None:
    client = twilio.TwilioClient(account_sid="AC7", call_sid="CA7", stream_sid=SID, custom_parameters={})
    with pytest.raises(RemoteWireError):
        client.receive(message)
