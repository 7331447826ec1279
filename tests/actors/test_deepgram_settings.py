"""Deepgram's settings through sessions: what is sent, acknowledged, refused, and what the next session begins with."""

import logging
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from callboard.actors._deepgram_settings import DeepgramSettings
from callboard.media import ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, ULAW_8K, AudioFormat, Encoding
from callboard.protocols import deepgram as wire

AGENT_ID = "6d0c5f5e-3a54-4c0b-8a7a-7b1f0b3c9e21"
NOVA = {"type": "deepgram", "version": "v1", "model": "nova-3"}
TRACK: Mapping[str, object] = {
    "name": "track",
    "description": "Finds a parcel.",
    "parameters": {"type": "object", "properties": {"ref": {"type": "string"}}},
}
LINE = {"type": "History", "role": "user", "content": "Is it late?"}
CALLS = {
    "type": "History",
    "function_calls": [
        {"id": "c1", "name": "track", "client_side": True, "arguments": "{}", "response": "Friday"}
    ],
}


def json_of(settings: wire.Settings) -> dict[str, Any]:
    return wire.settings_to_wire(settings)


def make(given: Mapping[str, object] | None = None, preferred: AudioFormat = ULAW_8K) -> DeepgramSettings:
    return DeepgramSettings(preferred, given)


def running(given: Mapping[str, object] | None = None) -> DeepgramSettings:
    """Settings whose first session has begun."""
    settings = make(given)
    settings.opening()
    settings.applied()
    return settings


def agent_of(settings: DeepgramSettings) -> wire.Agent:
    agent = settings.config.agent
    assert isinstance(agent, wire.Agent)
    return agent


def prompt_of(settings: DeepgramSettings) -> str | None:
    return agent_of(settings).think_chain[0].prompt


def voice(model: str) -> wire.UpdateSpeak:
    return wire.UpdateSpeak(
        speak=wire.SpeakEntry(provider=wire.SpeakProvider(type="deepgram", version="v2", model=model))
    )


def thinking(prompt: str) -> wire.UpdateThink:
    return wire.UpdateThink(
        think=wire.ThinkEntry(provider=wire.ThinkProvider(type="open_ai", model="gpt-5"), prompt=prompt)
    )


def listening(model: str) -> wire.UpdateListen:
    return wire.UpdateListen(listen=wire.Listen(provider=wire.ListenProvider(version="v2", model=model)))


# Filling in


def test_nothing_given_is_a_whole_agent_in_the_format_of_the_call() -> None:
    assert json_of(make().opening()) == {
        "type": "Settings",
        "audio": {
            "input": {"encoding": "mulaw", "sample_rate": 8000},
            "output": {"encoding": "mulaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {
            "listen": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}},
            "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}},
            "speak": {"provider": {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}},
        },
    }


def test_what_is_filled_in_is_acceptable_to_a_server() -> None:
    for preferred in (ULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat(Encoding.PCM16, 22050)):
        wire.check_settings(make(preferred=preferred).opening())


def test_everything_given_is_kept_with_unknown_fields_and_the_given_mapping_is_left_alone() -> None:
    given: dict[str, Any] = {
        "tags": ["pilot"],
        "experimental": True,
        "new_top": 1,
        "audio": {
            "input": {"encoding": "linear16", "sample_rate": 16000, "new_in": 2},
            "output": {"encoding": "alaw", "sample_rate": 8000, "container": "none"},
        },
        "agent": {
            "listen": {"provider": {**NOVA, "new_listen": 3}},
            "think": [{"provider": {"type": "new_brand", "model": "m", "new_think": 4}, "prompt": "P"}],
            "speak": {"provider": {"type": "open_ai", "model": "tts-1", "voice": "nova"}},
            "new_agent": 5,
        },
    }
    settings = make(given)
    assert json_of(settings.opening()) == {"type": "Settings", **given}
    assert settings.input_format == PCM16_16K
    assert settings.output_format == ALAW_8K
    settings.configure(live=False, instructions="Q", extra={"new_top": 9})
    assert given["agent"]["think"][0]["prompt"] == "P"
    assert given["new_top"] == 1


