"""The configuration of a Deepgram session on our side: what was asked for, what was accepted, what comes next."""

import logging
from collections.abc import Mapping, Sequence
from typing import cast

import attrs

from callboard.media import AudioFormat
from callboard.protocols import deepgram as wire

from ._deepgram_config import Json, fill, formats, parse, secrets_of
from ._deepgram_wishes import DeepgramWish, updates_between, wished

_log = logging.getLogger("callboard.deepgram")

# Errors that say that something in the settings, or in a message of ours, cannot be accepted.
_REFUSALS = frozenset({wire.ErrorCode.INVALID_SETTINGS, wire.ErrorCode.UNPARSABLE_CLIENT_MESSAGE})
# Errors that end a session when a part of the agent fails, with the updates that may have broken that part.
_FAILURES: Mapping[str, tuple[type, ...]] = {
    wire.ErrorCode.FAILED_TO_SPEAK: (wire.UpdateSpeak,),
    wire.ErrorCode.FAILED_TO_THINK: (wire.UpdateThink, wire.UpdatePrompt),
    wire.ErrorCode.FAILED_TO_START_LISTENING: (wire.UpdateListen,),
    wire.ErrorCode.FAILED_TO_LISTEN: (wire.UpdateListen,),
}
# What an update of a kind makes superfluous of those before it.
_REPLACED: Mapping[type, tuple[type, ...]] = {
    wire.UpdateThink: (wire.UpdateThink, wire.UpdatePrompt),
    wire.UpdateSpeak: (wire.UpdateSpeak,),
    wire.UpdateThinkLive: (wire.UpdateThinkLive,),
}


@attrs.frozen(kw_only=True)
class _State:
    """A configuration: the settings, and what has to be sent after them."""

    settings: wire.Settings
    repeated: tuple[wire.Update, ...] = ()
    """Updates of an agent that is stored at the server, into whose settings they cannot be merged."""

    @property
    def stored(self) -> bool:
        return isinstance(self.settings.agent, str)

    def after(self, update: wire.Update) -> "_State":
        if not self.stored:
            return attrs.evolve(self, settings=wire.apply_update(self.settings, update))
        gone = _REPLACED.get(type(update), ())
        kept = tuple(earlier for earlier in self.repeated if not isinstance(earlier, gone))
        return attrs.evolve(self, repeated=(*kept, update))


@attrs.define(eq=False)
class _Sent:
    """An update whose acknowledgement has not come, or has come before that of an earlier one."""

    update: wire.Update
    repeated: bool = False
    """It is not new, but belongs to the beginning of the session."""
    acknowledged: bool = False


