"""What `configure` makes of Deepgram's settings, before a session and in one."""

from collections.abc import Mapping
from typing import Any

import pytest

from callboard.actors._deepgram_settings import DeepgramSettings
from callboard.media import ULAW_8K
from callboard.protocols import deepgram as wire

Wish = dict[str, Any]
TRACK: Wish = {"name": "track", "description": "Finds a parcel.", "parameters": {"type": "object"}}
WEIGH: Wish = {"name": "weigh"}
NOVA: Wish = {"listen": {"provider": {"type": "deepgram", "version": "v1", "model": "nova-3"}}}
MULTI: Wish = {"listen": {"provider": {"version": "v2", "model": "flux-general-multi"}}}
CHAIN: Wish = {
    "think": [
        {"provider": {"type": "open_ai", "model": "a"}, "prompt": "P", "functions": [WEIGH]},
        {"provider": {"type": "anthropic", "model": "b"}, "prompt": "P"},
    ],
    "speak": [
        {"provider": {"type": "deepgram", "version": "v2", "model": "flux-bree-en", "expressivity": 1}},
        {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    ],
}


def make(agent: Mapping[str, object] | None = None) -> DeepgramSettings:
    return DeepgramSettings(ULAW_8K, {"agent": agent} if agent else None)


def running(agent: Mapping[str, object] | None = None) -> DeepgramSettings:
    settings = make(agent)
    settings.opening()
    settings.applied()
    return settings


def agent_json(settings: DeepgramSettings) -> Any:
    return wire.settings_to_wire(settings.config)["agent"]


def changed(agent: Mapping[str, object] | None, **wish: Any) -> Any:
    """The agent after a wish, which is the same whether there is a session or not."""
    before, live = make(agent), running(agent)
    assert before.configure(live=False, **wish) == ()
    updates = live.configure(live=True, **wish)
    assert agent_json(before) == agent_json(live)
    # Whoever follows the messages comes to the same result.
    followed = make(agent).config
    for update in updates:
        wire.check_update(update, followed)
        followed = wire.apply_update(followed, update)
    assert followed == live.config
    assert live.pending == updates
    return agent_json(live)


def speak_of(kind: str, **fields: object) -> Wish:
    endpoint = {"url": "https://host/"}
    return {"speak": {"provider": {"type": kind, **fields}, "endpoint": endpoint}}


def test_nothing_wished_is_nothing_changed() -> None:
    settings = running()
    before = settings.config
    assert settings.configure(live=True) == ()
    assert settings.config == before


def test_instructions_and_tools_go_to_every_model_of_a_chain() -> None:
    first, second = changed(CHAIN, instructions="Q", tools=[TRACK])["think"]
    assert first == {"provider": {"type": "open_ai", "model": "a"}, "prompt": "Q", "functions": [TRACK]}
    assert second == {"provider": {"type": "anthropic", "model": "b"}, "prompt": "Q", "functions": [TRACK]}


def test_what_is_not_wished_stays() -> None:
    first, second = changed(CHAIN, instructions="Q")["think"]
    assert first["functions"] == [WEIGH]
    assert "functions" not in second
    first, second = changed(CHAIN, tools=[])["think"]
    assert first["functions"] == []
    assert first["prompt"] == second["prompt"] == "P"


@pytest.mark.parametrize(
    "given", [TRACK, {"type": "function", **TRACK}, {"type": "function", "function": TRACK}]
)
def test_tool_is_declared_in_the_words_of_any_provider(given: Wish) -> None:
    settings = make()
    settings.configure(live=False, tools=[given, {**WEIGH, "endpoint": {"url": "https://host/"}, "new": 1}])
    assert agent_json(settings)["think"]["functions"] == [
        TRACK,
        {**WEIGH, "endpoint": {"url": "https://host/"}, "new": 1},
    ]
    assert settings.function_names() == {"track", "weigh"}


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        ([{"type": "web_search"}], "type 'web_search', expected 'function'"),
        ([{"description": "No name."}], "name"),
        ([TRACK, WEIGH, TRACK], "two functions have the name 'track'"),
    ],
)
def test_tool_that_is_none_is_refused_and_nothing_changes(tools: list[Wish], text: str) -> None:
    settings = running()
    before = settings.config
    with pytest.raises(ValueError, match=text):
        settings.configure(live=True, instructions="P", tools=tools)
    assert settings.config == before
    assert settings.pending == ()


def test_session_is_given_all_of_its_thinking_at_once() -> None:
    settings = running(CHAIN)
    (update,) = settings.configure(live=True, tools=[TRACK])
    assert isinstance(update, wire.UpdateThink)
    assert isinstance(update.think, tuple)
    assert [entry.prompt for entry in update.think] == ["P", "P"]


def test_addition_to_the_instructions_is_sent_as_one() -> None:
    settings = running(CHAIN)
    assert settings.configure(live=True, instructions="P\nBe brief.") == (
        wire.UpdatePrompt(prompt="Be brief."),
    )
    assert [entry["prompt"] for entry in agent_json(settings)["think"]] == ["P\nBe brief."] * 2
    # With anything else it would be lost.
    (update,) = settings.configure(live=True, instructions="P\nBe brief.\nBe kind.", tools=[])
    assert isinstance(update, wire.UpdateThink)