def test_typed_settings_do_as_well() -> None:
    given = wire.Settings(audio=wire.Audio(), agent=wire.Agent(greeting="Hello."), tags=("a",))
    opening = DeepgramSettings(PCM16_24K, given).opening()
    assert opening.tags == ("a",)
    assert opening.audio.input == wire.AudioInput(encoding="linear16", sample_rate=24000)
    assert isinstance(opening.agent, wire.Agent)
    assert opening.agent.greeting == "Hello."


def test_parts_of_an_agent_are_completed() -> None:
    settings = make(
        {
            "agent": {
                "listen": {"provider": {"model": "flux-general-multi"}},
                "think": [{"prompt": "Be brief."}],
                "speak": [
                    {"provider": {"model": "flux-alexis-en"}},
                    {"provider": {"model": "aura-2-thalia-en"}},
                    {"provider": {"type": "cartesia", "model_id": "flux-1"}},
                ],
            }
        }
    )
    agent = json_of(settings.opening())["agent"]
    assert agent["listen"]["provider"] == {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-general-multi",
    }
    assert agent["think"] == [
        {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "Be brief."}
    ]
    assert [entry["provider"] for entry in agent["speak"]] == [
        {"type": "deepgram", "version": "v2", "model": "flux-alexis-en"},
        {"type": "deepgram", "model": "aura-2-thalia-en"},
        {"type": "cartesia", "model_id": "flux-1"},
    ]


def test_version_that_is_said_is_not_changed() -> None:
    provider = {"type": "deepgram", "version": "v1", "model": "flux-general-en"}
    agent = json_of(make({"agent": {"listen": {"provider": provider}}}).opening())["agent"]
    assert agent["listen"]["provider"] == provider


@pytest.mark.parametrize(
    ("preferred", "given", "expected"),
    [
        (ULAW_8K, {}, ("mulaw", 8000)),
        (PCM16_16K, {}, ("linear16", 16000)),
        (AudioFormat(Encoding.PCM16, 11025), {}, ("linear16", 24000)),
        (ULAW_8K, {"encoding": "linear16"}, ("linear16", 24000)),
        (PCM16_16K, {"encoding": "linear16"}, ("linear16", 16000)),
        (PCM16_16K, {"encoding": "alaw"}, ("alaw", 8000)),
        (ULAW_8K, {"sample_rate": 48000}, ("linear16", 48000)),
    ],
)
def test_format_that_is_partly_named(
    preferred: AudioFormat, given: Mapping[str, object], expected: tuple[str, int]
) -> None:
    for direction in ("input", "output"):
        audio = json_of(make({"audio": {direction: given}}, preferred).opening())["audio"]
        assert (audio[direction]["encoding"], audio[direction]["sample_rate"]) == expected


