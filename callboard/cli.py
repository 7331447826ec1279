"""The command line."""

import argparse
import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from callboard import __version__

from ._app import RouteError, UsageError

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


# The variable of the environment that says where a provider is.
PROVIDER_URLS = {"grok": "CALLBOARD_GROK_URL", "deepgram": "CALLBOARD_DEEPGRAM_URL"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 after success, 1 after a failure, 2 for wrong usage.
    """
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 2
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING if options.quiet else options.log_level,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (UsageError, RouteError) as error:
        print(f"callboard: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"callboard: {error.strerror or error}" + _file_of(error), file=sys.stderr)
        return 1


def _file_of(error: OSError) -> str:
    return f": {error.filename}" if error.filename else ""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="callboard", description="Phone calls for realtime voice agents, as a Trio actor system."
    )
    parser.add_argument("--version", action="version", version=f"callboard {__version__}")
    parser.set_defaults(log_level=logging.INFO)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help="log everything")
    common.add_argument("-q", "--quiet", action="store_true", help="log warnings and errors only")
    _add_demo(commands, common)
    _add_serve(commands, common)
    _add_emulate(commands, common)
    _add_chaos(commands, common)
    return parser


def _add_demo(commands: "Commands", common: argparse.ArgumentParser) -> None:
    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="hear a call between a caller and a voice agent, made on this machine alone",
        description="Emulates the provider and the carrier, and has a caller phone the agent over loopback sockets: a "
        "question that needs a tool, an interruption, a goodbye. Leaves recording.wav, transcript.jsonl, trace.jsonl.",
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("demo-out"),
        metavar="DIR",
        help="where files go (default: %(default)s)",
    )
    demo.add_argument(
        "--speech",
        choices=("auto", "local", "tones"),
        default="auto",
        help="voices and recognition on this machine, or words carried as tones (default: %(default)s)",
    )
    demo.add_argument(
        "--provider", choices=tuple(PROVIDER_URLS), default="grok", help="which one (default: %(default)s)"
    )
    demo.add_argument(
        "--failover",
        action="store_true",
        help="the provider dies in the middle of an answer, and another one takes over",
    )
    demo.add_argument("--plain", action="store_true", help="no colours and no live display")
    demo.set_defaults(run=_run_demo, log_level=logging.WARNING)


def _run_demo(options: argparse.Namespace) -> int:
    from ._demo import run_demo

    return run_demo(
        options.out,
        speech=options.speech,
        plain=options.plain,
        provider=options.provider,
        failover=options.failover,
    )


def _add_serve(commands: "Commands", common: argparse.ArgumentParser) -> None:
    serve = commands.add_parser(
        "serve",
        parents=[common],
        help="take calls with a scenario",
        description="Takes calls at /twilio/media. The provider's key comes from the environment (XAI_API_KEY or "
        "DEEPGRAM_API_KEY), a media token from CALLBOARD_MEDIA_TOKEN.",
    )
    serve.add_argument(
        "app",
        nargs="?",
        metavar="APP.py[:scenario]",
        help="the file with the scenario (default: a receptionist)",
    )
    serve.add_argument(
        "--provider",
        choices=tuple(PROVIDER_URLS),
        default="grok",
        help="which voice agent the receptionist is (default: %(default)s)",
    )
    serve.add_argument("--provider-url", metavar="URL", help="where the provider is (default: the real one)")
    serve.add_argument("--host", default=None, help="address to bind (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=None, help="port to bind, 0 for any (default: 8080)")
    serve.add_argument(
        "--max-calls", type=int, default=None, help="refuse calls beyond this number (default: 150)"
    )
    serve.add_argument(
        "--max-lag",
        type=float,
        metavar="MS",
        help="refuse calls while tasks are woken later than this, 0 to take them anyway (default: 30)",
    )
    serve.add_argument(
        "--max-busy",
        type=float,
        metavar="PERCENT",
        help="refuse calls while the event loop is at work for more of the time, 0 to take them anyway (default: 80)",
    )
    serve.add_argument(
        "--stall-threshold",
        type=float,
        metavar="MS",
        help="name the task that held the event loop longer than this, 0 for none (default: 50)",
    )
    serve.add_argument(
        "--websockets",
        choices=("library", "direct"),
        help="trio-websocket, or callboard's own connections, which cost less than half (default: library)",
    )
    serve.add_argument("--record", type=Path, metavar="DIR", help="record every call into this folder")
    serve.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with these settings and routes"
    )
    serve.set_defaults(run=_run_serve)


def _run_serve(options: argparse.Namespace) -> int:
    from ._app import load_settings, run_server

    if options.provider_url:
        if not options.provider_url.startswith(("ws://", "wss://")):
            raise UsageError(
                f"--provider-url is {options.provider_url[:80]!r}, expected ws://... or wss://..."
            )
        os.environ[PROVIDER_URLS[options.provider]] = options.provider_url
    settings = load_settings(
        app=options.app,
        config=options.config,
        host=options.host,
        port=options.port,
        max_calls=options.max_calls,
        record=options.record,
        provider=options.provider,
        max_lag=options.max_lag,
        max_busy=options.max_busy,
        stall_threshold=options.stall_threshold,
        websockets=options.websockets,
    )
    return run_server(settings)


def _add_emulate(commands: "Commands", common: argparse.ArgumentParser) -> None:
    emulate = commands.add_parser(
        "emulate",
        parents=[common],
        help="run an emulated provider or carrier on loopback",
        description="A provider prints `listening on URL` once clients can connect.",
    )
    kinds = emulate.add_subparsers(dest="kind", metavar="grok|deepgram|twilio", required=True)
    provider = _provider_options(common)
    grok = kinds.add_parser("grok", parents=[provider], help="the xAI Grok Voice Agent API")
    grok.add_argument(
        "--profile",
        choices=("observed", "documented"),
        default="observed",
        help="which order and shapes of events",
    )
    grok.set_defaults(run=_run_emulate_grok)
    deepgram = kinds.add_parser("deepgram", parents=[provider], help="the Deepgram Voice Agent API")
    deepgram.set_defaults(run=_run_emulate_deepgram)
    twilio = kinds.add_parser("twilio", parents=[common], help="a carrier: places calls to a media socket")
    twilio.add_argument(
        "url", metavar="URL", help="the media socket, such as ws://127.0.0.1:8080/twilio/media"
    )
    twilio.add_argument("--calls", type=int, default=1, help="calls at once (default: %(default)s)")
    twilio.add_argument("--script", type=Path, metavar="FILE", help="what the caller does, YAML or JSON")
    twilio.add_argument("--wav", type=Path, metavar="FILE", help="what the caller says, as a WAV file")
    twilio.add_argument(
        "--seconds", type=float, default=30.0, help="hang up after so long (default: %(default)s)"
    )
    twilio.add_argument(
        "--speech", choices=("auto", "local", "tones"), default="auto", help="how the caller speaks"
    )
    twilio.add_argument("--to", default="", help="the destination that is called")
    twilio.add_argument("--out", type=Path, metavar="DIR", help="write what each caller heard as WAV")
    twilio.set_defaults(run=_run_emulate_twilio)


def _provider_options(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """What all emulated providers take."""
    options = argparse.ArgumentParser(add_help=False, parents=[common])
    options.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    options.add_argument(
        "--port", type=int, default=8765, help="port to bind, 0 for any (default: %(default)s)"
    )
    options.add_argument(
        "--speech", choices=("auto", "local", "tones"), default="auto", help="how it hears and speaks"
    )
    options.add_argument("--model-dir", type=Path, help="a folder with other recognition weights")
    options.add_argument(
        "--script", type=Path, metavar="FILE", help="turns to play instead of the rule-based agent"
    )
    options.add_argument("--seed", type=int, default=None, help="repeatable ids and choices")
    return options


def _run_emulate_grok(options: argparse.Namespace) -> int:
    from ._emulate import run_grok

    return run_grok(
        host=options.host,
        port=options.port,
        speech=options.speech,
        model_dir=options.model_dir,
        script=options.script,
        profile=options.profile,
        seed=options.seed,
    )


def _run_emulate_deepgram(options: argparse.Namespace) -> int:
    from ._emulate import run_deepgram

    return run_deepgram(
        host=options.host,
        port=options.port,
        speech=options.speech,
        model_dir=options.model_dir,
        script=options.script,
        seed=options.seed,
    )


def _run_emulate_twilio(options: argparse.Namespace) -> int:
    from ._emulate import run_twilio

    return run_twilio(
        options.url,
        n_calls=options.calls,
        script=options.script,
        wav=options.wav,
        seconds=options.seconds,
        speech=options.speech,
        to=options.to,
        out=options.out,
    )


def _add_chaos(commands: "Commands", common: argparse.ArgumentParser) -> None:
    chaos = commands.add_parser(
        "chaos",
        parents=[common],
        help="simulate phone calls by the hundred while everything goes wrong",
        description="Random callers, faults of all kinds and killed actors, on emulated providers with failover, in "
        "virtual time. What must hold is checked all the while; the same seed is the same run. Ends with 1, and with "
        "the smallest plan that still fails, where something does not hold.",
    )
    chaos.add_argument("--calls", type=int, default=100, help="how many (default: %(default)s)")
    chaos.add_argument("--minutes", type=float, default=5.0, help="within (default: %(default)s)")
    chaos.add_argument("--seed", type=int, default=0, help="of everything (default: %(default)s)")
    chaos.add_argument(
        "--kills-per-minute",
        type=float,
        default=10.0,
        metavar="K",
        help="actors to kill (default: %(default)s)",
    )
    chaos.add_argument(
        "--providers",
        default="grok,deepgram",
        metavar="NAMES",
        help="with commas, the preferred one first (default: %(default)s)",
    )
    chaos.add_argument(
        "--at-once", type=int, default=100, help="most calls at one time (default: %(default)s)"
    )
    how = chaos.add_mutually_exclusive_group()
    how.add_argument("--framing", action="store_true", help="real HTTP and WebSocket framing, in memory")
    how.add_argument("--real", action="store_true", help="loopback sockets and real time")
    chaos.set_defaults(run=_run_chaos, log_level=logging.ERROR)


def _run_chaos(options: argparse.Namespace) -> int:
    from .testing._chaos import chaos
    from .testing._chaos_plan import ChaosOptions
    from .testing._network import Transport

    providers = tuple(name.strip() for name in options.providers.split(",") if name.strip())
    if not providers or not set(providers) <= PROVIDER_URLS.keys() or len(set(providers)) < len(providers):
        raise UsageError(f"--providers is {options.providers[:80]!r}, expected {' and '.join(PROVIDER_URLS)}")
    for name, least in (("calls", 0), ("minutes", 0), ("kills_per_minute", 0), ("at_once", 1)):
        if not least <= getattr(options, name) < math.inf:
            shown = name.replace("_", "-")
            raise UsageError(f"--{shown} is {getattr(options, name)!r}, expected {least} or more")
    return chaos(
        ChaosOptions(
            calls=options.calls,
            minutes=options.minutes,
            seed=options.seed,
            kills_per_minute=options.kills_per_minute,
            providers=providers,
            transport=Transport.FRAMES if options.framing or options.real else Transport.MESSAGES,
            at_once=options.at_once,
        ),
        real=options.real,
    )


if __name__ == "__main__":
    sys.exit(main())