def test_first_instructions_replace_nothing() -> None:
    (update,) = running().configure(live=True, instructions="P")
    assert isinstance(update, wire.UpdateThink)


def test_several_wishes_are_several_updates() -> None:
    updates = running().configure(live=True, instructions="P", voice="flux-bree-en", language="de")
    assert [type(update) for update in updates] == [wire.UpdateThink, wire.UpdateSpeak, wire.UpdateListen]


# Voices


def test_voice_is_that_of_the_first_of_a_chain() -> None:
    first, second = changed(CHAIN, voice="flux-kit-en")["speak"]
    assert first["provider"] == {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-kit-en",
        "expressivity": 1,
    }
    assert second["provider"]["model"] == "aura-2-thalia-en"


def test_voice_of_the_older_kind_has_another_version_and_no_expressivity() -> None:
    first, _ = changed(CHAIN, voice="aura-2-thalia-en")["speak"]
    assert first["provider"] == {"type": "deepgram", "version": "v1", "model": "aura-2-thalia-en"}
    back, _ = changed({**CHAIN, "speak": [first, first]}, voice="flux-kit-en")["speak"]
    assert back["provider"] == {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("open_ai", {"model": "tts-1", "voice": "nova"}, {"voice": "echo"}),
        (
            "aws_polly",
            {"voice": "Amy", "language": "en-GB", "engine": "neural", "credentials": {"type": "iam"}},
            {"voice": "echo"},
        ),
        (
            "cartesia",
            {"model_id": "sonic-2", "voice": {"mode": "id", "id": "x"}},
            {"voice": {"mode": "id", "id": "echo"}},
        ),
        ("deepgram", {"model": "house-voice"}, {"model": "echo"}),
    ],
)
def test_voice_of_another_provider_is_chosen_in_its_words(kind: str, fields: Wish, expected: Wish) -> None:
    settings = make(speak_of(kind, **fields))
    settings.configure(live=False, voice="echo")
    speak = agent_json(settings)["speak"]
    assert speak == {"provider": {"type": kind, **fields, **expected}, "endpoint": {"url": "https://host/"}}


def test_voice_of_deepgram_takes_the_place_of_another_provider() -> None:
    agent = changed(speak_of("open_ai", model="tts-1", voice="nova"), voice="flux-kit-en")
    assert agent["speak"] == {"provider": {"type": "deepgram", "version": "v2", "model": "flux-kit-en"}}


def test_voice_that_needs_more_than_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'eleven_labs' is not chosen by its name"):
        make(speak_of("eleven_labs", model_id="m")).configure(live=False, voice="Rachel")


@pytest.mark.parametrize(
    ("voice", "speed", "possible"),
    [
        ("flux-kit-en", 0.5, True),
        ("flux-kit-en", 1.15, True),
        ("flux-kit-en", 1.12, False),
        ("flux-kit-en", 1.6, False),
        ("aura-2-thalia-en", 0.7, True),
        ("aura-2-thalia-en", 1.12, True),
        ("aura-2-thalia-en", 0.5, False),
    ],
)
def test_speed_that_would_end_the_session_is_refused(voice: str, speed: float, possible: bool) -> None:
    if possible:
        assert changed(None, voice=voice, speed=speed)["speak"]["provider"]["speed"] == speed
        return
    with pytest.raises(ValueError, match=rf"speed is {speed}, expected 0\.[57] to 1\.5"):
        running().configure(live=True, voice=voice, speed=speed)


def test_speed_that_the_next_voice_does_not_have_is_refused() -> None:
    settings = make()
    settings.configure(live=False, speed=0.5)
    with pytest.raises(ValueError, match=r"0\.7 to 1\.5 with 'aura-2-thalia-en'"):
        settings.configure(live=False, voice="aura-2-thalia-en")


def test_speed_of_other_providers() -> None:
    settings = make(speak_of("cartesia", model_id="sonic-2", voice={"mode": "id", "id": "x"}))
    settings.configure(live=False, speed=1.2)
    assert agent_json(settings)["speak"]["provider"]["speed"] == 1.2
    with pytest.raises(ValueError, match="'open_ai' cannot be configured"):
        make(speak_of("open_ai", model="tts-1", voice="nova")).configure(live=False, speed=1.2)


# Hearing


@pytest.mark.parametrize(
    ("agent", "language", "expected"),
    [
        (NOVA, "de-CH", {"model": "nova-3", "language": "de-CH"}),
        (NOVA, "multi", {"model": "nova-3", "language": "multi"}),
        (None, "en-GB", {"model": "flux-general-en"}),
        (None, "de-CH", {"model": "flux-general-multi", "language_hints": ["de"]}),
        (None, "multi", {"model": "flux-general-multi"}),
        (MULTI, "EN", {"model": "flux-general-multi", "language_hints": ["en"]}),
    ],
)
def test_language_is_said_as_the_model_wants_it(agent: Wish | None, language: str, expected: Wish) -> None:
    provider = changed(agent, language=language)["listen"]["provider"]
    del provider["type"], provider["version"]
    assert provider == expected