@pytest.mark.parametrize(
    ("audio", "text"),
    [
        ({"input": {"encoding": "opus", "sample_rate": 48000}}, "audio.input.encoding is 'opus', expected"),
        ({"output": {"encoding": "mp3", "sample_rate": 22050}}, "audio.output.encoding is 'mp3'"),
        ({"output": {"encoding": "mulaw", "sample_rate": 16000}}, "audio.output: ulaw at 16000 Hz"),
        ({"input": {"encoding": "linear16", "sample_rate": 12345}}, "audio.input: pcm16 at 12345 Hz"),
        ({"output": {"container": "wav"}}, "audio.output.container is 'wav', expected 'none'"),
        ({"input": 7}, "audio.input: got 7, expected an object"),
    ],
)
def test_format_that_cannot_be_played_is_refused(audio: Mapping[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make({"audio": audio})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"type": "Hello"}, "type"),
        ({"agent": {"think": {"provider": {"model": "m"}}}}, "agent.think.*type"),
        ({"agent": {"listen": {"provider": {"model": 7}}}}, "listen"),
        ({"agent": {"greeting": ["Hello"]}}, "greeting"),
        ({"agent": 7}, "agent: got 7"),
        ({"agent": {"think": ["m"]}}, "agent.think: got 'm'"),
    ],
)
def test_what_are_no_settings_is_refused_by_name(given: Mapping[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=f"no settings of Deepgram: .*{text}"):
        make(given)


def test_no_key_is_in_the_repr_or_in_an_error() -> None:
    def with_url(url: object) -> Mapping[str, object]:
        endpoint = {"url": url, "headers": {"authorization": "Bearer sk-1"}}
        return {"agent": {"think": {"provider": {"type": "groq"}, "endpoint": endpoint}}}

    with pytest.raises(ValueError, match="url") as caught:
        make(with_url(7))
    assert "sk-1" not in str(caught.value)
    settings = make(with_url("https://host/?api_key=q-2"))
    for text in (repr(settings), repr(settings.config), repr(settings.opening())):
        assert "sk-1" not in text
        assert "q-2" not in text


def test_secrets_are_all_that_were_ever_in_the_settings() -> None:
    headers = {"Authorization": "Bearer sk-1", "Content-Type": "application/json"}
    polly = {
        "type": "aws_polly",
        "voice": "Amy",
        "language": "en-GB",
        "engine": "neural",
        "credentials": {
            "type": "iam",
            "region": "eu-west-1",
            "access_key_id": "AK",
            "secret_access_key": "SK",
        },
    }
    # A parameter may have any name.
    function = {
        **TRACK,
        "parameters": {"headers": "no secret"},
        "endpoint": {"url": "https://host/?token=q-2&a=b"},
    }
    settings = make(
        {
            "agent": {
                "think": {
                    "provider": {"type": "groq", "model": "m"},
                    "endpoint": {"url": "https://host/", "headers": headers},
                    "functions": [function],
                },
                "speak": {"provider": polly, "endpoint": {"url": "https://host/"}},
            }
        }
    )
    assert settings.secrets() == ["AK", "Bearer sk-1", "SK", "q-2", "sk-1"]
    entry = {"provider": {"type": "groq"}, "endpoint": {"url": "https://host/", "headers": {"X-Key": "sk-9"}}}
    settings.configure(live=False, extra={"agent": {"think": entry}})
    assert {"sk-1", "sk-9"} <= set(settings.secrets())
    own = wire.Endpoint(url="https://host/", headers={"X-Key": "sk-8"})
    settings.updated(
        wire.UpdateSpeak(speak=wire.SpeakEntry(provider=wire.SpeakProvider(type="open_ai"), endpoint=own))
    )
    assert {"sk-1", "sk-8"} <= set(settings.secrets())
    # Where it cannot be read as a URL, it has no query.
    settings.updated(
        wire.UpdateSpeak(
            speak=wire.SpeakEntry(
                provider=wire.SpeakProvider(type="open_ai"), endpoint=wire.Endpoint(url="https://[?key=k-1")
            )
        )
    )


# Updates and acknowledgements


def test_update_is_part_of_the_next_session_whether_acknowledged_or_not() -> None:
    settings = running({"agent": {"think": {"prompt": "P"}}})
    assert settings.updated(wire.UpdatePrompt(prompt="Q")) == (wire.UpdatePrompt(prompt="Q"),)
    settings.updated(voice("flux-alexis-en"))
    assert settings.acknowledged(wire.PromptUpdated())
    assert list(settings.pending) == [voice("flux-alexis-en")]
    agent = json_of(settings.opening())["agent"]
    assert agent["think"]["prompt"] == "P\nQ"
    assert agent["speak"]["provider"]["model"] == "flux-alexis-en"
    assert not settings.pending
    assert settings.applied() == ()


def test_additions_go_to_every_model_of_a_chain_until_it_is_replaced() -> None:
    settings = running(
        {"agent": {"think": [{"prompt": "P"}, {"provider": {"type": "anthropic", "model": "m"}}]}}
    )
    settings.updated(wire.UpdatePrompt(prompt="Q"))
    assert [entry.prompt for entry in agent_of(settings).think_chain] == ["P\nQ", "Q"]
    settings.updated(thinking("R"))
    assert prompt_of(settings) == "R"


def test_listen_update_is_merged_as_the_server_does() -> None:
    settings = running(
        {
            "agent": {
                "listen": {
                    "provider": {
                        "version": "v2",
                        "model": "flux-general-multi",
                        "language_hints": ["en"],
                        "keyterms": ["Kestrel"],
                    }
                }
            }
        }
    )
    settings.updated(listening("flux-general-multi"))
    listen = agent_of(settings).listen
    assert listen is not None
    assert listen.provider.keyterms == ("Kestrel",)
    assert listen.provider.language_hints is None


def test_acknowledgement_answers_the_oldest_update_of_its_kind() -> None:
    settings = running()
    first, second, other = voice("flux-alexis-en"), voice("flux-bree-en"), thinking("P")
    for update in (first, other, second):
        settings.updated(update)
    assert settings.acknowledged(wire.SpeakUpdated())
    assert list(settings.pending) == [other, second]
    assert settings.acknowledged(wire.SpeakUpdated())
    assert not settings.acknowledged(wire.SpeakUpdated())
    assert list(settings.pending) == [other]
    assert not settings.acknowledged(wire.AgentAudioDone())
    assert settings.acknowledged(wire.ThinkUpdated())
    assert not settings.take_back()


# Refusals


def test_refused_update_is_taken_back_to_what_was_accepted() -> None:
    settings = running({"agent": {"think": {"prompt": "P"}}})
    settings.updated(wire.UpdatePrompt(prompt="Q"))
    settings.acknowledged(wire.PromptUpdated())
    settings.updated(voice("flux-nobody-en"))
    assert settings.refused("INVALID_SETTINGS")
    assert settings.take_back()
    agent = json_of(settings.opening())["agent"]
    assert agent["think"]["prompt"] == "P\nQ"
    assert agent["speak"]["provider"]["model"] == "flux-kit-en"
    settings.applied()
    assert not settings.refused("INVALID_SETTINGS")
    assert not settings.take_back()


def test_refused_opening_falls_back_to_that_of_the_session_before() -> None:
    settings = running()
    settings.configure(
        live=False, extra={"audio": {"output": {"encoding": "linear16", "sample_rate": 16000}}}
    )
    assert settings.output_format == PCM16_16K
    settings.opening()
    assert settings.refused("INVALID_SETTINGS")
    assert settings.take_back()
    assert settings.output_format == ULAW_8K
    assert json_of(settings.opening())["audio"]["output"]["encoding"] == "mulaw"


def test_first_settings_have_nothing_to_fall_back_to() -> None:
    settings = make()
    settings.opening()
    settings.updated(voice("flux-alexis-en"))
    assert not settings.refused("INVALID_SETTINGS")
    assert not settings.take_back()


def test_acknowledgements_out_of_order_are_accepted_in_the_order_of_the_updates() -> None:
    settings = running()
    settings.updated(thinking("P"))
    settings.updated(wire.UpdatePrompt(prompt="Q"))
    settings.updated(voice("flux-nobody-en"))
    settings.acknowledged(wire.PromptUpdated())
    settings.acknowledged(wire.ThinkUpdated())
    assert settings.take_back()
    assert prompt_of(settings) == "P\nQ"


@pytest.mark.parametrize(
    ("code", "update", "expected"),
    [
        ("FAILED_TO_SPEAK", voice("flux-nobody-en"), True),
        ("FAILED_TO_SPEAK", thinking("P"), False),
        ("FAILED_TO_THINK", thinking("P"), True),
        ("FAILED_TO_THINK", wire.UpdatePrompt(prompt="P"), True),
        ("FAILED_TO_START_LISTENING", listening("flux-nobody"), True),
        ("FAILED_TO_LISTEN", listening("flux-nobody"), True),
        ("UNPARSABLE_CLIENT_MESSAGE", thinking("P"), True),
        ("SERVER_GOING_AWAY", thinking("P"), False),
        ("SOMETHING_NEW", thinking("P"), False),
    ],
)
def test_which_errors_answer_an_update(code: str, update: wire.Update, expected: bool) -> None:
    settings = running()
    assert not settings.refused(code)
    settings.updated(update)
    assert settings.refused(code) is expected


def test_part_that_fails_after_its_update_was_confirmed_is_not_refused() -> None:
    settings = running()
    settings.updated(voice("flux-alexis-en"))
    settings.acknowledged(wire.SpeakUpdated())
    assert not settings.refused("FAILED_TO_SPEAK")


def test_warning_of_an_older_server_takes_the_listen_update_out() -> None:
    settings = running()
    update = listening("flux-general-multi")
    settings.updated(update)
    settings.updated(voice("flux-alexis-en"))
    warning = wire.WarningMessage(description="No.", code="UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED")
    assert settings.warned(wire.WarningMessage(description="Slow", code="SLOW_THINK_REQUEST")) is None
    assert settings.warned(warning) == update
    assert settings.warned(warning) is None
    agent = agent_of(settings)
    assert agent.listen is not None
    assert agent.listen.provider.model == "flux-general-en"
    assert agent.speak_chain[0].provider.model == "flux-alexis-en"
    assert list(settings.pending) == [voice("flux-alexis-en")]


# Openings


def test_greeting_only_where_it_is_asked_for() -> None:
    settings = make({"agent": {"greeting": "Hello."}})
    assert json_of(settings.opening())["agent"]["greeting"] == "Hello."
    assert "greeting" not in json_of(settings.opening(greeting=False))["agent"]
    assert json_of(settings.opening())["agent"]["greeting"] == "Hello."


def test_context_is_that_of_one_opening_and_not_of_the_next() -> None:
    settings = make()
    opening = settings.opening([LINE, CALLS], greeting=False)
    assert json_of(opening)["agent"]["context"] == {"messages": [LINE, CALLS]}
    wire.check_settings(opening)
    assert "context" not in json_of(settings.opening())["agent"]
    typed = settings.opening([wire.History(role="assistant", content="Yes.")])
    assert json_of(typed)["agent"]["context"]["messages"] == [
        {"type": "History", "role": "assistant", "content": "Yes."}
    ]


def test_context_of_the_user_comes_first_and_once() -> None:
    seed = {"type": "History", "role": "assistant", "content": "We met before."}
    settings = make({"agent": {"context": {"messages": [seed], "new": 1}}})
    assert json_of(settings.opening())["agent"]["context"] == {"messages": [seed], "new": 1}
    for messages in ([LINE], [seed, LINE]):
        context = json_of(settings.opening(messages))["agent"]["context"]
        assert context == {"messages": [seed, LINE], "new": 1}


def test_malformed_context_is_refused_by_its_number() -> None:
    with pytest.raises(ValueError, match=r"message 1 of the conversation so far: .*content"):
        make().opening([LINE, {"type": "History", "role": "user", "content": 7}])


def test_function_names_are_those_of_the_whole_chain() -> None:
    settings = make({"agent": {"think": [{"functions": [TRACK]}, {"functions": [{"name": "weigh"}]}]}})
    assert settings.function_names() == {"track", "weigh"}
    settings.updated(thinking("P"))
    assert settings.function_names() == set()


# Stored agents


def test_stored_agent_is_named_and_gets_no_context(caplog: pytest.LogCaptureFixture) -> None:
    settings = make({"agent": AGENT_ID})
    assert settings.stored
    assert settings.function_names() == set()
    with caplog.at_level(logging.WARNING, "callboard.deepgram"):
        assert settings.opening().agent == AGENT_ID
        assert not caplog.records
        assert settings.opening([LINE], greeting=False).agent == AGENT_ID
    assert "stored at the server" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"instructions": "P"},
        {"voice": "flux-kit-en"},
        {"tools": [TRACK]},
        {"language": "de"},
        {"keyterms": ["a"]},
        {"speed": 1.1},
        {"greeting": "Hello."},
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_stored_agent_cannot_be_configured_in_part(live: bool, change: dict[str, Any]) -> None:
    settings = make({"agent": AGENT_ID})
    with pytest.raises(ValueError, match=f"{next(iter(change))} cannot be configured: .*{AGENT_ID}"):
        settings.configure(live=live, **change)
    assert settings.opening().agent == AGENT_ID


