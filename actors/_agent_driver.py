"""The driver: one provider's session rules, between its wire and the provider-neutral dialogue."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio

from callboard.media import AudioFormat

from ._agent_dialogue import Handover, PendingSay
from ._agent_events import ConnectorData, WebSocketErrorData, WebSocketMediaInfo
from ._agent_turns import ResponseState
from ._provider_port import ProviderAdapter
from ._tools import ToolResult

if TYPE_CHECKING:
    from ._agent_core import AgentCore


class Pending(Protocol):
    """A request whose answer has not come."""

    @property
    def done(self) -> trio.Event:
        """Set when it has."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it was refused, if it was."""
        ...


@attrs.frozen(kw_only=True)
class Wish:
    """A configuration in the words that all providers know; None leaves a thing as it is."""

    instructions: str | None = None
    voice: str | None = None
    declared: Sequence[Mapping[str, object]] | None = None
    """The declarations of all functions."""
    language: str | None = None
    keyterms: Sequence[str] | None = None
    speed: float | None = None
    extra: Mapping[str, object] | None = None
    """What is the provider's own, in its wire's words."""


class Driver(Protocol):
    """One provider's session, through all its connections. Plain functions; times are trio's clock."""

    @property
    def adapter(self) -> ProviderAdapter[Any, Any]:
        """The wire."""
        ...

    @property
    def name(self) -> str:
        """`grok`, `deepgram`, ..."""
        ...

    @property
    def input_format(self) -> AudioFormat:
        """What the provider wants to hear."""
        ...

    @property
    def output_format(self) -> AudioFormat:
        """What the provider sends."""
        ...

    @property
    def blocked(self) -> bool:
        """Whether caller audio has to wait."""
        ...

    @property
    def awaits(self) -> bool:
        """Whether the provider owes us a message that does not depend on the caller."""
        ...

    def bind(self, core: "AgentCore") -> None:
        """Called once, before anything else."""
        ...

    def opening(self, handover: Handover) -> Sequence[object]:
        """The events that begin a connection."""
        ...

    def message(self, decoded: Any) -> bool:
        """Act on a message.

        Returns:
            Whether it is kept from users: audio, which they get as media, and races that both sides can lose.

        Raises:
            RemoteWireError: It cannot be used.
        """
        ...

    def connected(self) -> None:
        """A socket is open."""
        ...

    def disconnected(self) -> None:
        """It is not any more. Called before the dialogue hears of it."""
        ...

    def configure(self, wish: Wish) -> Pending:
        """Change the configuration; raises ValueError for what cannot be."""
        ...

    def declared(self, name: str) -> bool:
        """Whether the model knows a function of this name."""
        ...

    def say(self, say: PendingSay) -> None:
        """Have a line spoken."""
        ...

    def ask(self, text: str) -> None:
        """Give the agent a turn of the caller's as text."""
        ...

    def tool_finished(self, result: ToolResult) -> None:
        """A call has ended."""
        ...

    def tell_cut(self, state: ResponseState, heard: float, text: str | None) -> None:
        """See `PlaybackSide.answer_cut`."""
        ...

    def stop_answer(self, state: ResponseState) -> None:
        """See `PlaybackSide.stop_answer`."""
        ...

    def close(self, error: Exception) -> None:
        """The driver is not used any more; whoever waits for an answer gets the error."""
        ...


class News(Protocol):
    """The events of a provider's own client, made from what happens."""

    def connector(self, data: ConnectorData) -> None:
        """A connection was opened."""
        ...

    def web_socket_error(self, data: WebSocketErrorData) -> None:
        """The connection broke, or brought something that cannot be read."""
        ...

    def handshake_refused(self, status: int, headers: Mapping[str, str], body: str) -> None:
        """The server answered the handshake with something else than an upgrade."""
        ...

    def media_started(self, encoding: str) -> None:
        """Audio begins to play."""
        ...

    def media_ended(self, info: WebSocketMediaInfo) -> None:
        """No audio has played for one second."""
        ...

    def message(self, decoded: Any) -> None:
        """A message came."""
        ...
