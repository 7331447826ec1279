"""Wires, sans-I/O: messages in, typed events out, and the reverse. Client and server side of each.

Every wire is a namespace of its own (``callboard.protocols.grok``, ``callboard.protocols.deepgram``,
``callboard.protocols.twilio``). What they share:
events are frozen classes, a decoder raises ``RemoteWireError`` and nothing else whatever a peer sends, a protocol
object keeps its state in an enum moved by one table, and ``LocalWireError`` says that the mistake is ours.
"""

from ._errors import (
    LocalWireError as LocalWireError,
    RemoteWireError as RemoteWireError,
    WireError as WireError,
)