def test_updates_of_a_stored_agent_are_sent_again_in_each_session() -> None:
    settings = make({"agent": AGENT_ID})
    settings.opening()
    assert settings.applied() == ()
    prompt, think, added = wire.UpdatePrompt(prompt="P"), thinking("Q"), wire.UpdatePrompt(prompt="R")
    for update in (prompt, voice("flux-bree-en"), think, added, voice("flux-alexis-en")):
        assert settings.updated(update) == (update,)
    for answer in (wire.PromptUpdated(), wire.SpeakUpdated(), wire.ThinkUpdated()):
        assert settings.acknowledged(answer)
    settings.opening()
    again = settings.applied()
    assert again == (think, added, voice("flux-alexis-en"))
    # Their answers are no news to whoever asked for them in an earlier session.
    assert not settings.acknowledged(wire.ThinkUpdated())
    new = wire.UpdatePrompt(prompt="S")
    settings.updated(new)
    assert not settings.acknowledged(wire.PromptUpdated())
    assert settings.acknowledged(wire.PromptUpdated())


def test_update_of_a_stored_agent_waits_for_those_before_it() -> None:
    settings = make({"agent": AGENT_ID})
    settings.updated(wire.UpdatePrompt(prompt="P"))
    settings.opening()
    assert settings.updated(thinking("Q")) == ()
    assert settings.applied() == (thinking("Q"),)
    assert settings.acknowledged(wire.ThinkUpdated())


