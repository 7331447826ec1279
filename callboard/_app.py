"""Serving a scenario: finding it, settings, signals, draining."""

import importlib.util
import inspect
import math
import os
import signal
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import attrs
import trio

from ._garbage import tend_garbage
from .actors import (
    Call,
    Route,
    Scenario,
    ServerOptions,
    TcpNetwork,
    WebSockets,
    open_server,
    open_system,
)
from .actors._server import MAX_BUSY, MAX_LAG, STALL_THRESHOLD


class UsageError(Exception):
    """The command line or a settings file cannot be used; the text says what to do."""


class RouteError(UsageError):
    """A scenario cannot be found or loaded."""


@attrs.frozen(kw_only=True)
class Settings:
    """What `callboard serve` runs with."""

    options: ServerOptions
    routes: tuple[Route, ...]
    record: Path | None = None
    websockets: WebSockets = WebSockets.LIBRARY


def load_scenario(place: str, *, base: Path | None = None) -> Scenario:
    """Load a scenario function.

    Args:
        place: `FILE.py` or `FILE.py:name`; without a name the file's only scenario, or the one called `scenario`.
        base: What a relative file is relative to; the current folder if None.

    Raises:
        RouteError: There is no such file or function, or the file fails when it is loaded.
    """
    # A Windows path has a colon too, so only a colon behind `.py` counts.
    file_name, _, name = place.partition(".py:") if ".py:" in place else (place, "", "")
    path = (base or Path()) / (file_name + ".py" if name else file_name)
    if not path.is_file():
        raise RouteError(f"there is no file {str(path)[:80]!r}; expected APP.py or APP.py:scenario")
    spec = importlib.util.spec_from_file_location(f"callboard_app_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise RouteError(f"{str(path)[:80]!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    # Files beside the scenario can be imported by it, as when Python runs it.
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RouteError(f"{path} fails when it is loaded: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    members = {
        key: value
        for key, value in vars(module).items()
        if inspect.iscoroutinefunction(value) and value.__module__ == module.__name__ and _takes_a_call(value)
    }
    if name:
        if name not in members:
            raise RouteError(f"{path} has no scenario {name!r}; it has {sorted(members) or 'none'}")
        return cast("Scenario", members[name])
    if len(members) == 1:
        return cast("Scenario", next(iter(members.values())))
    if "scenario" in members:
        return cast("Scenario", members["scenario"])
    raise RouteError(f"{path} has {len(members)} scenarios {sorted(members)}; say which: {path.name}:NAME")


def _takes_a_call(function: object) -> bool:
    parameters = list(inspect.signature(cast("Scenario", function)).parameters.values())
    needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if len(needed) != 1:
        return False
    hint = needed[0].annotation
    return hint is Call or hint in {"Call", "callboard.Call"} or needed[0].name == "call"


def load_settings(
    *,
    app: str | None,
    config: Path | None,
    host: str | None,
    port: int | None,
    max_calls: int | None,
    record: Path | None,
    provider: str = "grok",
    max_lag: float | None = None,
    max_busy: float | None = None,
    stall_threshold: float | None = None,
    websockets: str | None = None,
) -> Settings:
    """Put together what the command line and a settings file say; the command line wins.

    Lag and stall threshold are milliseconds, how busy the loop may be is percent, and 0 switches each of them off; they
    are named and given in the same way in the file.

    Raises:
        UsageError: A value is not usable.
        RouteError: A scenario cannot be loaded.
        OSError: The settings file cannot be read.
    """
    table = _read_config(config) if config else dict[str, object]()
    base = config.parent if config else None
    token = os.environ.get("CALLBOARD_MEDIA_TOKEN")
    try:
        options = ServerOptions(
            host=host or _text(table, "host", "127.0.0.1"),
            port=port if port is not None else _number(table, "port", 8080),
            max_calls=max_calls if max_calls is not None else _number(table, "max_calls", 150),
            media_token=token,
            drain=float(_number(table, "drain", 30)),
            max_lag=_limit(table, "max_lag", max_lag, MAX_LAG, 1000),
            max_busy=_limit(table, "max_busy", max_busy, MAX_BUSY, 100),
            stall_threshold=_limit(table, "stall_threshold", stall_threshold, STALL_THRESHOLD, 1000),
        )
    except ValueError as error:
        raise UsageError(f"{error} (the token comes from CALLBOARD_MEDIA_TOKEN)") from error
    if app:
        routes: tuple[Route, ...] = (Route(".*", load_scenario(app)),)
    elif "routes" in table:
        routes = _routes(table["routes"], base)
    else:
        from ._reception import reception

        routes = (Route(".*", reception(provider)),)
    folder = record or (Path(_text(table, "record", "")) if "record" in table else None)
    return Settings(
        options=options,
        routes=routes,
        record=folder,
        websockets=_websockets(websockets or _text(table, "websockets", WebSockets.LIBRARY.value)),
    )


def _websockets(name: str) -> WebSockets:
    try:
        return WebSockets(name)
    except ValueError:
        expected = " or ".join(kind.value for kind in WebSockets)
        raise UsageError(f"websockets is {name[:80]!r}, expected {expected}") from None


def _read_config(path: Path) -> Mapping[str, object]:
    try:
        table: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    known = {"host", "port", "max_calls", "drain", "record", "routes"}
    known |= {"max_lag", "max_busy", "stall_threshold", "websockets"}
    unknown = sorted(set(table) - known)
    if unknown:
        raise UsageError(f"{path} has unknown settings {unknown}; known are {sorted(known)}")
    return table


def _text(table: Mapping[str, object], key: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise UsageError(f"{key} is {value!r}, expected a text")
    return value


def _number(table: Mapping[str, object], key: str, default: int) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"{key} is {value!r}, expected a whole number")
    return value


def _limit(
    table: Mapping[str, object], key: str, given: float | None, default: float, unit: float
) -> float | None:
    """A limit that is set in parts of its unit, where 0 means that there is none."""
    value = table.get(key) if given is None else given
    if value is None:
        return default
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise UsageError(f"{key} is {value!r}, expected a number, 0 to switch it off")
    return value / unit if value else None


def _routes(value: object, base: Path | None) -> tuple[Route, ...]:
    if not isinstance(value, dict) or not value:
        raise UsageError("[routes] is empty; expected lines like '\\\\+1555.*' = \"clinic.py:reception\"")
    routes: list[Route] = []
    for pattern, place in cast("dict[str, object]", value).items():
        if not isinstance(place, str):
            raise UsageError(f'route {pattern!r} is {place!r}, expected "FILE.py:scenario"')
        scenario = load_scenario(place, base=base)
        try:
            routes.append(Route(pattern, scenario))
        except ValueError as error:
            raise UsageError(str(error)) from error
    return tuple(routes)


def serve(
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_calls: int = 150,
    media_token: str | None = None,
    drain: float = 30.0,
    max_lag: float | None = MAX_LAG,
    max_busy: float | None = MAX_BUSY,
    stall_threshold: float | None = STALL_THRESHOLD,
    websockets: WebSockets = WebSockets.LIBRARY,
) -> None:
    """Take calls with a scenario until interrupted; the last line of a program.

    Args:
        scenario: Runs for each call.
        host: The address to bind. A public one needs `media_token`.
        port: The port to bind, 0 for any.
        max_calls: A further call is refused.
        media_token: What the carrier's streams must carry in their custom parameter `token`.
        drain: How long calls may go on after the first interrupt, float seconds; a second one ends them.
        max_lag: See `ServerOptions`.
        max_busy: See `ServerOptions`.
        stall_threshold: See `ServerOptions`.
        websockets: What speaks WebSocket, with the carrier and with providers.

    Raises:
        OSError: The address cannot be bound.
        ValueError: The address is public and there is no token.
    """
    options = ServerOptions(
        host=host,
        port=port,
        max_calls=max_calls,
        media_token=media_token,
        drain=drain,
        max_lag=max_lag,
        max_busy=max_busy,
        stall_threshold=stall_threshold,
    )
    run_server(Settings(options=options, routes=(Route(".*", scenario),), websockets=websockets))


def run_server(settings: Settings) -> int:
    """Serve until interrupted, then drain. Returns 0, or 1 where calls had to be cut off."""
    return trio.run(serve_until_signal, settings)


async def serve_until_signal(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM, drain, and end at a second signal."""
    routes = settings.routes
    if settings.record is not None:
        folder = settings.record
        routes = tuple(Route(route.pattern, _recorded(route.scenario, folder)) for route in routes)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with (
            open_system("callboard", network=TcpNetwork(settings.websockets)) as system,
            open_server(system, routes, settings.options) as server,
        ):
            print(f"listening on {server.media_url}", flush=True)
            async with tend_garbage(server):
                await signals.__anext__()
            print(f"draining: {len(server.switchboard.calls)} calls, again to end them now", flush=True)
            drained = False
            async with trio.open_nursery() as nursery:

                async def end_at_once() -> None:
                    await signals.__anext__()
                    nursery.cancel_scope.cancel(reason="second signal")

                nursery.start_soon(end_at_once)
                drained = await server.drain()
                nursery.cancel_scope.cancel(reason="drained")
    return 0 if drained else 1


def _recorded(scenario: Scenario, folder: Path) -> Scenario:
    async def run(call: Call) -> None:
        await call.record(folder / f"{call.id()}.wav")
        await scenario(call)

    return run
