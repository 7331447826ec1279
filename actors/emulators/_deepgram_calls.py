"""Function calls of one connection: asked for, answered, cancelled."""

import json
import logging
from collections.abc import Mapping, Sequence

import attrs
import trio

from callboard.actors.brains import CallTool
from callboard.protocols import deepgram
from callboard.protocols.deepgram import WarningCode

from ._deepgram_parts import Parts

_log = logging.getLogger("callboard.emulators.deepgram")


@attrs.define(kw_only=True, eq=False)
class Call:
    """A call that was announced."""

    id: str
    function: deepgram.Function
    arguments: Mapping[str, object]
    response: str | None = None
    told: bool = False
    """Whether it is in the conversation."""
    done: trio.Event = attrs.field(factory=trio.Event)

    @property
    def client_side(self) -> bool:
        """Whether the client runs it."""
        return self.function.endpoint is None


class Calls:
    """The calls of the answer that is being made.

    Args:
        parts: The connection.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._open: dict[str, Call] = {}
        self._held = False

    async def ask(self, wanted: Sequence[tuple[deepgram.Function, CallTool]], *, held: bool) -> list[Call]:
        """Ask for functions, all in one message.

        Args:
            wanted: Which, with what.
            held: Results are not to be told before `release`, for the user's turn is not told either.
        """
        self._held = held
        if not wanted:
            return []
        calls = [
            Call(
                id=f"call_{self._parts.ids.session()[:24]}",
                function=function,
                arguments=dict(call.arguments),
            )
            for function, call in wanted
        ]
        self._open |= {call.id: call for call in calls}
        await self._parts.outlet.send(
            deepgram.FunctionCallRequest(
                functions=tuple(
                    deepgram.FunctionCall(
                        id=call.id,
                        name=call.function.name,
                        arguments=json.dumps(call.arguments),
                        client_side=call.client_side,
                    )
                    for call in calls
                )
            )
        )
        return calls

    async def release(self) -> None:
        """Tell results from now on, those that came already first."""
        self._held = False
        for call in self._open.values():
            await self._tell(call)

    async def answered(self, response: deepgram.FunctionCallResponse) -> None:
        """Take a result from the client. One that nobody waits for is dropped without a word."""
        waiting = (call for call in self._open.values() if call.client_side and call.response is None)
        # The schema lets clients leave the id out; then the name has to do.
        call = next((each for each in waiting if _answers(response, each)), None)
        if call is None:
            return
        call.response = response.content
        await self._settle(call)

    async def collect(self, calls: Sequence[Call]) -> None:
        """Run those that the server runs, and wait for the others."""
        for call in calls:
            if not call.client_side:
                await self._run(call)
        for call in calls:
            await call.done.wait()
            self._open.pop(call.id, None)

    def cancel(self) -> tuple[deepgram.CancelledFunction, ...]:
        """Forget all calls; returns those the client still works on."""
        left = tuple(
            deepgram.CancelledFunction(id=call.id, name=call.function.name)
            for call in self._open.values()
            if call.client_side and call.response is None
        )
        self._open.clear()
        self._held = False
        return left

    async def _run(self, call: Call) -> None:
        parts, name = self._parts, call.function.name
        url = call.function.endpoint.url if call.function.endpoint is not None else ""
        try:
            call.response = parts.options.call_endpoint(name, call.arguments, url)
        except Exception as error:  # noqa: BLE001  (stands for a web service, which may fail in any way)
            _log.info("the endpoint of %s failed: %r", name, error)
            await parts.outlet.warn(WarningCode.FUNCTION_CALL_FAILED, f"The call of {name[:80]} failed")
            call.response = json.dumps({"error": "the function could not be called"})
        await parts.outlet.send(deepgram.FunctionCallResponse(id=call.id, name=name, content=call.response))
        await self._settle(call)

    async def _settle(self, call: Call) -> None:
        if not self._held:
            await self._tell(call)
        call.done.set()

    async def _tell(self, call: Call) -> None:
        if call.told or call.response is None:
            return
        call.told = True
        entry = deepgram.HistoryFunctionCall(
            id=call.id,
            name=call.function.name,
            client_side=call.client_side,
            # Written anew, with other spaces than in the request, as was observed.
            arguments=json.dumps(call.arguments, separators=(",", ":")),
            response=call.response,
        )
        await self._parts.remember(deepgram.History(function_calls=(entry,)))


def _answers(response: deepgram.FunctionCallResponse, call: Call) -> bool:
    return response.name == call.function.name if response.id is None else response.id == call.id
