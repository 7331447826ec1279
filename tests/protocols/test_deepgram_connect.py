"""Before the socket opens: URL, credentials, granted tokens; and the codes of errors."""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given, strategies as st

from callboard.protocols import LocalWireError, RemoteWireError, deepgram as dg

# What a header or a subprotocol can carry.
secrets = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40)


def test_urls() -> None:
    parts = urlsplit(dg.DEFAULT_URL)
    assert (parts.scheme, parts.hostname, parts.path, parts.query) == (
        "wss",
        "agent.deepgram.com",
        "/v1/agent/converse",
        "",
    )
    assert set(dg.HOSTS) == {"global", "eu", "au", "in"}
    assert parts.path == dg.PATH


def test_times_and_limits() -> None:
    assert (dg.KEEP_ALIVE_INTERVAL, dg.SESSION_LIMIT - dg.SESSION_WARNING) == (8.0, 300.0)
    assert (dg.SESSION_LIMIT, dg.PROMPT_LIMIT, dg.GRANT_LIFETIME) == (2 * 3600.0, 25_000, 30)


@given(secrets)
def test_credential_is_read_back_in_each_form(secret: str) -> None:
    token = dg.Credential(scheme="token", secret=secret)
    bearer = dg.Credential(scheme="bearer", secret=secret)
    assert dg.auth_header(secret) == ("Authorization", f"Token {secret}")
    assert dg.read_credential(dg.auth_header(secret)[1]) == token
    assert dg.read_credential(dg.bearer_header(secret)[1]) == bearer
    offered = [*dg.auth_subprotocols(secret), "x-deepgram-session-id", "0c9d8a52"]
    found = dg.read_credential(None, offered)
    assert found == dg.Credential(scheme="token", secret=secret, from_subprotocol=True)
    found = dg.read_credential(None, dg.bearer_subprotocols(secret))
    assert found == dg.Credential(scheme="bearer", secret=secret, from_subprotocol=True)
    # The header is what counts where there are both.
    assert dg.read_credential(f"Bearer {secret}", offered) == bearer


@pytest.mark.parametrize("header", ["", "Token", "Token ", "Basic abc", "abc", "Digest token abc"])
def test_header_without_a_credential(header: str) -> None:
    assert dg.read_credential(header) is None
    assert dg.read_credential(header, ["token", "abc"]) is None


@pytest.mark.parametrize("header", ["token abc", "TOKEN  abc ", "  Token abc"])
def test_spelling_of_the_header_does_not_matter(header: str) -> None:
    assert dg.read_credential(header) == dg.Credential(scheme="token", secret="abc")


@pytest.mark.parametrize("offered", [[], ["token"], ["chat", "superchat"]])
def test_subprotocols_without_a_credential(offered: list[str]) -> None:
    assert dg.read_credential(None, offered) is None


def test_secret_that_no_subprotocol_can_carry_is_not_shown() -> None:
    for make in (dg.auth_subprotocols, dg.bearer_subprotocols):
        for secret in ("", "hush hush", "hush,hush", "hush\r\nX: y", "hüsh"):
            with pytest.raises(LocalWireError) as caught:
                make(secret)
            assert "hush" not in str(caught.value).replace("ü", "u")


def test_grant() -> None:
    grant = dg.Grant(access_token="a.b.c", expires_in=30)
    assert dg.decode_grant(json.dumps(dg.encode_grant(grant))) == grant
    assert dg.decode_grant('{"access_token":"a","expires_in":29.5,"scope":"x"}').expires_in == 29.5
    for body in ("", "[]", "{}", '{"access_token":"a"}', '{"access_token":5,"expires_in":30}', "x" * 70_000):
        with pytest.raises(RemoteWireError):
            dg.decode_grant(body)


# --- codes


def test_codes_are_strings_as_on_the_wire() -> None:
    for code in (*dg.ErrorCode, *dg.WarningCode):
        assert code == code.name == str(code)
    message = dg.ErrorMessage(description="d", code=dg.ErrorCode.SERVER_GOING_AWAY)
    assert json.loads(dg.encode(message)) == {
        "type": "Error",
        "description": "d",
        "code": "SERVER_GOING_AWAY",
    }
    assert dg.decode_server_message(dg.encode(message)).event == message


PERMANENT = {
    "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS",
    "UNPARSABLE_CLIENT_MESSAGE",
    "INVALID_SETTINGS",
    "USER_AUDIO_FORMAT",
    "NON_EXISTENT_FUNCTION_CALLED",
    "AGENT_ID_NOT_SUPPORTED",
    "INVALID_AGENT_ID",
}


def test_errors_that_a_new_connection_does_not_cure() -> None:
    assert {code.value for code in dg.ErrorCode if dg.is_permanent_error(code)} == PERMANENT
    # The code comes as a plain string.
    assert dg.is_permanent_error("INVALID_SETTINGS")
    for code in ("", "DATA-0002", "invalid_settings", "SERVER_GOING_AWAY", "CLIENT_MESSAGE_TIMEOUT"):
        assert not dg.is_permanent_error(code)
