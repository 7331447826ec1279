"""What the settings of a session are after an ``Update...`` message."""

from __future__ import annotations

from typing import Final, TypeVar

import attrs

from .._errors import LocalWireError
from ._audio_check import check_output
from ._client_messages import UpdateListen, UpdatePrompt, UpdateSpeak, UpdateThink, UpdateThinkLive
from ._parts import Listen, ListenProvider, ThinkEntry
from ._problems import refuse_shape
from ._provider_check import check_listen, check_speak, check_think
from ._server_messages import ListenUpdated, PromptUpdated, SpeakUpdated, ThinkLiveUpdated, ThinkUpdated
from ._settings import Agent, Settings, as_chain
from ._settings_check import check_opt_out, check_unknown_fields

__all__ = ["ACKNOWLEDGEMENTS", "Update", "apply_update", "check_update", "merge_listen"]

T = TypeVar("T")

Update = UpdatePrompt | UpdateThink | UpdateSpeak | UpdateListen | UpdateThinkLive
"""Any message that changes the settings of a session."""

ACKNOWLEDGEMENTS: Final = {
    UpdatePrompt: PromptUpdated,
    UpdateThink: ThinkUpdated,
    UpdateSpeak: SpeakUpdated,
    UpdateListen: ListenUpdated,
    UpdateThinkLive: ThinkLiveUpdated,
}
"""Class of an update to the class of its answer."""


def apply_update(settings: Settings, update: Update) -> Settings:
    """Return what ``settings`` are after ``update``: what to connect again with.

    A prompt is added on a line of its own, to that of each language model of a chain.

    Raises:
        LocalWireError: The agent is one that is stored at the server, and what it consists of is not known here.
    """
    agent = settings.agent
    if isinstance(agent, str):
        raise LocalWireError(
            f"{type(update).__name__} cannot be merged into settings whose agent is stored at the server, "
            "expected settings with the agent in full"
        )
    return attrs.evolve(settings, agent=_applied(agent, update))


def _applied(agent: Agent, update: Update) -> Agent:
    match update:
        case UpdatePrompt(prompt=text):
            longer = tuple(_prompted(entry, text) for entry in agent.think_chain)
            if agent.think is None:
                return agent
            return attrs.evolve(agent, think=longer if isinstance(agent.think, tuple) else longer[0])
        case UpdateThink():
            return attrs.evolve(agent, think=update.think)
        case UpdateSpeak():
            return attrs.evolve(agent, speak=update.speak)
        case UpdateListen():
            return attrs.evolve(agent, listen=merge_listen(agent.listen, update.listen))
        case UpdateThinkLive():
            return attrs.evolve(agent, think_live=update.think_live)


def _prompted(entry: ThinkEntry, text: str) -> ThinkEntry:
    return attrs.evolve(entry, prompt=f"{entry.prompt}\n{text}" if entry.prompt else text)


def merge_listen(before: Listen | None, update: Listen) -> Listen:
    """Return the speech recognition of a session after an update.

    What the update leaves out stays, but for ``language_hints``. Where it switches between Nova and Flux only the key
    terms stay, because the other fields mean nothing to the other one. The key terms of Nova cannot be changed.
    """
    if before is None:
        return update
    old, new = before.provider, update.provider
    version = _either(new.version, old.version)
    nova = version != "v2"
    switched = nova is (old.version == "v2")
    kept = ListenProvider(keyterms=old.keyterms) if switched else old
    fixed = nova and not switched
    provider = ListenProvider(
        type=new.type,
        version=version,
        model=_either(new.model, kept.model),
        language=_either(new.language, kept.language),
        smart_format=_either(new.smart_format, kept.smart_format),
        keyterms=kept.keyterms if fixed else _either(new.keyterms, kept.keyterms),
        language_hints=new.language_hints,
        eot_threshold=_either(new.eot_threshold, kept.eot_threshold),
        eager_eot_threshold=_either(new.eager_eot_threshold, kept.eager_eot_threshold),
        eot_timeout_ms=_either(new.eot_timeout_ms, kept.eot_timeout_ms),
        extra={**kept.extra, **new.extra},
    )
    return Listen(provider=provider, extra={**before.extra, **update.extra})


def _either(first: T | None, second: T | None) -> T | None:
    return second if first is None else first


def check_update(
    update: Update, settings: Settings, *, open_fields: bool = False, early_access: bool = False
) -> None:
    """Check the values of an update as a server does.

    Args:
        update: The message.
        settings: Those of the session before it.
        open_fields: See ``check_settings``.
        early_access: See ``check_settings``.

    Raises:
        RemoteWireError: With the path of the first value that is not acceptable; ``reply`` is the answer of a server.
    """
    if not open_fields:
        check_unknown_fields(update)
    agent = settings.agent if isinstance(settings.agent, Agent) else Agent()
    match update:
        case UpdateThink(think=think):
            several, chain = isinstance(think, tuple), as_chain(think)
            check_think(chain, "think", several=several, live=agent.think_live is not None)
            check_opt_out(settings, chain, "think", several=several)
        case UpdateSpeak(speak=speak):
            voices = as_chain(speak)
            check_speak(voices, "speak", several=isinstance(speak, tuple))
            if settings.audio.output is not None:
                check_output(settings.audio.output, tuple(entry.provider for entry in voices), "audio.output")
        case UpdateListen(listen=listen):
            check_listen(merge_listen(agent.listen, listen), "listen")
        case UpdateThinkLive() if not early_access:
            raise refuse_shape("think_live", "is not open to this project")
        case _:
            pass
