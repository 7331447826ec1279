"""What a wish changes in Deepgram's `Settings`, and which messages change a running session so."""

from collections.abc import Mapping, Sequence
from typing import cast

import attrs

from callboard.media import PCM16_24K
from callboard.protocols import deepgram as wire

from ._deepgram_config import DEFAULT_THINK, Json, fill, merge, own_voice, parse

_MULTILINGUAL = "flux-general-multi"
# The parts of an agent that can be changed in a session.
_PARTS = ("think", "speak", "listen", "think_live")


@attrs.frozen(kw_only=True)
class DeepgramWish:
    """A configuration in the words of `configure`; None leaves a thing as it is."""

    instructions: str | None = None
    voice: str | None = None
    tools: Sequence[Mapping[str, object]] | None = None
    language: str | None = None
    keyterms: Sequence[str] | None = None
    speed: float | None = None
    greeting: str | None = None
    extra: Mapping[str, object] | None = None


def wished(settings: wire.Settings, wish: DeepgramWish) -> wire.Settings:
    """The settings with a wish fulfilled.

    Raises:
        ValueError: It cannot be.
    """
    if wish.extra:
        # Formats were filled in before; this is for an agent that takes the place of a stored one.
        settings = fill(merge(wire.settings_to_wire(settings), wish.extra), PCM16_24K)
    agent = settings.agent
    own = [
        field.name
        for field in attrs.fields(DeepgramWish)
        if field.name != "extra" and getattr(wish, field.name) is not None
    ]
    if not own:
        return settings
    if isinstance(agent, str):
        raise ValueError(  # noqa: TRY004  (the value of another setting)
            f"{own[0]} cannot be configured: the agent is stored at the server ({agent[:80]!r}), and what it consists "
            "of is not known here; give the agent in full, or send an update that names everything"
        )
    if wish.greeting is not None:
        agent = attrs.evolve(agent, greeting=wish.greeting)
    if wish.instructions is not None or wish.tools is not None:
        functions = None if wish.tools is None else functions_of(wish.tools)
        agent = _each_think(agent, wish.instructions, functions)
    if wish.language is not None or wish.keyterms is not None:
        agent = attrs.evolve(agent, listen=_listening(agent.listen, wish.language, wish.keyterms))
    if wish.voice is not None or wish.speed is not None:
        agent = _first_speak(agent, wish.voice, wish.speed)
    return attrs.evolve(settings, agent=agent)


def functions_of(declared: Sequence[Mapping[str, object]]) -> tuple[wire.Function, ...]:
    """The declarations of functions, also in the form other providers have for them.

    Raises:
        ValueError: One is none, or two have the same name.
    """
    plain: list[Json] = []
    for given in declared:
        kind = given.get("type", "function")
        if kind != "function":
            raise ValueError(
                f"a tool of the type {repr(kind)[:80]}, expected 'function': Deepgram has no others"
            )
        nested = given.get("function")
        entry = cast("Mapping[str, object]", nested) if isinstance(nested, Mapping) else given
        plain.append({name: value for name, value in entry.items() if name != "type"})
    agent: Json = {"think": {"provider": dict(DEFAULT_THINK), "functions": plain}}
    parsed = parse({"audio": {}, "agent": agent}).agent
    assert isinstance(parsed, wire.Agent)
    names = [function.name for function in parsed.functions]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two functions have the name {name[:80]!r}")
    return parsed.functions


def _each_think(
    agent: wire.Agent, instructions: str | None, functions: tuple[wire.Function, ...] | None
) -> wire.Agent:
    # Each model of a chain has to know everything: it answers where the one before it fails.
    chain = agent.think_chain
    if instructions is not None:
        chain = tuple(attrs.evolve(entry, prompt=instructions) for entry in chain)
    if functions is not None:
        chain = tuple(attrs.evolve(entry, functions=functions) for entry in chain)
    return attrs.evolve(agent, think=chain if isinstance(agent.think, tuple) else chain[0])


def _listening(
    listen: wire.Listen | None, language: str | None, keyterms: Sequence[str] | None
) -> wire.Listen:
    assert listen is not None
    provider = listen.provider
    if keyterms is not None:
        if isinstance(keyterms, str):
            raise ValueError(f"keyterms is {keyterms[:80]!r}, expected a list of words")
        provider = attrs.evolve(provider, keyterms=tuple(keyterms))
    if language is not None:
        if provider.version != "v2":
            provider = attrs.evolve(provider, language=language)
        else:
            provider = _flux_language(provider, language)
    return attrs.evolve(listen, provider=provider)


def _flux_language(provider: wire.ListenProvider, language: str) -> wire.ListenProvider:
    # Hints are languages without a region.
    primary = language.partition("-")[0].lower()
    if primary == "en" and provider.model != _MULTILINGUAL:
        return provider
    hints = None if primary == "multi" else (primary,)
    return attrs.evolve(provider, model=_MULTILINGUAL, language_hints=hints)


