"""The opening of a Twilio media stream: from an upgraded socket to a leg, or a refusal."""

import hmac

import trio

from callboard.protocols import RemoteWireError, twilio

from ._leg import LegInfo
from ._pacer import Pacer
from ._twilio_leg import HandshakeFailed, TwilioLeg
from ._websocket import SocketClosed, WebSocket

# A carrier sends `connected` and `start` at once. Whoever has not done so by then is something else.
START_TIMEOUT = 5.0
# `connected`, `start`, and a few that we do not know.
MAX_MESSAGES = 8


async def accept_twilio_stream(
    socket: WebSocket, pacer: Pacer, *, peer: str = "", token: str | None = None
) -> TwilioLeg:
    """Read the opening messages of a media stream.

    Args:
        socket: An upgraded socket; on failure the caller closes it.
        pacer: The wheel for the leg's playout.
        peer: The network address of the other side.
        token: What the stream's custom parameter `token` must be; None accepts every stream.

    Raises:
        HandshakeFailed: The stream did not begin in time or not as the wire demands, or the token is wrong.

    A cancelled call leaves the socket to the caller.
    """
    wire = twilio.TwilioServer()
    start: twilio.Start | None = None
    with trio.move_on_after(START_TIMEOUT):
        start = await _read_start(socket, wire)
    if start is None:
        raise HandshakeFailed(f"the stream did not start within {START_TIMEOUT:g} s")
    parameters = dict(start.custom_parameters)
    given = parameters.pop("token", "")
    if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
        raise HandshakeFailed("the stream has no valid token")
    info = LegInfo(
        wire="twilio",
        call_id=start.call_sid,
        stream_id=start.stream_sid,
        from_=parameters.get("from", ""),
        to=parameters.get("to", ""),
        custom_parameters=parameters,
        peer=peer,
    )
    return TwilioLeg(socket, wire, info, pacer)


async def _read_start(socket: WebSocket, wire: twilio.TwilioServer) -> twilio.Start:
    for _ in range(MAX_MESSAGES):
        try:
            event = wire.receive(await socket.receive())
        except SocketClosed as closed:
            raise HandshakeFailed(f"the stream ended before it started: {closed}") from None
        except RemoteWireError as error:
            raise HandshakeFailed(str(error)) from error
        if isinstance(event, twilio.Start):
            return event
    raise HandshakeFailed(f"no start among the first {MAX_MESSAGES} messages")
