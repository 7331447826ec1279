"""WebSockets (RFC 6455) over plain sockets for load: whole messages in, whole messages out, no extension.

A client has to mask what it sends, with a key nobody can guess so that proxies are not fooled; between two processes of
one machine the key 0 does, which leaves the payload as it is and costs nothing here. The other end unmasks it like any
other.
"""

import base64
import hashlib
import os
import select
import socket
from collections.abc import Callable
from typing import Protocol

from load_loop import Loop

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RECEIVE = 256 * 1024
_NO_MASK = b"\0\0\0\0"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_FIN, _MASKED = 0x80, 0x80
# Larger lengths are written with 2 octets, and from 65536 on with 8.
_SHORT, _LENGTH_16, _LENGTH_64 = 125, 126, 127


class Receiver(Protocol):
    """What a socket tells its owner."""

    def on_open(self) -> None:
        """The upgrade is done."""

    def on_message(self, payload: bytes) -> None:
        """A text or binary message came."""

    def on_closed(self, reason: str) -> None:
        """The socket is gone; nothing else is called after it."""


def unmask(payload: bytes, key: bytes) -> bytes:
    """What was meant by a masked payload."""
    n_octets = len(payload)
    mask = (key * (n_octets // 4 + 1))[:n_octets]
    mixed = int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")
    return mixed.to_bytes(n_octets, "little")


def frame(opcode: int, payload: bytes, *, masked: bool) -> bytes:
    """One unfragmented frame; masked with the key 0 if it has to be."""
    n_octets = len(payload)
    bit = _MASKED if masked else 0
    if n_octets <= _SHORT:
        head = bytes((_FIN | opcode, bit | n_octets))
    elif n_octets < 1 << 16:
        head = bytes((_FIN | opcode, bit | _LENGTH_16)) + n_octets.to_bytes(2)
    else:
        head = bytes((_FIN | opcode, bit | _LENGTH_64)) + n_octets.to_bytes(8)
    return head + _NO_MASK + payload if masked else head + payload


class LoadSocket:
    """One end of a WebSocket.

    Args:
        loop: Calls it.
        sock: Connected, or about to be; not blocking.
        receiver: Is told what happens.
        resource: What a client asks for; None makes it the server's end.
    """

    def __init__(self, loop: Loop, sock: socket.socket, receiver: Receiver, resource: str | None) -> None:
        self._loop = loop
        self._sock = sock
        self._receiver = receiver
        self._client = resource is not None
        self._resource = resource
        self._take: Callable[[], None] = self._take_answer if self._client else self._take_request
        self._input = b""
        self._output = bytearray()
        self._parts: list[bytes] = []
        self._connecting = self._client
        self._key = base64.b64encode(os.urandom(16))
        self.closed = False
        loop.watch(sock, self._on_ready, write=self._client)

    def send(self, payload: bytes) -> None:
        """Send a text message; it waits in memory where the peer does not read."""
        self._write(frame(TEXT, payload, masked=self._client))

    def close(self) -> None:
        """Say goodbye; the socket is gone once the peer has answered or hung up."""
        self._write(frame(CLOSE, b"\x03\xe8", masked=self._client))

    def drop(self, reason: str = "dropped") -> None:
        """Close without a word."""
        if not self.closed:
            self.closed = True
            self._loop.forget(self._sock)
            self._sock.close()
            self._receiver.on_closed(reason)

    def _write(self, data: bytes) -> None:
        if self.closed:
            return
        if not self._output:
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.drop(error.strerror or str(error))
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.want_write(self._sock, wanted=True)
        self._output += data

    def _on_ready(self, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._on_writable()
        if self.closed or not mask & ~select.EPOLLOUT:
            return
        try:
            data = self._sock.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            self.drop(error.strerror or str(error))
            return
        if not data:
            self.drop("end of stream")
            return
        self._input = self._input + data if self._input else data
        self._take()

    def _on_writable(self) -> None:
        if self._connecting:
            self._connecting = False
            error = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.drop(os.strerror(error))
                return
            self._output += self._request()
        try:
            sent = self._sock.send(self._output)
        except BlockingIOError:
            return
        except OSError as error:
            self.drop(error.strerror or str(error))
            return
        del self._output[:sent]
        if not self._output:
            self._loop.want_write(self._sock, wanted=False)

    # The upgrade

    def _request(self) -> bytes:
        return (
            f"GET {self._resource} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def _head(self) -> list[bytes] | None:
        head, end, rest = self._input.partition(b"\r\n\r\n")
        if not end:
            return None
        self._input = rest
        return head.split(b"\r\n")

    def _take_answer(self) -> None:
        lines = self._head()
        if lines is None:
            return
        status = lines[0].split(b" ")[1]
        if status != b"101":
            self.drop(f"refused with {status.decode()}")
            return
        self._opened()

    def _take_request(self) -> None:
        lines = self._head()
        if lines is None:
            return
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines[1:])
        }
        key = fields.get(b"sec-websocket-key")
        if key is None:
            self.drop("not an upgrade")
            return
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self._write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        if not self.closed:
            self._opened()

    def _opened(self) -> None:
        self._take = self._take_frames
        self._receiver.on_open()
        if self._input:
            self._take_frames()

    # Messages

    def _take_frames(self) -> None:
        data = self._input
        n_octets = len(data)
        start = 0
        while not self.closed and n_octets - start >= 2:
            first, second = data[start], data[start + 1]
            at = start + 2
            length = second & 0x7F
            if length >= _LENGTH_16:
                width = 2 if length == _LENGTH_16 else 8
                if n_octets < at + width:
                    break
                length = int.from_bytes(data[at : at + width])
                at += width
            if second & _MASKED:
                key = data[at : at + 4]
                at += 4
            else:
                key = _NO_MASK
            end = at + length
            if n_octets < end:
                break
            payload = data[at:end]
            start = end
            self._take_frame(first, payload if key == _NO_MASK else unmask(payload, key))
        self._input = data[start:]

    def _take_frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode <= BINARY:
            if first & _FIN and not self._parts:
                self._receiver.on_message(payload)
                return
            self._parts.append(payload)
            if first & _FIN:
                parts, self._parts = self._parts, []
                self._receiver.on_message(b"".join(parts))
        elif opcode == PING:
            self._write(frame(PONG, payload, masked=self._client))
        elif opcode == CLOSE:
            # Where we closed first this is the answer, and answering twice does no harm.
            self._write(frame(CLOSE, payload[:2], masked=self._client))
            self.drop("closed by the peer")


def connect(loop: Loop, host: str, port: int, resource: str, receiver: Receiver) -> LoadSocket:
    """Open a client's WebSocket; the receiver is told whether it worked."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect_ex((host, port))
    return LoadSocket(loop, sock, receiver, resource)


class LoadListener:
    """Accepts connections on 127.0.0.1.

    Args:
        loop: Calls it.
        welcome: Takes each connected socket, which does not block, and makes a `LoadSocket` of it.
        port: 0 for any.
    """

    def __init__(self, loop: Loop, welcome: Callable[[socket.socket], None], port: int = 0) -> None:
        self._loop = loop
        self._welcome = welcome
        self._sock = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._sock.setblocking(False)
        self.port: int = self._sock.getsockname()[1]
        loop.watch(self._sock, self._on_ready)

    def _on_ready(self, mask: int) -> None:
        del mask
        while True:
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._welcome(sock)

    def close(self) -> None:
        """Accept no more."""
        self._loop.forget(self._sock)
        self._sock.close()