def _first_speak(agent: wire.Agent, voice: str | None, speed: float | None) -> wire.Agent:
    # The others of a chain are what is left where the wanted voice fails.
    first, *others = agent.speak_chain
    if voice is not None:
        first = _with_voice(first, voice)
    if speed is not None:
        if first.provider.type not in {"deepgram", "cartesia"}:
            raise ValueError(f"the speed of a voice of {first.provider.type[:80]!r} cannot be configured")
        first = attrs.evolve(first, provider=attrs.evolve(first.provider, speed=speed))
    if not wire.is_speed_possible(first.provider):
        # The server would accept it, and end the session at the first word.
        flux = first.provider.version == "v2"
        wanted = "0.5 to 1.5 in steps of 0.05" if flux else "0.7 to 1.5"
        raise ValueError(
            f"speed is {first.provider.speed!r}, expected {wanted} with {first.provider.model!r}"
        )
    return attrs.evolve(agent, speak=(first, *others) if isinstance(agent.speak, tuple) else first)


def _with_voice(entry: wire.SpeakEntry, voice: str) -> wire.SpeakEntry:
    old = entry.provider
    if own_voice(voice):
        flux = voice.startswith("flux-")
        if old.type != "deepgram":
            entry = wire.SpeakEntry(provider=wire.SpeakProvider(type="deepgram"))
            old = entry.provider
        provider = attrs.evolve(
            old,
            version="v2" if flux else "v1",
            model=voice,
            expressivity=old.expressivity if flux else None,
        )
    elif old.type == "deepgram":
        provider = attrs.evolve(old, model=voice)
    elif old.type in {"open_ai", "aws_polly"}:
        provider = attrs.evolve(old, voice=voice)
    elif old.type == "cartesia":
        provider = attrs.evolve(old, voice={"mode": "id", "id": voice})
    else:
        raise ValueError(
            f"a voice of {old.type[:80]!r} is not chosen by its name alone; give agent.speak as extra settings"
        )
    return attrs.evolve(entry, provider=provider)


# Updates


def updates_between(before: wire.Settings, after: wire.Settings) -> tuple[wire.Update, ...]:
    """The messages that bring a session from one configuration to another.

    Raises:
        ValueError: There are none: a session cannot be changed so.
    """
    _check_fixed(before, after)
    old, new = before.agent, after.agent
    if isinstance(old, str) or isinstance(new, str):
        return ()
    updates: list[wire.Update] = []
    if new.think != old.think and new.think is not None:
        updates.append(_think_update(before, after, new.think))
    if new.speak != old.speak and new.speak is not None:
        updates.append(wire.UpdateSpeak(speak=new.speak))
    if new.listen != old.listen and new.listen is not None:
        if wire.merge_listen(old.listen, new.listen) != new.listen:
            keyterms = old.listen is None or old.listen.provider.keyterms != new.listen.provider.keyterms
            raise ValueError(
                "the key terms of a Nova model cannot be changed in a session; give them in the settings, or listen "
                "with a Flux model"
                if keyterms
                else "what is configured of speech recognition cannot be taken back in a session"
            )
        updates.append(wire.UpdateListen(listen=new.listen))
    if new.think_live != old.think_live and new.think_live is not None:
        updates.append(wire.UpdateThinkLive(think_live=new.think_live))
    return tuple(updates)


def _think_update(
    before: wire.Settings, after: wire.Settings, think: wire.ThinkEntry | tuple[wire.ThinkEntry, ...]
) -> wire.Update:
    """An addition where that is all there is to it: it does not disturb the models."""
    first = think[0] if isinstance(think, tuple) else think
    old = cast("wire.Agent", before.agent).think_chain
    start = old[0].prompt if old else None
    if start and first.prompt and first.prompt.startswith(f"{start}\n"):
        addition = wire.UpdatePrompt(prompt=first.prompt[len(start) + 1 :])
        added = wire.apply_update(before, addition).agent
        if isinstance(added, wire.Agent) and added.think == think:
            return addition
    return wire.UpdateThink(think=think)


def _check_fixed(before: wire.Settings, after: wire.Settings) -> None:
    """Raises ValueError where something differs that no message changes."""
    old, new = wire.settings_to_wire(before), wire.settings_to_wire(after)
    old_agent, new_agent = old.pop("agent"), new.pop("agent")
    fixed: list[str] = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if isinstance(old_agent, Mapping) and isinstance(new_agent, Mapping):
        ours, theirs = cast("Json", old_agent), cast("Json", new_agent)
        fixed += [
            f"agent.{name}"
            for name in {**ours, **theirs}
            if ours.get(name) != theirs.get(name) and (name not in _PARTS or name not in theirs)
        ]
    elif old_agent != new_agent:
        fixed.append("agent")
    if fixed:
        raise ValueError(f"{fixed[0]} cannot be changed in a session; it has to be in the settings")
