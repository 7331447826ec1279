"""Running tools: each call an actor of its own, with exactly one outcome whatever happens to it."""

import enum
import inspect
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
import orjson
import trio

from ._blocking import run_blocking
from ._context import Context, path_logger
from ._errors import NameTaken
from ._ref import ActorRef
from ._spec import ChildSpec, Restart
from ._tools_schema import AnyTool, ToolContext, ToolError
from ._tools_types import BadArguments

if TYPE_CHECKING:
    from ._scope import Scope

# Plain functions of one client that may run at once, each in a thread; more wait.
THREADS = 8
# Call ids remembered, so that one is never run twice. A call of two hours has some hundreds.
REMEMBERED = 4096
# The longest result a model is given, characters.
MAX_OUTPUT = 256 * 1024


class ToolOutcome(enum.Enum):
    """How a tool call ended; each call ends in exactly one of these."""

    RESULT = "result"
    ERROR = "error"
    """The arguments did not fit, or the function raised."""
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    """It was killed, or what it belongs to ended."""


@attrs.frozen(kw_only=True)
class ToolResult:
    """The end of one tool call."""

    call_id: str
    name: str
    arguments: str
    """As the model gave them."""
    outcome: ToolOutcome
    output: str
    """What the model is told."""
    duration: float
    """Float seconds."""
    stopped: bool = False
    """It ended with the call or the client: nobody waits for it any more."""


def error_output(text: str) -> str:
    """How an error is told to a model."""
    return json.dumps({"error": text}, ensure_ascii=False)


def to_output(value: object) -> str:
    """What a model is told of a result: text as it is, everything else as JSON.

    Raises:
        TypeError: It has no JSON form.
    """
    if isinstance(value, str):
        return value
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: object) -> object:
    if attrs.has(type(value)):
        return attrs.asdict(cast("attrs.AttrsInstance", value), recurse=False)
    if isinstance(value, set | frozenset):
        return list(cast("frozenset[object]", value))
    raise TypeError(f"a {type(value).__name__} has no JSON form")


@attrs.define(eq=False)
class _Running:
    """One call."""

    tool: AnyTool
    context: ToolContext
    arguments: str
    began_at: float
    ref: ActorRef[object] | None = None
    finished: bool = False


