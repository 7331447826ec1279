"""The floor: a bare relay between carrier and voice agent on trio-websocket, the least that can be done on Trio.

Two tasks and two sockets for each call, in one nursery. Nothing is paced, counted, supervised or remembered: each piece
of the answer goes to the carrier as soon as it comes, in one message, and an interruption is a `clear`. The command
line is that of `sut.py`. Conversion is callboard's own, so that what differs is everything but the codec.

    python benchmarks/relay.py --port 8080 --provider-url ws://127.0.0.1:8765/v1/realtime --config passthrough
"""

import argparse
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import orjson
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    open_websocket_url,
    serve_websocket,
)

from counts import answer_signal

FORMATS: dict[str, dict[str, object]] = {
    "passthrough": {"type": "audio/pcmu"},
    "transcode": {"type": "audio/pcm", "rate": 24000},
}
Convert = Callable[[str], str]


def make_converters(config: str) -> tuple[Convert, Convert]:
    """Functions from the carrier's audio to the agent's and back, in base64."""
    if config == "passthrough":
        return str, str
    from callboard.media import PCM16_24K, ULAW_8K, Converter

    def through(converter: Converter) -> Convert:
        return lambda audio: b64encode(converter.convert(b64decode(audio))).decode()

    return through(Converter(ULAW_8K, PCM16_24K)), through(Converter(PCM16_24K, ULAW_8K))


def field(message: Mapping[str, object], *names: str) -> str:
    """A text inside nested objects."""
    value: object = message
    for name in names:
        value = cast("dict[str, object]", value)[name]
    return cast("str", value)


class Relay:
    """Takes calls.

    Args:
        provider_url: Where the voice agent is.
        config: One of `FORMATS`.
    """

    def __init__(self, provider_url: str, config: str) -> None:
        self._url = provider_url + "?model=grok-voice-latest"
        self._config = config
        side = {"format": FORMATS[config]}
        session = {
            "instructions": "You are a helpful assistant on the phone.",
            "voice": "eve",
            "turn_detection": {"type": "server_vad"},
            "audio": {"input": side, "output": side},
        }
        self._update = orjson.dumps({"type": "session.update", "session": session}).decode()

    async def handle(self, request: WebSocketRequest) -> None:
        """Be one call."""
        carrier = await request.accept()
        try:
            message: dict[str, object] = {}
            while message.get("event") != "start":
                message = orjson.loads(await carrier.get_message())
            stream = field(message, "start", "streamSid")
            async with open_websocket_url(self._url) as provider:
                await provider.send_message(self._update)
                up, down = make_converters(self._config)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._downlink, provider, carrier, stream, down, nursery.cancel_scope)
                    await self._uplink(carrier, provider, up)
                    nursery.cancel_scope.cancel()
        except ConnectionClosed:
            pass
        except BaseExceptionGroup as group:
            _, rest = group.split(ConnectionClosed)
            if rest is not None:
                raise rest from None

    async def _uplink(
        self, carrier: WebSocketConnection, provider: WebSocketConnection, convert: Convert
    ) -> None:
        while True:
            message: dict[str, object] = orjson.loads(await carrier.get_message())
            if message["event"] == "media":
                audio = convert(field(message, "media", "payload"))
                append = {"type": "input_audio_buffer.append", "audio": audio}
                await provider.send_message(orjson.dumps(append).decode())
            elif message["event"] == "stop":
                return

    async def _downlink(
        self,
        provider: WebSocketConnection,
        carrier: WebSocketConnection,
        stream: str,
        convert: Convert,
        call: trio.CancelScope,
    ) -> None:
        speaking = silenced = ""
        try:
            while True:
                message: dict[str, object] = orjson.loads(await provider.get_message())
                match message["type"]:
                    case "response.output_audio.delta" if message["response_id"] != silenced:
                        audio = convert(field(message, "delta"))
                        media = {"event": "media", "streamSid": stream, "media": {"payload": audio}}
                        await carrier.send_message(orjson.dumps(media).decode())
                    case "response.created":
                        speaking = field(message, "response", "id")
                    case "input_audio_buffer.speech_started":
                        silenced = speaking
                        clear = {"event": "clear", "streamSid": stream}
                        await carrier.send_message(orjson.dumps(clear).decode())
                    case _:
                        pass
        finally:
            call.cancel()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider-url", required=True, metavar="URL")
    parser.add_argument("--config", choices=tuple(FORMATS), default="passthrough")
    parser.add_argument("--stats-file", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    answer_signal(options.stats_file, lambda: trio.lowlevel.current_statistics().tasks_living)
    relay = Relay(options.provider_url, options.config)
    trio.run(serve_websocket, relay.handle, "127.0.0.1", options.port, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
