"""A client and a server of the Deepgram wire back to back, and messages for them to exchange."""

import pytest

from callboard.protocols import RemoteWireError, deepgram as dg
from callboard.protocols.deepgram import State

ENTRY = dg.ThinkEntry(
    provider=dg.ThinkProvider(type="open_ai", model="m"),
    prompt="You keep the boatyard's diary.",
    functions=(
        dg.Function(name="find_mooring"),
        dg.Function(name="tide", endpoint=dg.Endpoint(url="https://x")),
    ),
)
SETTINGS = dg.Settings(audio=dg.Audio(), agent=dg.Agent(think=ENTRY), experimental=True)
AUDIO = dg.BinaryAudio(b"\0\1" * 80)
HELLO = dg.ConversationText(role="assistant", content="Boatyard, good morning.")
QUESTION = dg.ConversationText(role="user", content="Is there a mooring?")
STARTED = dg.UserStartedSpeaking()
DONE = dg.AgentAudioDone()
ACTIVE = (State.IDLE, State.USER_TURN, State.THINKING, State.AGENT_TURN)
AGENT_ID = "0c9d8a52-77b1-4c0e-9d5e-1f2a3b4c5d6e"


def call(call_id: str = "c1", *, client_side: bool = True) -> dg.FunctionCallRequest:
    name = "find_mooring" if client_side else "tide"
    wanted = dg.FunctionCall(id=call_id, name=name, arguments="{}", client_side=client_side)
    return dg.FunctionCallRequest(functions=(wanted,))


def cancelled(*ids: str) -> dg.FunctionCallCancelled:
    return dg.FunctionCallCancelled(
        functions=tuple(dg.CancelledFunction(id=given, name="find_mooring") for given in ids)
    )


def response(call_id: str = "c1") -> dg.FunctionCallResponse:
    return dg.FunctionCallResponse(id=call_id, name="find_mooring", content="12")


class Pair:
    """A client and a server whose messages arrive at once."""

    def __init__(self, *, greeted: bool = True, applied: bool = True, given: dg.Settings = SETTINGS) -> None:
        self.client = dg.DeepgramClient(0.0)
        self.server = dg.DeepgramServer(0.0)
        self.now = 0.0
        if greeted:
            self.tell(dg.Welcome(request_id="r1"))
        if applied:
            self.ask(given)
            self.tell(dg.SettingsApplied())

    @property
    def states(self) -> tuple[State, State]:
        return (self.client.state, self.server.state)

    def ask(self, message: dg.ClientMessage | dg.BinaryAudio) -> dg.Message:
        """Send from client to server."""
        received = self.server.receive(self.client.send(message, self.now), self.now).event
        assert received == message
        return received

    def tell(self, message: dg.ServerMessage | dg.BinaryAudio) -> dg.Message:
        """Send from server to client."""
        received = self.client.receive(self.server.send(message)).event
        assert received == message
        return received

    def refused(self, message: dg.ClientMessage | dg.BinaryAudio | str) -> dg.ErrorMessage:
        """Send what the server refuses, and its answer back."""
        before = (self.server.state, self.server.settings)
        with pytest.raises(RemoteWireError) as caught:
            self.server.receive(message if isinstance(message, str) else dg.encode(message), self.now)
        assert (self.server.state, self.server.settings) == before
        reply = caught.value.reply
        assert isinstance(reply, dg.ErrorMessage)
        assert self.tell(reply) == reply
        assert self.states == (State.ENDED, State.ENDED)
        return reply


def way_to(state: State) -> list[dg.ServerMessage]:
    """What brings a session that thinks into a state."""
    ways: dict[State, list[dg.ServerMessage]] = {
        State.IDLE: [HELLO, DONE],
        State.USER_TURN: [STARTED],
        State.THINKING: [],
        State.AGENT_TURN: [HELLO],
    }
    return ways[state]