class ToolRunner:
    """Starts the tool calls of one client and reports the end of each, once.

    Args:
        scope: Owns the actors: a call outlives the connection that asked for it.
        owner: The client's name.
        report: Called with each result; does not wait.
    """

    def __init__(self, scope: "Scope", owner: str, report: Callable[[ToolResult], None]) -> None:
        self._scope = scope
        self._owner = owner
        self._report = report
        self._running: dict[str, _Running] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._limiter: trio.CapacityLimiter | None = None
        self._nursery: trio.Nursery | None = None
        self._count = 0

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of calls that have not ended."""
        return tuple(self._running)

    def attach(self, nursery: trio.Nursery) -> None:
        """Watch over the calls from a task of this nursery: one that is killed before it begins says nothing."""
        self._nursery = nursery
        for running in self._running.values():
            nursery.start_soon(self._watch, running)

    def detach(self) -> None:
        """The nursery is about to end; calls go on."""
        self._nursery = None

    def start(self, tool: AnyTool, arguments: str, context: ToolContext) -> bool:
        """Begin a call; False for an id that was seen before."""
        if not self.claim(context.call_id):
            return False
        self._count += 1
        running = _Running(tool, context, arguments, trio.current_time())
        self._running[context.call_id] = running
        spec = ChildSpec[object, None](
            name=f"{self._owner}-{tool.name}-{self._count}",
            run=_ToolActor(self, running).run,
            restart=Restart.TEMPORARY,
            mailbox=1,
            grace=1.0,
            doc="one tool call",
        )
        try:
            running.ref = self._scope.tools.start_child_soon(spec)
        except (RuntimeError, NameTaken):
            # The call is ending.
            self.finish(running, ToolOutcome.CANCELLED, error_output("the call has ended"), stopped=True)
            return True
        if self._nursery is not None:
            self._nursery.start_soon(self._watch, running)
        return True

    def claim(self, call_id: str) -> bool:
        """Note an id; False where it is known."""
        if call_id in self._seen:
            return False
        self._seen[call_id] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def cancel_all(self) -> None:
        """The client is over: end all calls without telling anybody."""
        for running in tuple(self._running.values()):
            self.finish(running, ToolOutcome.CANCELLED, error_output("cancelled"), stopped=True)
            if running.ref is not None:
                running.ref.request_stop(0, reason="the client was closed")

    async def _watch(self, running: _Running) -> None:
        if running.ref is not None:
            exit = await running.ref.wait_stopped()
            self.finish(running, ToolOutcome.CANCELLED, error_output(f"the tool was ended: {exit.reason}"))

    def finish(self, running: _Running, outcome: ToolOutcome, output: str, *, stopped: bool = False) -> None:
        """Report the end of a call, unless that was done."""
        if running.finished:
            return
        running.finished = True
        self._running.pop(running.context.call_id, None)
        if len(output) > MAX_OUTPUT:
            outcome, output = ToolOutcome.ERROR, error_output("the result is too long")
        self._report(
            ToolResult(
                call_id=running.context.call_id,
                name=running.tool.name,
                arguments=running.arguments,
                outcome=outcome,
                output=output,
                duration=trio.current_time() - running.began_at,
                stopped=stopped,
            )
        )

    async def call(self, running: _Running) -> tuple[ToolOutcome, str]:
        """Make the call.

        Raises:
            trio.Cancelled: It took too long, or was ended. A plain function then goes on in its thread, unheard.
        """
        tool = running.tool
        log = path_logger(f"{self._scope.path}/tools/{tool.name}")
        try:
            call = tool.bind(running.arguments, running.context)
        except BadArguments as error:
            await trio.lowlevel.checkpoint()
            return ToolOutcome.ERROR, error_output(f"wrong arguments: {error}")
        try:
            result = await self._result_of(call, tool)
            return ToolOutcome.RESULT, to_output(result)
        except ToolError as error:
            return ToolOutcome.ERROR, error_output(str(error) or "the tool failed")
        except Exception as error:
            # The border to the user's code. The text of an unexpected error is for the log, not for the caller.
            log.exception("the tool %s failed", tool.name)
            return ToolOutcome.ERROR, error_output(f"the tool failed ({type(error).__name__})")

    async def _result_of(self, call: Callable[[], object], tool: AnyTool) -> object:
        if tool.is_async:
            return await cast("Awaitable[object]", call())
        if self._limiter is None:
            self._limiter = trio.CapacityLimiter(THREADS)
        result = await run_blocking(call, limiter=self._limiter, abandon_on_cancel=True)
        # A plain function may return what another, async one made.
        return await cast("Awaitable[object]", result) if inspect.isawaitable(result) else result


class _ToolActor:
    """The body of one call's actor."""

    def __init__(self, runner: ToolRunner, running: _Running) -> None:
        self._runner = runner
        self._running = running

    async def run(self, context: Context[Any], /, *, task_status: trio.TaskStatus[None]) -> None:
        """Make the call; in every case report an outcome."""
        task_status.started()
        running = self._running
        stop = context.ref
        try:
            with trio.move_on_after(running.tool.timeout) as deadline:
                outcome, output = await self._runner.call(running)
                self._runner.finish(running, outcome, output)
            if deadline.cancelled_caught:
                text = error_output(f"no result within {running.tool.timeout:g} s")
                self._runner.finish(running, ToolOutcome.TIMEOUT, text)
        finally:
            # Killed, or stopped with the call it belongs to.
            ends = stop._cell.stop_reason is not None
            text = error_output("the tool was ended before it had a result")
            self._runner.finish(running, ToolOutcome.CANCELLED, text, stopped=ends)
