"""``Settings`` of the Deepgram wire: what a server takes, and the answer to what it does not."""

import copy
import json
from collections.abc import Mapping
from functools import reduce
from typing import cast

import pytest
from hypothesis import given

from callboard.protocols import RemoteWireError, deepgram as dg
from tests.protocols.deepgram_kit import instances

UNPARSABLE, INVALID = dg.ErrorCode.UNPARSABLE_CLIENT_MESSAGE, dg.ErrorCode.INVALID_SETTINGS

FULL: dict[str, object] = {
    "type": "Settings",
    "tags": ["trial"],
    "experimental": True,
    "mip_opt_out": False,
    "flags": {"history": True},
    "audio": {
        "input": {"encoding": "mulaw", "sample_rate": 8000},
        "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
    },
    "agent": {
        "language": "en",
        "listen": {
            "provider": {
                "type": "deepgram",
                "version": "v2",
                "model": "flux-general-multi",
                "keyterms": ["Wroxham"],
                "language_hints": ["en"],
                "eot_threshold": 1,
                "eager_eot_threshold": 0.5,
                "eot_timeout_ms": 4000,
            }
        },
        "think": [
            {
                "provider": {"type": "open_ai", "model": "gpt-4o-mini", "temperature": 0.4},
                "prompt": "You keep the boatyard's diary.",
                "functions": [
                    {
                        "name": "find_mooring",
                        "description": "Look for a free mooring.",
                        "parameters": {"type": "object", "properties": {"feet": {"type": "integer"}}},
                        "defer_until_eot": True,
                    },
                    {
                        "name": "tide",
                        "endpoint": {
                            "url": "http://127.0.0.1:1/tide",
                            "method": "post",
                            "headers": {"a": "b"},
                        },
                    },
                ],
            },
            {
                "provider": {"type": "groq", "model": "openai/gpt-oss-20b"},
                "endpoint": {"url": "https://llm.example/v1", "headers": {"Authorization": "Bearer k"}},
                "context_length": "max",
            },
        ],
        "speak": [
            {"provider": {"type": "deepgram", "version": "v2", "model": "flux-kit-en", "speed": 1.1}},
            {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        ],
        "greeting": "Boatyard, good morning.",
        "context": {
            "messages": [
                {"type": "History", "role": "user", "content": "Is there a mooring?"},
                {
                    "type": "History",
                    "function_calls": [
                        {
                            "id": "c1",
                            "name": "find_mooring",
                            "client_side": True,
                            "arguments": "{}",
                            "response": "12",
                        }
                    ],
                },
                {"type": "History", "role": "assistant", "content": "Number twelve is free."},
            ]
        },
    },
}


def _inside(holder: object, name: str) -> object:
    if isinstance(holder, list):
        return cast("list[object]", holder)[int(name)]
    return cast("dict[str, object]", holder)[name]


def changed(path: str, value: object) -> dict[str, object]:
    """The full settings with one field set; a value of ``...`` takes it out."""
    wire = copy.deepcopy(FULL)
    *outer, last = path.split(".")
    fields = cast("dict[str, object]", reduce(_inside, outer, cast("object", wire)))
    if value is ...:
        del fields[last]
    else:
        fields[last] = value
    return wire


def check(wire: Mapping[str, object], *, open_fields: bool = False, early_access: bool = False) -> None:
    dg.check_settings(dg.parse_settings(wire), open_fields=open_fields, early_access=early_access)


def refused(wire: Mapping[str, object], *, early_access: bool = False) -> tuple[str, str]:
    """The code and the path of a refusal, whose answer is one of the wire."""
    with pytest.raises(RemoteWireError) as caught:
        check(wire, early_access=early_access)
    reply = caught.value.reply
    assert isinstance(reply, dg.ErrorMessage)
    assert dg.decode_server_message(dg.encode(reply)).event == reply
    assert reply.description == str(caught.value)
    return reply.code, caught.value.path


def test_full_settings_are_accepted_and_survive() -> None:
    decoded = dg.decode_client_message(json.dumps(FULL))
    assert isinstance(decoded.event, dg.Settings)
    dg.check_settings(decoded.event)
    assert dg.settings_to_wire(decoded.event) == FULL
    assert decoded.event.history
    agent = decoded.event.agent
    assert isinstance(agent, dg.Agent)
    assert [function.name for function in agent.functions] == ["find_mooring", "tide"]
    assert [entry.managed for entry in agent.think_chain] == [True, False]


def test_least_settings_are_accepted() -> None:
    settings = dg.parse_settings({"type": "Settings", "audio": {}, "agent": {}})
    dg.check_settings(settings)
    assert settings == dg.Settings(audio=dg.Audio(), agent=dg.Agent())
    assert settings.history
    agent = settings.agent
    assert isinstance(agent, dg.Agent)
    assert (agent.think_chain, agent.speak_chain, agent.functions) == ((), (), ())
    assert not dg.parse_settings({"audio": {}, "agent": {}, "flags": {"history": False}}).history


def test_stored_agent_is_a_uuid() -> None:
    wire: dict[str, object] = {"audio": {}, "agent": "0c9d8a52-77B1-4c0e-9d5e-1f2a3b4c5d6e"}
    check(wire)
    assert dg.parse_settings(wire).agent == wire["agent"]
    # Only its voices say whether this output is possible.
    check(wire | {"audio": {"output": {"encoding": "mp3"}}})
    for bad in ("", "harbour", "0c9d8a52-77b1-4c0e-9d5e-1f2a3b4c5d6", "0c9d8a5277b14c0e9d5e1f2a3b4c5d6e"):
        assert refused(wire | {"agent": bad}) == (dg.ErrorCode.INVALID_AGENT_ID, "agent")


# --- shape

UNKNOWN = [
    "greeting",
    "settings",
    "audio.codec",
    "audio.input.channels",
    "audio.output.rate",
    "agent.prompt",
    "agent.listen.model",
    "agent.think.0.model",
    "agent.think.0.functions.0.url",
    "agent.think.1.endpoint.key",
    "agent.speak.0.voice",
    "agent.context.history",
    "flags.greeting",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_field_is_refused_unless_told_otherwise(path: str) -> None:
    wire = changed(path, "x")
    code, where = refused(wire)
    assert code == UNPARSABLE
    assert where.replace("[", ".").replace("]", "") == path
    check(wire, open_fields=True)


@pytest.mark.parametrize(
    "path", ["agent.listen.provider.x", "agent.think.0.provider.x", "agent.speak.1.provider.x"]
)
def test_providers_may_have_new_fields(path: str) -> None:
    check(changed(path, {"y": 1}))


REFUSED: list[tuple[str, object, str]] = [
    # Audio.
    ("audio.input.encoding", ..., UNPARSABLE),
    ("audio.input.sample_rate", ..., UNPARSABLE),
    ("audio.input.encoding", "pcm", INVALID),
    ("audio.input.sample_rate", 0, INVALID),
    ("audio.output.encoding", "pcm", INVALID),
    ("audio.output.sample_rate", 24000, INVALID),
    # Speech recognition.
    ("agent.listen.provider.type", "acme", INVALID),
    ("agent.listen.provider.model", ..., UNPARSABLE),
    ("agent.listen.provider.model", "nova-3", INVALID),
    ("agent.listen.provider.language", "en", UNPARSABLE),
    ("agent.listen.provider.smart_format", False, UNPARSABLE),
    ("agent.listen.provider.eot_threshold", 0.4, INVALID),
    ("agent.listen.provider.eot_threshold", 1.1, INVALID),
    ("agent.listen.provider.eager_eot_threshold", 0.2, INVALID),
    ("agent.listen.provider.eager_eot_threshold", 0.95, INVALID),
    ("agent.listen.provider.eot_timeout_ms", 499, INVALID),
    ("agent.listen.provider.eot_timeout_ms", 10001, INVALID),
    # Language models.
    ("agent.think", [], INVALID),
    ("agent.think.0.provider.model", ..., UNPARSABLE),
    ("agent.think.0.provider.temperature", 2.1, INVALID),
    ("agent.think.0.provider.temperature", -0.1, INVALID),
    ("agent.think.0.context_length", "max", INVALID),
    ("agent.think.1.context_length", "all", INVALID),
    ("agent.think.1.context_length", 0, INVALID),
    ("agent.think.1.endpoint", ..., INVALID),
    ("agent.think.0.functions.0.name", "", INVALID),
    ("agent.think.0.functions.0.initial_agent_filler", True, INVALID),
    ("agent.think.0.functions.0.agent_filler_max_count", 0, INVALID),
    ("agent.think.0.functions.1.agent_filler_interval_ms", 5000, INVALID),
    # Voices.
    ("agent.speak", [], INVALID),
    ("agent.speak.0.provider.model", ..., UNPARSABLE),
    ("agent.speak.0.provider.model", "aura-2-thalia-en", INVALID),
    ("agent.speak.1.provider.model", "flux-kit-en", INVALID),
    ("agent.speak.1.provider.language", "en", UNPARSABLE),
    ("agent.speak.0.provider.expressivity", 3, INVALID),
    ("agent.speak.0.endpoint", {"url": "http://voice.example"}, INVALID),
    ("agent.speak.0.endpoint", {"url": "wss://voice.example"}, INVALID),
    # The conversation so far.
    ("agent.context.messages.0.role", "system", UNPARSABLE),
    ("agent.context.messages.0.role", ..., UNPARSABLE),
    ("agent.context.messages.0.content", ..., UNPARSABLE),
    ("agent.context.messages.1.content", "x", UNPARSABLE),
    # What needs an invitation.
    ("agent.think_live", {"provider": {}}, UNPARSABLE),
]


@pytest.mark.parametrize(("path", "value", "code"), REFUSED)
def test_value_a_server_does_not_take_is_named(path: str, value: object, code: str) -> None:
    given_code, where = refused(changed(path, value))
    assert given_code == code
    where = where.replace("[", ".").replace("]", "")
    # Of an endpoint it is the URL; of an entry with both kinds of content it is the entry.
    assert where == path or where == f"{path}.url" or path == f"{where}.content"


ACCEPTED: list[tuple[str, object]] = [
    ("audio", {}),
    ("audio.input", ...),
    ("audio.input.sample_rate", 7350),
    ("audio.output", ...),
    ("audio.output", {}),
    ("agent.listen", ...),
    ("agent.listen.provider", {"type": "deepgram"}),
    (
        "agent.listen.provider",
        {"model": "nova-3", "language": "multi", "smart_format": True, "keyterms": ["a"]},
    ),
    (
        "agent.listen.provider",
        {"version": "v3", "model": "flux-next", "language": "en", "eot_threshold": 0.5},
    ),
    ("agent.think", {"provider": {"type": "open_ai", "model": "m"}}),
    ("agent.think.0.provider", {"type": "x_ai"}),
    ("agent.think.0.provider", {"type": "nvidia", "model": "m", "temperature": 2}),
    ("agent.think.0.provider", {"type": "anthropic", "model": "claude-haiku-4-5", "temperature": 1}),
    ("agent.think.1.provider", {"type": "google"}),
    ("agent.think.1.context_length", 15000),
    ("agent.speak", ...),
    ("agent.speak.0.provider.speed", 9),
    ("agent.speak.0.provider", {"type": "acme", "voice": {"x": 1}, "language": "en"}),
    ("agent.context", {}),
    ("agent.context.messages", []),
    ("agent.greeting", ""),
]


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_value_a_server_takes(path: str, value: object) -> None:
    check(changed(path, value))


def test_anthropic_is_cooler_than_others() -> None:
    provider = {"type": "anthropic", "model": "m", "temperature": 1.5}
    assert refused(changed("agent.think.0.provider", provider)) == (
        INVALID,
        "agent.think[0].provider.temperature",
    )


@pytest.mark.parametrize("kind", ["groq", "aws_bedrock"])
def test_models_that_need_an_endpoint(kind: str) -> None:
    entry: dict[str, object] = {"provider": {"type": kind, "model": "m"}}
    assert refused(changed("agent.think", entry)) == (INVALID, "agent.think.endpoint")
    check(changed("agent.think", entry | {"endpoint": {"url": "https://llm.example"}}))


def test_google_needs_a_model_unless_the_url_has_it() -> None:
    entry: dict[str, object] = {"provider": {"type": "google"}}
    assert refused(changed("agent.think", entry)) == (UNPARSABLE, "agent.think.provider.model")
    check(changed("agent.think", entry | {"endpoint": {"url": "https://llm.example"}}))


@pytest.mark.parametrize(
    "field", ["language_hints", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms"]
)
def test_nova_has_no_fields_of_flux(field: str) -> None:
    values: dict[str, object] = {"language_hints": ["en"], "eot_timeout_ms": 500}
    provider = {"model": "nova-3", field: values.get(field, 0.5)}
    assert refused(changed("agent.listen.provider", provider)) == (
        UNPARSABLE,
        f"agent.listen.provider.{field}",
    )
    for version in ("v1", None):
        flux = {"version": version, "model": "flux-general-en"}
        assert refused(changed("agent.listen.provider", flux)) == (INVALID, "agent.listen.provider.model")


def test_language_hints_are_for_the_multilingual_model() -> None:
    assert refused(changed("agent.listen.provider.model", "flux-general-en")) == (
        INVALID,
        "agent.listen.provider.language_hints",
    )


def test_one_model_takes_part_in_the_improvement_programme() -> None:
    wire = changed("agent.think", {"provider": {"type": "deepgram", "model": "think-fast"}})
    check(wire)
    assert refused(wire | {"mip_opt_out": True}) == (INVALID, "agent.think.provider.model")
    assert refused(changed("agent.think.0.provider.model", "think-fast") | {"mip_opt_out": True}) == (
        INVALID,
        "agent.think[0].provider.model",
    )


def test_fillers_need_think_live() -> None:
    wire = changed("agent.think_live", {"provider": {"agent_backchannel_sensitivity": 0}})
    agent = cast("dict[str, list[dict[str, list[dict[str, object]]]]]", wire["agent"])
    function = agent["think"][0]["functions"][0]
    function |= {"agent_filler_max_count": 2, "agent_filler_interval_ms": 60000}
    check(wire, early_access=True)
    function["agent_filler_interval_ms"] = 999
    assert refused(wire, early_access=True) == (
        INVALID,
        "agent.think[0].functions[0].agent_filler_interval_ms",
    )
    function["agent_filler_max_count"] = 0
    check(wire, early_access=True)


# --- voices

CARTESIA = {"type": "cartesia", "model_id": "sonic-2", "voice": {"mode": "id", "id": "v"}, "language": "en"}
POLLY = {
    "type": "aws_polly",
    "voice": "Amy",
    "engine": "neural",
    "language_code": "en-GB",
    "credentials": {"type": "iam"},
}
ELEVEN = {"type": "eleven_labs", "model_id": "eleven_turbo_v2_5", "language_code": "en"}
OPENAI = {"type": "open_ai", "model": "tts-1", "voice": "alloy"}
ELSEWHERE = {"url": "https://voice.example/v1", "headers": {"k": "v"}}


@pytest.mark.parametrize(
    "provider", [POLLY, ELEVEN, OPENAI], ids=lambda given: cast("dict[str, str]", given)["type"]
)
def test_voices_of_others_need_an_endpoint(provider: dict[str, object]) -> None:
    assert refused(changed("agent.speak", {"provider": provider})) == (INVALID, "agent.speak.endpoint")
    check(changed("agent.speak", {"provider": provider, "endpoint": ELSEWHERE}))


@pytest.mark.parametrize("provider", [CARTESIA, POLLY, ELEVEN, OPENAI])
def test_what_voices_of_others_cannot_do_without(provider: dict[str, object]) -> None:
    for name in provider.keys() - {"type", "language"}:
        short = {key: value for key, value in provider.items() if key != name}
        if provider is ELEVEN and name == "language_code":
            continue
        code, path = refused(changed("agent.speak", {"provider": short, "endpoint": ELSEWHERE}))
        assert code == UNPARSABLE
        assert path.removeprefix("agent.speak.provider.") in {name, "language"}


def test_voice_of_cartesia() -> None:
    check(changed("agent.speak", {"provider": CARTESIA}))
    bad_voices: list[object] = ["v", {"mode": "id"}, {}]
    for voice in bad_voices:
        provider = CARTESIA | {"voice": voice}
        assert refused(changed("agent.speak", {"provider": provider})) == (
            UNPARSABLE,
            "agent.speak.provider.voice",
        )
    assert refused(changed("agent.speak", {"provider": CARTESIA | {"volume": 2.5}})) == (
        INVALID,
        "agent.speak.provider.volume",
    )


def test_endpoint_of_a_voice() -> None:
    check(changed("agent.speak", {"provider": ELEVEN, "endpoint": {"url": "wss://voice.example/x?y=1"}}))
    for url in (
        "http://voice.example/hush",
        "hush",
        "https://[hush",
        "wss://voice.example/hush?output_format=",
        "https://voice.example/hush?model_id=m",
    ):
        with pytest.raises(RemoteWireError) as caught:
            check(changed("agent.speak", {"provider": ELEVEN, "endpoint": {"url": url}}))
        assert caught.value.path == "agent.speak.endpoint.url"
        # There may be a key in it.
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "possible", "impossible"),
    [
        (None, [None, 0.7, 1.23, 1.5], [0.69, 1.6]),
        ("v1", [1], [0.5]),
        ("v2", [None, 0.5, 0.55, 0.85, 1.15, 1.5], [0.45, 0.72, 1.55]),
        ("v3", [7.0], []),
    ],
)
def test_speed_of_a_voice(version: str | None, possible: list[float | None], impossible: list[float]) -> None:
    def voice(speed: float | None) -> dg.SpeakProvider:
        return dg.SpeakProvider(type="deepgram", version=version, model="m", speed=speed)

    assert all(dg.is_speed_possible(voice(speed)) for speed in possible)
    assert not any(dg.is_speed_possible(voice(speed)) for speed in impossible)
    assert dg.is_speed_possible(dg.SpeakProvider(type="cartesia", speed=99))


# --- output formats

FLUX: dict[str, object] = {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}
AURA: dict[str, object] = {"type": "deepgram", "version": "v1", "model": "aura-2-thalia-en"}

OUTPUT: list[tuple[dict[str, object], bool, bool]] = [
    # The format, whether Flux has it, whether Aura has it.
    ({}, True, True),
    ({"encoding": "linear16"}, True, True),
    ({"encoding": "linear16", "sample_rate": 44100}, True, False),
    ({"encoding": "linear16", "sample_rate": 48000, "container": "none"}, True, True),
    ({"sample_rate": 22050}, False, False),
    ({"encoding": "linear16", "container": "wav"}, False, True),
    ({"encoding": "linear16", "bitrate": 32000}, False, False),
    ({"encoding": "mulaw"}, True, True),
    ({"encoding": "alaw", "sample_rate": 16000}, True, True),
    ({"encoding": "mulaw", "sample_rate": 24000}, False, False),
    ({"encoding": "mulaw", "container": "wav"}, False, True),
    ({"encoding": "mulaw", "container": "ogg"}, False, False),
    ({"encoding": "mp3"}, False, True),
    ({"encoding": "mp3", "sample_rate": 22050, "bitrate": 32000}, False, True),
    ({"encoding": "mp3", "bitrate": 64000}, False, False),
    ({"encoding": "mp3", "sample_rate": 24000}, False, False),
    ({"encoding": "opus", "container": "ogg", "bitrate": 12000}, False, True),
    ({"encoding": "opus", "bitrate": 3999}, False, False),
    ({"encoding": "opus", "sample_rate": 24000}, False, False),
    ({"encoding": "flac", "sample_rate": 22050}, False, True),
    ({"encoding": "flac", "bitrate": 32000}, False, False),
    ({"encoding": "aac", "bitrate": 192000}, False, True),
    ({"encoding": "aac", "container": "wav"}, False, False),
]


@pytest.mark.parametrize(("output", "flux", "aura"), OUTPUT)
def test_output_formats_of_each_voice(output: dict[str, object], flux: bool, aura: bool) -> None:
    def possible(*voices: Mapping[str, object]) -> bool:
        agent: dict[str, object] = {"speak": [{"provider": voice} for voice in voices]} if voices else {}
        wire = {"audio": {"output": output}, "agent": agent}
        try:
            check(wire)
        except RemoteWireError:
            code, path = refused(wire)
            assert code == INVALID
            return not path.startswith("audio.output.")
        return True

    assert possible(FLUX) is flux
    assert possible(AURA) is aura
    # The default is a Flux voice, and a chain can do what all of it can.
    assert possible() is flux
    assert possible(AURA, FLUX) is (flux and aura)
    assert possible(CARTESIA)


def test_adaptive_codecs_have_one_rate() -> None:
    for encoding, rate in (("amr-nb", 8000), ("amr-wb", 16000)):
        check(changed("audio.input", {"encoding": encoding, "sample_rate": rate}))
        assert refused(changed("audio.input", {"encoding": encoding, "sample_rate": 24000})) == (
            INVALID,
            "audio.input.sample_rate",
        )
    for encoding in dg.INPUT_ENCODINGS - {"amr-nb", "amr-wb"}:
        check(changed("audio.input", {"encoding": encoding, "sample_rate": 44100}))


@pytest.mark.parametrize(
    ("output", "rate_hz"),
    [
        (None, 24000),
        (dg.AudioOutput(), 24000),
        (dg.AudioOutput(encoding="mulaw"), 8000),
        (dg.AudioOutput(encoding="alaw", sample_rate=16000), 16000),
        (dg.AudioOutput(encoding="opus"), 48000),
        (dg.AudioOutput(encoding="lpc10"), 24000),
    ],
)
def test_implied_output_rate(output: dg.AudioOutput | None, rate_hz: int) -> None:
    assert dg.output_rate_hz(output) == rate_hz


# --- any settings


@given(instances(dg.Settings))
def test_checking_raises_nothing_but_an_error_of_the_wire(settings: dg.Settings) -> None:
    for open_fields in (False, True):
        try:
            dg.check_settings(settings, open_fields=open_fields)
        except RemoteWireError as error:
            reply = error.reply
            assert isinstance(reply, dg.ErrorMessage)
            assert dg.is_permanent_error(reply.code)
            assert dg.decode_server_message(dg.encode(reply)).event == reply
