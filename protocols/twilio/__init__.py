"""Twilio Media Streams, sans-I/O: both sides of a carrier's media socket."""

from ._client import MAX_OUTBOUND_MESSAGE as MAX_OUTBOUND_MESSAGE, TwilioClient as TwilioClient
from ._codec import (
    MAX_INBOUND_MESSAGE as MAX_INBOUND_MESSAGE,
    decode_inbound as decode_inbound,
    encode_outbound as encode_outbound,
)
from ._events import (
    Clear as Clear,
    Connected as Connected,
    Dtmf as Dtmf,
    InboundEvent as InboundEvent,
    Mark as Mark,
    Media as Media,
    MediaFormat as MediaFormat,
    OutboundEvent as OutboundEvent,
    SendMark as SendMark,
    SendMedia as SendMedia,
    Start as Start,
    Stop as Stop,
    Unknown as Unknown,
    UnknownOutbound as UnknownOutbound,
)
from ._server import StreamState as StreamState, TwilioServer as TwilioServer