def test_refused_update_of_a_stored_agent_is_not_sent_again() -> None:
    settings = running({"agent": AGENT_ID})
    settings.updated(voice("flux-alexis-en"))
    settings.acknowledged(wire.SpeakUpdated())
    settings.updated(thinking("P"))
    assert settings.refused("INVALID_SETTINGS")
    assert settings.take_back()
    settings.opening()
    assert settings.applied() == (voice("flux-alexis-en"),)


def test_functions_given_to_a_stored_agent_are_known() -> None:
    settings = running({"agent": AGENT_ID})
    function = wire.Function(name="track")
    entry = wire.ThinkEntry(provider=wire.ThinkProvider(type="open_ai", model="m"), functions=(function,))
    settings.updated(wire.UpdateThink(think=(entry,)))
    assert settings.function_names() == {"track"}


def test_agent_in_full_takes_the_place_of_a_stored_one() -> None:
    settings = make({"agent": AGENT_ID})
    settings.updated(thinking("P"))
    settings.configure(live=False, extra={"agent": {"greeting": "Hello."}})
    assert not settings.stored
    opening = settings.opening()
    assert settings.applied() == ()
    agent = cast("wire.Agent", opening.agent)
    assert agent.greeting == "Hello."
    assert agent.speak_chain[0].provider.model == "flux-kit-en"


