"""Finds the messages in the octets of a WebSocket, so that a fault can strike one of them (RFC 6455, section 5.2)."""

import attrs

_HEAD_END = b"\r\n\r\n"
TEXT, BINARY = 1, 2
_FIN, _MASKED = 0x80, 0x80


@attrs.frozen
class Piece:
    """Octets that belong together."""

    octets: bytes
    message: str | bytes | None = None
    """What is in them if they are a whole message; None for the HTTP before, control frames, and parts of messages."""
    masked: bool = False


class FrameCutter:
    """Cuts one way of a connection, from its HTTP head on, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._upgraded = False

    def feed(self, octets: bytes | bytearray | memoryview) -> list[Piece]:
        """Octets came; the pieces that are whole now."""
        self._buffer += octets
        pieces: list[Piece] = []
        if not self._upgraded:
            end = self._buffer.find(_HEAD_END)
            if end < 0:
                return pieces
            pieces.append(Piece(self._take(end + len(_HEAD_END))))
            self._upgraded = True
        while (piece := self._next()) is not None:
            pieces.append(piece)
        return pieces

    def rest(self) -> bytes:
        """What is there of a piece that is not whole."""
        return self._take(len(self._buffer))

    def _take(self, n: int) -> bytes:
        taken = bytes(self._buffer[:n])
        del self._buffer[:n]
        return taken

    def _next(self) -> Piece | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            width = 2 if length == 126 else 8
            length, start = int.from_bytes(buffer[2 : 2 + width], "big"), 2 + width
            if len(buffer) < start:
                return None
        masked = bool(buffer[1] & _MASKED)
        key = bytes(buffer[start : start + 4]) if masked else b""
        start += len(key)
        if len(buffer) < start + length or (masked and len(key) < 4):
            return None
        first = buffer[0]
        payload = bytes(buffer[start : start + length])
        octets = self._take(start + length)
        opcode = first & 0x0F
        if not first & _FIN or opcode not in {TEXT, BINARY}:
            return Piece(octets)
        if masked:
            payload = _mask(payload, key)
        return Piece(octets, payload.decode(errors="replace") if opcode == TEXT else payload, masked)


def frame(message: str | bytes, *, masked: bool) -> bytes:
    """A message in one frame; what is masked is masked with zeros, which changes nothing in it."""
    payload = message.encode() if isinstance(message, str) else message
    head = bytearray([_FIN | (TEXT if isinstance(message, str) else BINARY)])
    mask = _MASKED if masked else 0
    if len(payload) < 126:
        head.append(mask | len(payload))
    elif len(payload) < 1 << 16:
        head.append(mask | 126)
        head += len(payload).to_bytes(2, "big")
    else:
        head.append(mask | 127)
        head += len(payload).to_bytes(8, "big")
    return bytes(head) + (b"\0\0\0\0" if masked else b"") + payload


def _mask(payload: bytes, key: bytes) -> bytes:
    n = len(payload)
    repeated = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(n, "big")