class DeepgramSettings:
    """The settings as we want them, through all connections.

    Args:
        preferred: The audio format of both directions where the user names none.
        given: What the user wants of them: `Settings`, or a mapping in the words of the wire. Unknown fields are
            kept; a `listen`, `think` or `speak` that is left out gets a default.

    Raises:
        ValueError: They are no settings, or of an audio format that cannot be played here.
    """

    def __init__(
        self, preferred: AudioFormat, given: wire.Settings | Mapping[str, object] | None = None
    ) -> None:
        self._wanted = _State(settings=fill(given, preferred))
        self._formats = formats(self._wanted.settings)
        self._opened: _State | None = None
        self._accepted: _State | None = None
        self._sent: list[_Sent] = []
        self._secrets = secrets_of(self._wanted.settings)

    def __repr__(self) -> str:
        # Without the settings: there are keys in them.
        return f"<DeepgramSettings {'stored' if self.stored else 'inline'}>"

    @property
    def config(self) -> wire.Settings:
        """Everything asked for so far, refusals taken out; with the greeting, without the conversation."""
        return self._wanted.settings

    @property
    def stored(self) -> bool:
        """Whether the agent is one that is stored at the server, and named by its id.

        Such settings have no place for a conversation to go on with, and the greeting is the server's affair.
        """
        return self._wanted.stored

    @property
    def input_format(self) -> AudioFormat:
        """What audio to send."""
        return self._formats[0]

    @property
    def output_format(self) -> AudioFormat:
        """What audio comes."""
        return self._formats[1]

    @property
    def pending(self) -> tuple[wire.Update, ...]:
        """The updates of the present session that are not acknowledged, in the order in which they were sent."""
        return tuple(sent.update for sent in self._sent if not sent.acknowledged)

    def function_names(self) -> set[str]:
        """The functions the model was told of; those of a stored agent are not known."""
        agent = self.config.agent
        chain = list(agent.think_chain) if isinstance(agent, wire.Agent) else []
        for update in self._wanted.repeated:
            if isinstance(update, wire.UpdateThink):
                chain += update.think if isinstance(update.think, tuple) else (update.think,)
        return {function.name for entry in chain for function in entry.functions or ()}

    def secrets(self) -> Sequence[str]:
        """The credentials that were in the settings at any time: of models, voices and functions."""
        return sorted(self._secrets)

    # Changes

    def configure(
        self,
        *,
        live: bool,
        instructions: str | None = None,
        voice: str | None = None,
        tools: Sequence[Mapping[str, object]] | None = None,
        language: str | None = None,
        keyterms: Sequence[str] | None = None,
        speed: float | None = None,
        greeting: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> tuple[wire.Update, ...]:
        """Change what is wanted; None leaves a thing as it is.

        Args:
            live: There is a session, and it is to be changed by messages. Otherwise the next session begins with what
                is wanted, and nothing needs to be sent.
            instructions: Replaces the prompt of each language model, additions to it included.
            voice: A voice of Deepgram's, such as `flux-kit-en` or `aura-2-thalia-en`, or one of the provider that
                speaks now. Others of a chain stay.
            tools: Declarations of functions; replace those of each language model.
            language: What the caller speaks, BCP 47 or `multi`. Flux takes it as a hint.
            keyterms: Words that recognition should expect.
            speed: Of speech, 0.7 to 1.5; with Flux 0.5 to 1.5 in steps of 0.05.
            greeting: A line to begin the first session with.
            extra: More settings in the words of the wire, merged into those there are; lists are replaced.

        Returns:
            What to send, in this order.

        Raises:
            ValueError: It cannot be, or not in a running session; nothing has changed.
        """
        before = self.config
        wish = DeepgramWish(
            instructions=instructions,
            voice=voice,
            tools=tools,
            language=language,
            keyterms=keyterms,
            speed=speed,
            greeting=greeting,
            extra=extra,
        )
        after = wished(before, wish)
        audio = formats(after)
        updates = updates_between(before, after) if live else ()
        state = attrs.evolve(self._wanted, settings=after)
        # An agent in full takes the place of a stored one with all that was changed of that.
        self._wanted = state if state.stored else attrs.evolve(state, repeated=())
        self._formats = audio
        self._secrets |= secrets_of(after)
        self._sent += [_Sent(update) for update in updates]
        return updates

    def updated(self, update: wire.Update) -> tuple[wire.Update, ...]:
        """Note an update as the user wrote it.

        What is changed so is part of the settings of every later session; to a stored agent it is sent again.

        Returns:
            What to send where there is a session. Nothing where it has to come behind what `applied` returns.
        """
        self._wanted = self._wanted.after(update)
        self._secrets |= secrets_of(_as_settings(update))
        if self.stored and self._opened is not None:
            return ()
        self._sent.append(_Sent(update))
        return (update,)

    # Sessions

    def opening(
        self, context: Sequence[Mapping[str, object] | wire.History] = (), *, greeting: bool = True
    ) -> wire.Settings:
        """Begin a session: the settings with all changes so far.

        Args:
            context: What was said and called in earlier sessions, oldest first, as messages of the type `History`. It
                comes after what the user's own settings have of that.
            greeting: Whether the session begins with the greeting; one that goes on does not.

        Raises:
            ValueError: The context is malformed.
        """
        self._opened = self._wanted
        self._sent.clear()
        settings = self.config
        agent = settings.agent
        if isinstance(agent, str):
            if context:
                _log.warning(
                    "an agent that is stored at the server cannot be given the conversation so far; it begins anew"
                )
            return settings
        if not greeting:
            agent = attrs.evolve(agent, greeting=None)
        if context:
            agent = attrs.evolve(agent, context=_with_messages(agent.context, context))
        return attrs.evolve(settings, agent=agent)

    def applied(self) -> tuple[wire.Update, ...]:
        """`SettingsApplied` came.

        Returns:
            What is to be sent now to bring the session to what is wanted: the updates of a stored agent.
        """
        opened = self._opened
        if opened is None:
            return ()
        self._accepted = attrs.evolve(opened, repeated=())
        self._opened = None
        updates = self._wanted.repeated
        self._sent += [_Sent(update, repeated=update in opened.repeated) for update in updates]
        return updates

    def acknowledged(self, event: wire.ServerMessage) -> bool:
        """An acknowledgement came: `PromptUpdated`, `ThinkUpdated` and so on.

        Returns:
            Whether it is the answer to an update that is new in this session, and not to one that was sent again.
        """
        found = next(
            (
                sent
                for sent in self._sent
                if not sent.acknowledged and wire.ACKNOWLEDGEMENTS[type(sent.update)] is type(event)
            ),
            None,
        )
        if found is None:
            return False
        found.acknowledged = True
        # Updates take effect in the order in which they were sent, so they are accepted in it too.
        while self._sent and self._sent[0].acknowledged:
            update = self._sent.pop(0).update
            if self._accepted is not None:
                self._accepted = self._accepted.after(update)
        return not found.repeated

    def warned(self, event: wire.WarningMessage) -> wire.Update | None:
        """A warning came; returns the update that it refuses, if it refuses one, which is taken out."""
        if event.code != wire.WarningCode.UPDATE_LISTEN_UNSUPPORTED_FIELDS_CHANGED:
            return None
        found = next((sent for sent in self._sent if isinstance(sent.update, wire.UpdateListen)), None)
        if found is None:
            return None
        self._sent.remove(found)
        base = self._accepted or self._opened
        if base is not None:
            for sent in self._sent:
                base = base.after(sent.update)
            self._wanted = base
        return found.update

    def refused(self, code: str) -> bool:
        """Whether an error is the server's answer to a change that it had not accepted before.

        Args:
            code: Of the `Error`, which has ended the session.
        """
        if code in _REFUSALS:
            return self._has_changes
        return any(isinstance(update, _FAILURES.get(code, ())) for update in self.pending)

    @property
    def _has_changes(self) -> bool:
        """Whether anything was asked for since the server last accepted something."""
        # Several updates may amount to nothing, and each can be refused all the same.
        return self._accepted is not None and (bool(self.pending) or self._wanted != self._accepted)

    def take_back(self) -> bool:
        """Want again what the server has accepted last, without any change after it.

        Returns:
            Whether there was such a change: another session may succeed where this one failed.
        """
        if self._accepted is None or not self._has_changes:
            return False
        self._wanted = self._accepted
        self._formats = formats(self._wanted.settings)
        self._opened = None
        self._sent.clear()
        return True


def _with_messages(
    own: wire.Context | None, context: Sequence[Mapping[str, object] | wire.History]
) -> wire.Context:
    given = tuple(
        entry if isinstance(entry, wire.History) else _history_of(entry, index)
        for index, entry in enumerate(context)
    )
    seed = (own.messages or ()) if own is not None else ()
    # Some servers report the seed as they report what is said; it is not told twice.
    messages = given if given[: len(seed)] == seed else (*seed, *given)
    return wire.Context(messages=messages) if own is None else attrs.evolve(own, messages=messages)


def _history_of(message: Mapping[str, object], index: int) -> wire.History:
    agent: Json = {"context": {"messages": [dict(message)]}}
    try:
        parsed = cast("wire.Agent", parse({"audio": {}, "agent": agent}).agent)
    except ValueError as error:
        raise ValueError(f"message {index} of the conversation so far: {error}") from None
    assert parsed.context is not None
    assert parsed.context.messages is not None
    return parsed.context.messages[0]


def _as_settings(update: wire.Update) -> wire.Settings:
    """Settings with nothing but what an update says."""
    return wire.apply_update(wire.Settings(audio=wire.Audio(), agent=wire.Agent()), update)
