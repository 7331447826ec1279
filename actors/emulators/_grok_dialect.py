"""Connections of clients that speak the dialect of the summary page: a translator on each side of a session.

Everything else (turns, speech, brains, faults, limits) is that of the real path; the session does not know.
"""

import logging
from collections.abc import Sequence

import trio

from callboard.actors._websocket import WebSocket
from callboard.protocols import RemoteWireError, grok
from callboard.protocols.grok import dialect

from ._grok_connection import GrokConnection
from ._grok_options import GrokEmulatorOptions
from ._grok_outlet import Outgoing, Outlet
from ._grok_parts import Parts
from ._grok_plan import Origin

# Events that wait to be handled: at most a question and a few truncations for each answer.
FOLLOWERS = 64

_log = logging.getLogger("callboard.emulators.grok")


class DialectOutlet(Outlet):
    """The way out to a client of the dialect. Faults strike at its types of message.

    Args:
        socket: The client's socket.
        options: Faults.
        number: Which connection of the emulator this is, from 1.
    """

    def __init__(self, socket: WebSocket, options: GrokEmulatorOptions, number: int) -> None:
        super().__init__(socket, options, number)
        self.translator = dialect.DialectServer()
        self._follow, self.followers = trio.open_memory_channel[grok.ClientEvent](FOLLOWERS)

    def translate(self, event: Outgoing) -> Sequence[grok.Event]:
        """The messages of the dialect for an event, often none."""
        messages = self.translator.send(event, trio.current_time())
        for follower in self.translator.follow_ups():
            try:
                # Never waiting: this is the task that would have to make room, by sending.
                self._follow.send_nowait(follower)
            except trio.WouldBlock:
                _log.warning("dropped %s: too many events wait", follower.type)
        return messages

    def encode(self, message: grok.Event) -> str:
        """A message of the dialect as it is sent."""
        assert isinstance(message, dialect.ServerMessage), message
        return dialect.encode(message)


class DialectConnection(GrokConnection):
    """Serves one client of the dialect.

    Args:
        socket: The client's socket.
        parts: The state of the connection; its outlet is `outlet`.
        outlet: Where messages go.
    """

    # Such a client cannot know whether a response runs, so what it asks for waits.
    asks_as = Origin.TURN

    def __init__(self, socket: WebSocket, parts: Parts, outlet: DialectOutlet) -> None:
        super().__init__(socket, parts)
        self._outlet = outlet

    def decode(self, message: str | bytes) -> Sequence[grok.Event]:
        """The events that a message of the dialect means; see `GrokConnection.decode`."""
        try:
            return self._outlet.translator.receive(message, trio.current_time())
        except RemoteWireError as error:
            reply = error.reply
            if isinstance(reply, dialect.ErrorMessage):
                reply = grok.ErrorEvent(error=reply.error)
            raise RemoteWireError(str(error), reply=reply, path=error.path) from None

    async def follow(self) -> None:
        """Handle what waited for an answer to begin or end."""
        async for event in self._outlet.followers:
            await self.handle(event)
