"""What both providers' adapters take from `_provider_credential`; more of it is shown with each adapter."""

import logging

import pytest
import trio

from callboard.actors._deepgram_adapter import resolve_url as resolve_deepgram_url
from callboard.actors._grok_adapter import resolve_url as resolve_grok_url
from callboard.actors._provider_credential import (
    Credential,
    KeySource,
    complete_url,
    given_or_environment,
    is_loopback,
)
from callboard.actors._provider_errors import ProviderFailed, ProviderFailure

REMOTE = "wss://voice.example/v1/talk"


def credential(source: KeySource | None, url: str = REMOTE) -> Credential:
    return Credential(
        source,
        url=url,
        company="Kestrel",
        noun="key",
        argument="kestrel_key",
        missing="set KESTREL_KEY",
        log=logging.getLogger("callboard.kestrel"),
    )


def complete(text: str) -> str:
    return complete_url(text, bases={"", "/v1"}, path="/v1/talk", argument="kestrel_key")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://voice.example", REMOTE),
        ("wss://voice.example/v1/", REMOTE),
        (REMOTE, REMOTE),
        ("wss://voice.example/elsewhere/?a=1#b", "wss://voice.example/elsewhere?a=1"),
    ],
)
def test_url_is_completed_only_where_it_ends_at_a_base(given: str, url: str) -> None:
    assert complete(given) == url


@pytest.mark.parametrize("given", ["ftp://host", "host:80", "wss://", "/v1/talk", "ws://host:0"])
def test_url_of_no_web_socket_server_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="expected wss://"):
        complete(given)


@pytest.mark.parametrize("resolve", [resolve_grok_url, resolve_deepgram_url])
@pytest.mark.parametrize(
    "given", ["wss://user:hunter2@host", "wss://user:hunter2@host:99999", "wss://user:hunter2@[host"]
)
def test_url_with_a_password_is_refused_without_quoting_it(resolve: object, given: str) -> None:
    assert callable(resolve)
    with pytest.raises(ValueError, match="URL") as caught:
        resolve(given)
    assert "hunter2" not in str(caught.value)


def test_this_machine_is_told_from_others() -> None:
    assert all(is_loopback(f"ws://{host}:1/") for host in ("127.0.0.1", "localhost", "[::1]"))
    assert not is_loopback(REMOTE)
    assert not is_loopback("ws://localhost.example/")


def test_environment_is_asked_only_where_nothing_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTREL_KEY", " from-there\n")
    assert given_or_environment(None, "KESTREL_KEY") == "from-there"
    assert given_or_environment(" given ", "KESTREL_KEY") == "given"
    assert given_or_environment("", "KESTREL_KEY") == ""
    monkeypatch.setenv("KESTREL_KEY", " ")
    assert given_or_environment(None, "KESTREL_KEY") is None


def test_missing_credential_is_told_unless_the_server_is_on_this_machine() -> None:
    with pytest.raises(ProviderFailed, match="set KESTREL_KEY") as caught:
        credential(None)
    assert caught.value.reason is ProviderFailure.MISSING_KEY


async def test_server_on_this_machine_gets_a_word_that_is_no_secret() -> None:
    local = credential(None, "ws://localhost:1/")
    assert await local.get() == "local"
    assert local.secrets() == []


async def test_function_is_asked_each_time_and_the_latest_four_are_remembered() -> None:
    numbers = iter(range(6))
    plain = credential(lambda: f" key-{next(numbers)} ")
    assert [await plain.get() for _ in range(6)] == [f"key-{number}" for number in range(6)]
    assert plain.secrets() == ["key-2", "key-3", "key-4", "key-5"]


async def test_async_function_that_returns_nothing_is_a_missing_key() -> None:
    async def fetch() -> str:
        await trio.lowlevel.checkpoint()
        return " "

    with pytest.raises(ProviderFailed, match="kestrel_key gave no key") as caught:
        await credential(fetch).get()
    assert caught.value.reason is ProviderFailure.MISSING_KEY


async def test_credential_no_header_can_carry_is_refused_and_still_a_secret() -> None:
    bad = credential(lambda: "two\nlines")
    with pytest.raises(ProviderFailed, match="the Kestrel key has characters no key has") as caught:
        await bad.get()
    assert caught.value.reason is ProviderFailure.BAD_KEY
    assert "two" not in str(caught.value)
    assert bad.secrets() == ["two\nlines"]


@pytest.mark.parametrize(
    ("url", "warned"), [("ws://10.0.0.7/v1", True), ("ws://localhost/v1", False), (REMOTE, False)]
)
def test_unencrypted_credential_is_warned_about(
    url: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "callboard.kestrel"):
        credential("the-key", url)
    assert ("unencrypted" in caplog.text) is warned
    assert "the-key" not in caplog.text