def test_key_terms_are_those_of_the_model() -> None:
    assert changed(None, keyterms=["Kestrel"])["listen"]["provider"]["keyterms"] == ["Kestrel"]
    with pytest.raises(ValueError, match="keyterms is 'Kestrel', expected a list"):
        make().configure(live=False, keyterms="Kestrel")


def test_key_terms_of_nova_have_to_be_in_the_settings() -> None:
    settings = make(NOVA)
    settings.configure(live=False, keyterms=["Kestrel"])
    assert agent_json(settings)["listen"]["provider"]["keyterms"] == ["Kestrel"]
    settings.opening()
    settings.applied()
    with pytest.raises(ValueError, match="key terms of a Nova model"):
        settings.configure(live=True, keyterms=["Merlin"])
    # The same again is no change.
    assert settings.configure(live=True, keyterms=["Kestrel"]) == ()


def test_what_recognition_was_told_cannot_be_untold() -> None:
    settings = running(
        {"listen": {"provider": {"version": "v2", "model": "flux-general-en", "eot_threshold": 0.8}}}
    )
    with pytest.raises(ValueError, match="cannot be taken back"):
        settings.configure(live=True, extra={"agent": {"listen": {"provider": {"eot_threshold": None}}}})


# Extra


def test_extra_is_merged_into_what_there_is() -> None:
    settings = make(CHAIN)
    extra: Wish = {
        "tags": ["a"],
        "agent": {"greeting": "Hello.", "listen": {"provider": {"eot_threshold": 0.9}}, "new": {"a": 1}},
    }
    settings.configure(live=False, extra=extra, instructions="Q")
    extra["agent"]["new"]["a"] = 2
    settings.configure(live=False, extra={"agent": {"new": {"b": 3}}})
    agent = agent_json(settings)
    assert agent["listen"]["provider"]["model"] == "flux-general-en"
    assert agent["listen"]["provider"]["eot_threshold"] == 0.9
    assert agent["think"][0]["prompt"] == "Q"
    assert agent["greeting"] == "Hello."
    assert agent["new"] == {"a": 1, "b": 3}
    assert settings.config.tags == ("a",)


def test_extra_parts_of_an_agent_are_updates() -> None:
    updates = running().configure(
        live=True,
        extra={
            "agent": {
                "think": {"provider": {"temperature": 0.5}},
                "listen": {"provider": {"eot_threshold": 0.9}},
                "think_live": {"provider": {"frustration_max_count": 1}},
            }
        },
    )
    assert [type(update) for update in updates] == [
        wire.UpdateThink,
        wire.UpdateListen,
        wire.UpdateThinkLive,
    ]


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"tags": ["a"]}, "tags"),
        ({"flags": {"history": False}}, "flags"),
        ({"audio": {"output": {"encoding": "linear16"}}}, "audio"),
        ({"agent": {"greeting": "Hello."}}, "agent.greeting"),
        ({"agent": {"new": 1}}, "agent.new"),
        ({"agent": "6d0c5f5e-3a54-4c0b-8a7a-7b1f0b3c9e21"}, "agent"),
        ({"new": 1}, "new"),
    ],
)
def test_what_no_message_changes_is_refused_in_a_session(extra: Wish, name: str) -> None:
    settings = running()
    before = settings.config
    with pytest.raises(ValueError, match=rf"^{name} cannot be changed in a session"):
        settings.configure(live=True, extra=extra)
    assert settings.config == before
    assert settings.pending == ()


def test_greeting_is_for_the_settings() -> None:
    settings = make()
    settings.configure(live=False, greeting="Hello.")
    assert agent_json(settings)["greeting"] == "Hello."
    settings.opening()
    settings.applied()
    assert settings.configure(live=True, greeting="Hello.") == ()
    with pytest.raises(ValueError, match=r"agent\.greeting cannot be changed in a session"):
        settings.configure(live=True, greeting="Good evening.")


def test_part_that_is_taken_away_cannot_be_updated() -> None:
    settings = running({"think_live": {"provider": {"frustration_max_count": 1}}})
    with pytest.raises(ValueError, match=r"agent\.think_live cannot be changed"):
        settings.configure(live=True, extra={"agent": {"think_live": None}})


def test_format_that_cannot_be_played_is_refused_and_nothing_changes() -> None:
    settings = make()
    before = settings.config
    with pytest.raises(ValueError, match=r"audio\.output\.encoding is 'mp3'"):
        settings.configure(live=False, extra={"audio": {"output": {"encoding": "mp3"}}})
    assert settings.config == before
    assert settings.output_format == ULAW_8K


def test_wrong_type_in_extra_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no settings of Deepgram: agent\.greeting"):
        make().configure(live=False, extra={"agent": {"greeting": 7}})
