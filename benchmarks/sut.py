"""callboard as a system under test: `callboard serve` with a scenario that answers and does nothing else.

    python benchmarks/sut.py --port 8080 --provider-url ws://127.0.0.1:8765/v1/realtime --config passthrough

Takes calls at /twilio/media, opens a Grok connection for each and sends media between the two; an interrupting caller
silences the agent, as always. Nothing is recorded and nothing is traced, and no call is refused unless that is asked
for. On SIGUSR1 the number of tasks and of Python objects is written to the statistics file, which is how leaks are
found from outside.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from callboard import Call, Route, Scenario, ServerOptions, grok, open_server, open_system, tend_garbage
from callboard.actors import TcpNetwork, WebSockets
from counts import answer_signal

# The configurations: what the provider is asked to speak. The carrier always speaks mu-law at 8 kHz.
FORMATS: dict[str, dict[str, object]] = {
    "passthrough": {"type": "audio/pcmu"},
    "transcode": {"type": "audio/pcm", "rate": 24000},
}
# More than any benchmark places: the point is to see what happens, not to refuse it, unless that is what is asked for.
MAX_CALLS = 5000
# Float seconds a stopped server lets its calls go on.
DRAIN = 1.0


def make_scenario(provider_url: str, config: str, uplink_batch: float = 0.0) -> Scenario:
    """A scenario that lets caller and agent talk until the caller hangs up.

    Args:
        provider_url: Where the provider is.
        config: One of `FORMATS`.
        uplink_batch: How much of the caller's audio goes into a message, float seconds.
    """
    audio_format = FORMATS[config]
    options = grok.ConnectionOptions(uplink_batch=uplink_batch)

    async def run(call: Call) -> None:
        await call.answer()
        agent = await grok.create_voice_agent_api_client(call, base_url=provider_url, options=options)
        await agent.configure(
            instructions="You are a helpful assistant on the phone.",
            voice="eve",
            extra={"audio": {"input": {"format": audio_format}, "output": {"format": audio_format}}},
        )
        call.send_media_between(agent)
        await call.wait_ended()

    return run


async def serve(scenario: Scenario, options: ServerOptions, network: TcpNetwork) -> None:
    """Take calls until SIGTERM, as `callboard serve` does."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with (
            open_system("callboard", network=network) as system,
            open_server(system, (Route(".*", scenario),), options) as server,
        ):
            print(f"listening on {server.media_url}", flush=True)
            async with tend_garbage(server):
                await signals.__anext__()
            await server.drain()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="of the carrier's media socket, on 127.0.0.1")
    parser.add_argument("--provider-url", required=True, metavar="URL", help="where the provider is")
    parser.add_argument("--config", choices=tuple(FORMATS), default="passthrough")
    parser.add_argument("--stats-file", type=Path, metavar="FILE", help="written on SIGUSR1")
    parser.add_argument(
        "--websockets",
        choices=[kind.value for kind in WebSockets],
        default=WebSockets.DIRECT.value,
        help="what speaks WebSocket (default: %(default)s)",
    )
    parser.add_argument(
        "--uplink-batch",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="of the caller's audio in a message (default: each frame at once)",
    )
    parser.add_argument(
        "--refuse",
        action="store_true",
        help="refuse calls that would spoil others, as `callboard serve` does",
    )
    options = parser.parse_args(argv)
    listen = ServerOptions(port=options.port, max_calls=MAX_CALLS, drain=DRAIN)
    if not options.refuse:
        listen = attrs.evolve(listen, max_lag=None, max_busy=None)
    answer_signal(options.stats_file, lambda: trio.lowlevel.current_statistics().tasks_living)
    trio.run(
        serve,
        make_scenario(options.provider_url, options.config, options.uplink_batch),
        listen,
        TcpNetwork(WebSockets(options.websockets)),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
