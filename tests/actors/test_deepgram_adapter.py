"""Deepgram's adapter: where to connect, with which credential, and which refusals are final."""

import json
import logging
from typing import Any

import pytest

from callboard.actors._deepgram_adapter import DeepgramAdapter, resolve_url
from callboard.actors._provider_errors import ProviderFailed, ProviderFailure
from callboard.actors._provider_port import ProviderAdapter
from callboard.actors._websocket import DialFailed, DialFailure
from callboard.protocols import RemoteWireError, deepgram as wire

KEY = "dg-Secret-0123456789abcdef"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
REMOTE = "wss://agent.deepgram.com/v1/agent/converse"
LOCAL = "ws://127.0.0.1:8080/v1/agent/converse"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPGRAM_API_KEY", "CALLBOARD_DEEPGRAM_URL"):
        monkeypatch.delenv(name, raising=False)


def refused(status: int, body: bytes = b"") -> DialFailed:
    return DialFailed(f"HTTP {status}", kind=DialFailure.REJECTED, status=status, body=body)


# URL


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, REMOTE),
        ("ws://127.0.0.1:8080", LOCAL),
        ("http://127.0.0.1:8080/", LOCAL),
        ("http://127.0.0.1:8080/v1", LOCAL),
        ("http://127.0.0.1:8080/v1/agent/", LOCAL),
        (LOCAL, LOCAL),
        ("https://api.eu.deepgram.com", "wss://api.eu.deepgram.com/v1/agent/converse"),
        ("wss://voice.example/proxy/agent?tenant=7", "wss://voice.example/proxy/agent?tenant=7"),
    ],
)
def test_url_is_completed(given: str | None, url: str) -> None:
    assert resolve_url(given) == url


def test_url_comes_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_DEEPGRAM_URL", "ws://localhost:9")
    assert resolve_url(None) == "ws://localhost:9/v1/agent/converse"
    assert resolve_url("ws://localhost:10") == "ws://localhost:10/v1/agent/converse"


@pytest.mark.parametrize("given", ["ftp://host", "host:80", "wss://", "/v1/agent/converse", "ws://host:0"])
def test_url_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="expected wss://"):
        resolve_url(given)


@pytest.mark.parametrize(
    "given", ["wss://user:hunter2@host", "wss://user:hunter2@host:99999", "wss://user:hunter2@[host"]
)
def test_url_with_a_password_is_refused_without_quoting_it(given: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        resolve_url(given)
    assert "hunter2" not in str(caught.value)


# Credentials


async def header_of(adapter: DeepgramAdapter) -> str:
    request = await adapter.connect_request()
    assert request.url == adapter.url
    assert request.subprotocols == ()
    ((name, value),) = request.headers
    assert name == "Authorization"
    return value


async def test_key_is_sent_as_a_token_header() -> None:
    adapter = DeepgramAdapter(url=REMOTE, key=f" {KEY}\n")
    assert await header_of(adapter) == f"Token {KEY}"
    assert adapter.secrets() == [KEY]
    assert KEY not in repr(adapter)
    assert KEY not in repr(await adapter.connect_request())


async def test_access_token_is_sent_as_a_bearer_header() -> None:
    adapter = DeepgramAdapter(url=REMOTE, access_token=TOKEN)
    assert await header_of(adapter) == f"Bearer {TOKEN}"
    assert adapter.secrets() == [TOKEN]


async def test_access_token_goes_before_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert await header_of(DeepgramAdapter(url=REMOTE)) == f"Token {KEY}"
    assert await header_of(DeepgramAdapter(url=REMOTE, access_token=TOKEN)) == f"Bearer {TOKEN}"
    assert await header_of(DeepgramAdapter(url=REMOTE, key="other-key")) == "Token other-key"


def test_key_and_access_token_together_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of them"):
        DeepgramAdapter(url=REMOTE, key=KEY, access_token=TOKEN)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_missing_key_is_told_before_anything_is_dialled(key: str | None) -> None:
    with pytest.raises(ProviderFailed, match="DEEPGRAM_API_KEY") as caught:
        DeepgramAdapter(url=REMOTE, key=key)
    assert caught.value.reason is ProviderFailure.MISSING_KEY


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_server_on_this_machine_needs_no_key(host: str) -> None:
    adapter = DeepgramAdapter(url=resolve_url(f"ws://{host}:8080"))
    assert await header_of(adapter) == "Token local"
    assert adapter.secrets() == []


async def test_function_is_asked_for_each_connection_and_all_keys_are_secret() -> None:
    keys = iter(["first-key", "second-key", ""])

    async def fetch() -> str:
        return next(keys)

    adapter = DeepgramAdapter(url=REMOTE, access_token=fetch)
    assert adapter.secrets() == []
    assert await header_of(adapter) == "Bearer first-key"
    assert await header_of(adapter) == "Bearer second-key"
    assert adapter.secrets() == ["first-key", "second-key"]
    with pytest.raises(ProviderFailed, match="access_token gave no credential") as caught:
        await adapter.connect_request()
    assert caught.value.reason is ProviderFailure.MISSING_KEY


async def test_only_the_latest_keys_are_kept() -> None:
    numbers = iter(range(10))
    adapter = DeepgramAdapter(url=REMOTE, key=lambda: f"key-{next(numbers)}")
    for _ in range(10):
        await adapter.connect_request()
    assert adapter.secrets() == ["key-6", "key-7", "key-8", "key-9"]


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
async def test_key_that_no_header_can_carry_is_refused_without_quoting_it(key: str) -> None:
    adapter = DeepgramAdapter(url=REMOTE, key=key)
    with pytest.raises(ProviderFailed) as caught:
        await adapter.connect_request()
    assert caught.value.reason is ProviderFailure.BAD_KEY
    assert key not in str(caught.value)


def test_keys_in_the_settings_are_secrets_too() -> None:
    assert DeepgramAdapter(url=REMOTE, key=KEY, more_secrets=lambda: ["sk-1"]).secrets() == [KEY, "sk-1"]


def test_unencrypted_key_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "callboard.deepgram"):
        DeepgramAdapter(url="ws://10.0.0.7/v1/agent/converse", key=KEY)
    assert "unencrypted to 10.0.0.7" in caplog.text
    assert KEY not in caplog.text


