"""WebSocket framing without input or output: octets to messages and back (RFC 6455, section 5).

The protocol is that of the `websockets` library. Only the case that is nearly all of our traffic is dealt with here, a
text or binary message in one frame of less than 64 KiB; fragments, control frames, longer frames, and whatever breaks
a rule, go to the library with all their octets. It sees whole frames from their beginning, in their order, and
nothing of the ones it does not see would change its mind about them.
"""

import secrets
from collections import deque

from trio_websocket import CloseReason
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

try:
    from websockets.speedups import apply_mask
except ImportError:  # its wheels have it; built without a compiler it has not
    from websockets.utils import apply_mask

FINAL_TEXT = 0x80 | Opcode.TEXT
FINAL_BINARY = 0x80 | Opcode.BINARY
FINAL = (FINAL_TEXT, FINAL_BINARY)
OPCODES = frozenset(map(int, Opcode))
MASKED = 0x80
LENGTH_16, LENGTH_64 = 126, 127
NO_STATUS = 1005
LOCAL_ONLY = frozenset({1005, 1006, 1015})
MAX_REASON = 123

# Octets of masks drawn at once: 64 masks.
MASKS = 256


class Framing:
    """One side of an open connection.

    Args:
        protocol: The library's, after the handshake.
        max_message: A longer message fails the connection with 1009, octets.
    """

    def __init__(self, protocol: Protocol, max_message: int) -> None:
        self._protocol = protocol
        self._max_message = max_message
        self._is_client = protocol.side is Side.CLIENT
        self._incoming_mask = 0 if self._is_client else MASKED
        self._outgoing_mask = MASKED if self._is_client else 0
        self._rest = b""  # the beginning of a frame
        self._owed = 0  # octets to come of a frame that the library reads
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        # Drawn many at a time: each drawing is a system call.
        self._masks = b""
        self._mask_at = 0
        self._simple = True  # no fragments so far, and nobody began to close
        self.messages: deque[str | bytes] = deque()
        """Received and not yet taken."""
        self.pongs: list[bytes] = []
        """The payloads of pongs that came."""
        self.closed: CloseReason | None = None
        """How it is closed, once either side began to."""
        self.over = False
        """The peer has closed, so nothing more comes."""
        self.news = False
        """Something other than a message came: look at the rest of the attributes, and at `replies`."""

    def feed(self, data: bytes | bytearray) -> None:
        """Octets came."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        while at < end:
            if self._owed:
                taken = min(self._owed, end - at)
                self._owed -= taken
                self._to_library(data[at : at + taken])
                at += taken
                continue
            header = 2
            if end - at < header:
                break
            first, second = data[at], data[at + 1]
            if second & MASKED != self._incoming_mask or first & 0x0F not in OPCODES:
                # Enough for the library to fail the connection, and there is no frame to find the end of.
                self._owed = header
                continue
            length = second & 0x7F
            if length == LENGTH_16:
                header = 4
                if end - at < header:
                    break
                length = data[at + 2] << 8 | data[at + 3]
            elif length == LENGTH_64:
                header = 10
                if end - at < header:
                    break
                length = int.from_bytes(data[at + 2 : at + 10], "big")
            if self._incoming_mask:
                header += 4
            start = at + header
            stop = start + length
            if self._simple and first in FINAL and second & 0x7F != LENGTH_64 and length <= self._max_message:
                if stop > end:
                    break
                payload = data[start:stop]
                if self._incoming_mask:
                    payload = apply_mask(payload, data[start - 4 : start])
                self._message(payload, is_text=first == FINAL_TEXT)
                at = stop
            else:
                self._owed = stop - at
        if at < end:
            self._rest = bytes(data[at:])

    def _to_library(self, octets: bytes | bytearray) -> None:
        protocol = self._protocol
        protocol.receive_data(octets)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
        close = protocol.close_rcvd or protocol.close_sent
        if close is not None:
            self.closed = CloseReason(int(close.code), close.reason or None)
            self._simple = False
            self.over = protocol.close_rcvd is not None
        self.news = True

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if frame.opcode is not Opcode.CONT:
                self._fragments_are_text = frame.opcode is Opcode.TEXT
            self._fragments.append(bytes(frame.data))
            self._simple = frame.fin
            if frame.fin:
                payload = b"".join(self._fragments)
                self._fragments = []
                self._message(payload, is_text=self._fragments_are_text)

    def _message(self, payload: bytes | bytearray, *, is_text: bool) -> None:
        if self.closed is not None:
            return
        if not is_text:
            self.messages.append(bytes(payload))
            return
        try:
            self.messages.append(str(payload, "utf-8"))
        except UnicodeDecodeError as error:
            self._fail(1007, f"{error.reason} at position {error.start}")

    def _fail(self, code: int, reason: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.fail(code, reason)
            self.closed = CloseReason(code, reason)
        self._simple = False
        self.news = True

    def encode(self, message: str | bytes) -> bytes:
        """The octets of a message."""
        if isinstance(message, str):
            first, payload = FINAL_TEXT, message.encode()
        else:
            first, payload = FINAL_BINARY, message
        length = len(payload)
        if length < LENGTH_16:
            header = bytes((first, self._outgoing_mask | length))
        elif length < 1 << 16:
            header = bytes((first, self._outgoing_mask | LENGTH_16, length >> 8, length & 0xFF))
        else:
            header = bytes((first, self._outgoing_mask | LENGTH_64)) + length.to_bytes(8, "big")
        if self._outgoing_mask:
            at = self._mask_at
            if at == len(self._masks):
                self._masks, at = secrets.token_bytes(MASKS), 0
            self._mask_at = at + 4
            mask = self._masks[at : at + 4]
            return header + mask + apply_mask(payload, mask)
        return header + payload

    def ping(self, payload: bytes) -> bytes:
        """The octets of a ping."""
        self._protocol.send_ping(payload)
        return self.replies()[0]

    def close(self, code: int, reason: str) -> bytes:
        """Begin to close: the octets of it; what comes from now on is dropped."""
        self._simple = False
        self.messages.clear()
        if code == NO_STATUS:
            sent: int | None = None
            reason = ""
        else:
            # As for a code that must not travel (RFC 6455, section 7.4.1).
            sent = 1000 if code in LOCAL_ONLY else code
            reason = reason.encode()[:MAX_REASON].decode(errors="ignore")
        try:
            self._protocol.send_close(sent, reason)
        except InvalidState:
            return b""
        self.closed = CloseReason(code, reason or None)
        return self.replies()[0]

    def replies(self) -> tuple[bytes, bool]:
        """What the library wants sent: pongs, an answer to a close; and whether that is the end of the stream."""
        parts = self._protocol.data_to_send()
        return b"".join(parts), b"" in parts
