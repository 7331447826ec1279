"""TLS above a `DirectStream`, so that a WebSocket inside it, too, can send without waiting and is one `send` a message.

The cryptography is the `ssl` module's, in memory (`ssl.SSLObject`). A peer that ends the connection without TLS's own
goodbye has ended it, as with `https_compatible` of Trio's stream: HTTP servers do, and a WebSocket has its own goodbye.
"""

import operator
import ssl
from contextlib import suppress

import trio

from ._direct_stream import RECEIVE_OCTETS, DirectStream


class DirectTlsStream(trio.abc.Stream):
    """A TLS connection; the handshake is part of the first read or write.

    Args:
        transport: The connection below.
        context: Says what to trust and to show.
        server_hostname: Of the peer, for a client.
        server_side: Whether the peer is the client.
    """

    prompt = True

    def __init__(
        self,
        transport: DirectStream,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        server_side: bool = False,
    ) -> None:
        self._transport = transport
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self._shaking = trio.Lock()
        self._shaken = False
        self._sending = False
        # Encrypted and not yet written. It must be: the peer counts records.
        self._backlog = bytearray()
        self._flushing = False
        self._torn = False
        self._ended = False
        self._say_again = False

    @property
    def transport(self) -> DirectStream:
        """The connection below."""
        return self._transport

    @property
    def clogged(self) -> bool:
        """Whether something that was accepted is not written yet."""
        return self._flushing or bool(self._backlog)

    async def do_handshake(self) -> None:
        """Shake hands, unless that was done.

        Raises:
            trio.BrokenResourceError: It failed; from the `ssl.SSLError` that says why.
        """
        async with self._shaking:
            while not self._shaken:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    self._seal()
                    await self._flush()
                    await self._fill(RECEIVE_OCTETS)
                except ssl.SSLError as error:
                    # What we have to say about it.
                    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                        self._seal()
                    raise trio.BrokenResourceError("the TLS handshake failed") from error
                else:
                    self._seal()
                    await self._flush()
                    self._shaken = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream.receive_some`."""
        limit = RECEIVE_OCTETS if max_bytes is None else operator.index(max_bytes)
        if limit < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes!r}")
        if not self._shaken:
            await self.do_handshake()
        if self._ended or self._say_again or self._incoming.pending or self._tls.pending():
            await trio.lowlevel.checkpoint()
        else:
            await self._fill(limit)
        while (data := self._read(limit)) is None:
            await self._fill(limit)
        if self._outgoing.pending:
            # What the protocol has to say by itself, a key update for one.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self._seal()
        return data

    async def _fill(self, limit: int) -> None:
        octets = await self._transport.receive_some(limit)
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()

    def _read(self, limit: int) -> bytes | None:
        """What is there, b"" at the end; None where octets are missing."""
        if self._ended:
            return b""
        try:
            data = self._tls.read(limit)
            # Each record is read by itself, and may be no more than a message.
            while data and self._incoming.pending and len(data) < limit:
                more = self._read_more(limit - len(data))
                if not more:
                    break
                data += more
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        except ssl.SSLError as error:
            raise trio.BrokenResourceError("the TLS connection broke") from error
        self._ended = not data
        return data

    def _read_more(self, limit: int) -> bytes:
        try:
            more = self._tls.read(limit)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError:
            more = b""
        # What comes behind the data, the end or worse: it is found again.
        self._say_again = not more
        return more

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            if not self._shaken and not self._transport.closed:
                await self.do_handshake()
            await self._flush()
            self._write(data)
            if self.clogged:
                await self._flush()
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sending = False

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Take all of it, or nothing where something else is on its way; see `DirectStream.send_nowait`.

        Where the operating system does not take all of it now, the stream is `clogged` after.
        """
        if not self._shaken or self.clogged or not data:
            return 0
        self._write(data)
        return len(data)

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self._transport.closed:
            raise trio.ClosedResourceError("the stream was closed")
        if self._torn:
            raise trio.BrokenResourceError("a cancelled write has torn the TLS connection")
        if not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError("the TLS connection broke") from error
        self._seal()

    def _seal(self) -> None:
        """Write what was encrypted, behind what waits."""
        octets = self._outgoing.read()
        if self.clogged:
            self._backlog += octets
        else:
            sent = self._transport.send_nowait(octets)
            if sent < len(octets):
                self._backlog += octets[sent:]

    async def _flush(self) -> None:
        """Write what waits; one task at a time."""
        self._flushing = True
        done = False
        try:
            while self._backlog:
                octets, self._backlog = self._backlog, bytearray()
                await self._transport.send_all(octets)
            done = True
        finally:
            self._torn = self._torn or not done
            self._flushing = False

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        await self._transport.wait_send_all_might_not_block()

    def interrupt(self) -> None:
        """Have the task that is in `receive_some` come out of it, with `trio.ClosedResourceError`."""
        self._transport.interrupt()

    def end_sending(self) -> None:
        """Say goodbye as TLS does; does nothing on a broken connection."""
        with suppress(ssl.SSLError):
            # It raises as well where the peer's goodbye is missing, which nobody waits for.
            self._tls.unwrap()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._seal()

    async def aclose(self) -> None:
        """Close; who waits gets `trio.ClosedResourceError`."""
        await self._transport.aclose()