def test_stray_news_of_the_server_change_nothing() -> None:
    settings = running()
    before = settings.config
    assert settings.applied() == ()
    assert not settings.acknowledged(wire.PromptUpdated())
    assert settings.config == before


# In any order

UPDATES: tuple[wire.Update, ...] = (
    wire.UpdatePrompt(prompt="A"),
    wire.UpdatePrompt(prompt="B"),
    thinking("T"),
    thinking("U"),
    voice("flux-alexis-en"),
    voice("flux-bree-en"),
    listening("flux-general-multi"),
)


class Server:
    """A session that answers updates in their order, whenever it is told to."""

    def __init__(self, settings: DeepgramSettings) -> None:
        self.settings = settings
        self.applied = settings.opening(greeting=False)
        self.waiting: list[wire.Update] = list(settings.applied())

    def answer(self) -> None:
        if self.waiting:
            update = self.waiting.pop(0)
            self.applied = wire.apply_update(self.applied, update)
            assert self.settings.acknowledged(wire.ACKNOWLEDGEMENTS[type(update)]())


@given(st.lists(st.sampled_from(["answer", "lose", "refuse", *range(len(UPDATES))]), max_size=30))
def test_every_session_begins_with_what_the_server_had_and_what_it_had_not_refused(
    steps: list[str | int],
) -> None:
    settings = make({"agent": {"think": {"prompt": "P"}, "greeting": "Hello."}})
    server = Server(settings)
    for step in steps:
        if isinstance(step, int):
            server.waiting += settings.updated(UPDATES[step])
        elif step == "answer":
            server.answer()
        elif step == "lose":
            wanted = server.applied
            for update in server.waiting:
                wanted = wire.apply_update(wanted, update)
            server = Server(settings)
            assert server.applied == wanted
        else:
            accepted = server.applied
            assert settings.refused("INVALID_SETTINGS") is bool(server.waiting)
            assert settings.take_back() is bool(server.waiting)
            if server.waiting:
                server = Server(settings)
            assert server.applied == accepted
        assert list(settings.pending) == server.waiting