# The wire


def test_messages_go_through_the_codec_and_audio_is_binary() -> None:
    adapter = DeepgramAdapter(url=LOCAL)
    (decoded,) = adapter.receive('{"type":"Welcome","request_id":"r"}')
    assert decoded.event == wire.Welcome(request_id="r")
    assert adapter.receive(b"\x01\x02")[0].event == wire.BinaryAudio(b"\x01\x02")
    (text,) = adapter.encode(wire.InjectUserMessage(content="Hello"))
    assert json.loads(text) == {"type": "InjectUserMessage", "content": "Hello"}
    assert adapter.audio_out(b"\x01\x02") == b"\x01\x02"
    with pytest.raises(RemoteWireError):
        adapter.receive("{")


def test_keep_alive_only_in_a_session_that_has_settings() -> None:
    adapter = DeepgramAdapter(url=LOCAL)
    assert adapter.keep_alive() is None
    adapter.alive = True
    message = adapter.keep_alive()
    assert message is not None
    assert json.loads(message) == {"type": "KeepAlive"}
    adapter.begin()
    assert adapter.keep_alive() is None
    assert adapter.keep_alive_interval == 8.0
    assert adapter.session_limit == 7200.0


def test_is_a_provider_adapter() -> None:
    adapter: ProviderAdapter[wire.ClientMessage, Any] = DeepgramAdapter(url=LOCAL)
    assert adapter.name == "deepgram"
    assert adapter.model == ""
    assert adapter.capabilities.say
    assert not adapter.capabilities.truncate
    assert adapter.handle_timer(1.0) == ()
    assert adapter.deadline == float("inf")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(401), ProviderFailure.BAD_KEY),
        (refused(403), ProviderFailure.FORBIDDEN),
        (refused(404), ProviderFailure.REFUSED),
        (refused(429), None),
        (refused(503), None),
        (DialFailed("certificate", kind=DialFailure.TLS), ProviderFailure.INSECURE),
        (DialFailed("slow", kind=DialFailure.TIMEOUT), None),
        (OSError("anything"), None),
    ],
)
def test_which_failures_are_final(error: Exception, reason: ProviderFailure | None) -> None:
    assert DeepgramAdapter(url=LOCAL).is_permanent(error) is reason
