"""Before the socket opens: URLs and client secrets."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, grok
from tests.protocols.grok_kit import texts

BASE = "wss://api.x.ai/v1/realtime"


def test_url_of_a_session() -> None:
    assert grok.build_url(BASE) == BASE
    assert grok.build_url(BASE, model="grok-voice-latest") == f"{BASE}?model=grok-voice-latest"
    assert (
        grok.build_url(BASE, model="m", reasoning_effort="none", conversation_id="0d5b2a6e-7a0f")
        == f"{BASE}?model=m&reasoning.effort=none&conversation_id=0d5b2a6e-7a0f"
    )
    assert grok.build_url(BASE, call_id="c 1&x=y") == f"{BASE}?call_id=c%201%26x%3Dy"
    assert grok.build_url(BASE, agent_id="agent_7") == f"{BASE}?agent_id=agent_7"


def test_query_of_the_base_is_kept_unless_set_anew() -> None:
    base = "ws://127.0.0.1:8765/v1/realtime?model=old&trace=&x=1#part"
    assert grok.build_url(base) == "ws://127.0.0.1:8765/v1/realtime?model=old&trace=&x=1"
    assert grok.build_url(base, model="new") == "ws://127.0.0.1:8765/v1/realtime?trace=&x=1&model=new"


@given(st.dictionaries(st.sampled_from(["model", "reasoning_effort", "conversation_id", "call_id"]), texts))
def test_any_value_survives_the_url(given_values: dict[str, str]) -> None:
    if not all(given_values.values()):
        with pytest.raises(LocalWireError, match="is empty"):
            grok.build_url(BASE, **given_values)
        return
    url = grok.build_url(BASE, **given_values)
    assert url.isascii()
    wanted = {name.replace("reasoning_", "reasoning."): [value] for name, value in given_values.items()}
    assert parse_qs(urlsplit(url).query) == wanted


def test_agent_is_instead_of_a_model() -> None:
    with pytest.raises(LocalWireError, match="instead of"):
        grok.build_url(BASE, agent_id="agent_7", model="m")
    with pytest.raises(LocalWireError, match="instead of"):
        grok.build_url(BASE, agent_id="agent_7", call_id="c")


def test_secret_travels_as_a_subprotocol() -> None:
    assert grok.secret_subprotocol("xai-realtime-client-secret-9f") == (
        "xai-client-secret.xai-realtime-client-secret-9f"
    )
    for secret in ("", "hush hush", "hush,hush", "hush\r\nX: y", "hüsh", 'hush"'):
        with pytest.raises(LocalWireError) as caught:
            grok.secret_subprotocol(secret)
        assert "hush" not in str(caught.value)


def test_request_and_answer_for_a_client_secret() -> None:
    assert grok.encode_client_secret_request(grok.ClientSecretRequest()) == {}
    request = grok.ClientSecretRequest(seconds=3600, session={"model": "m"})
    assert grok.encode_client_secret_request(request) == {
        "expires_after": {"seconds": 3600},
        "session": {"model": "m"},
    }
    for seconds in (0, -1, 3601):
        with pytest.raises(LocalWireError, match="expected 1 to 3600"):
            grok.encode_client_secret_request(grok.ClientSecretRequest(seconds=seconds))
    secret = grok.decode_client_secret(b'{"value":"hush-hush","expires_at":1795000000,"more":[]}')
    assert (secret.value, secret.expires_at) == ("hush-hush", 1795000000)
    assert "hush" not in repr(secret)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"value":"x"}',
        b'{"value":5,"expires_at":1}',
        b'{"value":"x","expires_at":"1"}',
        b"\xff",
    ],
)
def test_answer_that_is_no_client_secret_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteWireError):
        grok.decode_client_secret(body)


@given(st.binary(max_size=100))
def test_garbage_for_a_client_secret_is_an_error_of_the_wire(body: bytes) -> None:
    with pytest.raises(RemoteWireError):
        grok.decode_client_secret(body)
