"""A carrier for tests, demonstrations and load: places calls to a media socket as Twilio would."""

import base64
import hashlib
import hmac
import itertools
import random
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence

import trio

from .._network import Network
from .._nursery import open_plain_nursery
from .._pacer import Pacer
from ._caller import Caller
from ._carrier_call import RECORD_LIMIT, TIME_LIMIT, CarrierCall
from ._carrier_faults import CarrierFaults
from ._carrier_playout import FRAME_SECONDS
from ._carrier_result import CallResult
from ._carrier_stride import WIRE, Stride
from ._carrier_wire import TwilioCarrier

ACCOUNT_SID = "AC00000000000000000000000000000001"
# Multiples of the golden ratio, modulo one, are spread evenly however many there are.
_GOLDEN = 0.6180339887498949


class CarrierEmulator:
    """Places calls.

    Args:
        network: Where to dial.
        url: The media socket, `ws://` or `wss://`.
        account_sid: Told to the server.
        custom_parameters: The `<Parameter>` values of every call.
        headers: Sent with every upgrade.
        auth_token: Signs the upgrades (`X-Twilio-Signature`) where given. It is in no repr, log or error.
        signed_url: The public URL that is signed; default is `url` with `wss`.
        seed: Of the calls' ids: the same seed makes the same ids in the same order.
        pacer: A running wheel that clocks all calls; without it each call has a timer of its own, which costs
            more but keeps deadlines exactly.
        time_limit: Calls end after so long, float seconds.
        record_limit: So much of each call is kept, float seconds, 16 kB each; 0 for none.
        dial_timeout: For opening a socket, float seconds.
        stride: How much of a call goes by at once, and in one message; simulations are many times as fast with more
            than the 20 ms of carriers. Not for calls that a pacer clocks.
        ssl_context: For `wss`.
    """

    def __init__(
        self,
        network: Network,
        url: str,
        *,
        account_sid: str = ACCOUNT_SID,
        custom_parameters: Mapping[str, str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        auth_token: str | None = None,
        signed_url: str | None = None,
        seed: int = 0,
        pacer: Pacer | None = None,
        time_limit: float = TIME_LIMIT,
        record_limit: float = RECORD_LIMIT,
        dial_timeout: float = 10.0,
        stride: Stride = WIRE,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._network = network
        self._account_sid = account_sid
        self._custom_parameters = dict(custom_parameters or {})
        self._headers = tuple(headers)
        if auth_token is not None:
            signed = signed_url or "wss://" + url.partition("://")[2]
            self._headers += (("X-Twilio-Signature", upgrade_signature(auth_token, signed)),)
        self._random = random.Random(seed)
        self._pacer = pacer
        self._time_limit = time_limit
        self._record_limit = record_limit
        self._dial_timeout = dial_timeout
        self._stride = stride
        self._ssl_context = ssl_context
        self._placed = itertools.count()

    def call(
        self,
        caller: Caller,
        *,
        custom_parameters: Mapping[str, str] | None = None,
        faults: CarrierFaults | None = None,
        phase: float | None = None,
    ) -> CarrierCall:
        """Make a call that is not dialled yet; `await call.run()` makes it.

        Args:
            caller: Who speaks; one object for each call.
            custom_parameters: Beside, or instead of, the emulator's own.
            faults: What goes wrong.
            phase: Where in a 20 ms frame the call ticks, float seconds; None begins at once.
        """
        wire = TwilioCarrier(
            account_sid=self._account_sid,
            call_sid=f"CA{self._random.getrandbits(128):032x}",
            stream_sid=f"MZ{self._random.getrandbits(128):032x}",
            custom_parameters={**self._custom_parameters, **(custom_parameters or {})},
            numbers=faults is not None and faults.numbers,
        )
        return CarrierCall(
            self._network,
            self.url,
            caller,
            wire,
            headers=self._headers,
            faults=faults,
            time_limit=self._time_limit,
            record_limit=self._record_limit,
            phase=phase,
            pacer=self._pacer,
            dial_timeout=self._dial_timeout,
            stride=self._stride,
            ssl_context=self._ssl_context,
        )

    async def place_calls(
        self,
        callers: Iterable[Caller],
        *,
        interval: float = 0.0,
        at_once: int = 1000,
        faults: Callable[[int], CarrierFaults | None] | None = None,
        on_result: Callable[[CallResult], None] | None = None,
    ) -> tuple[CallResult, ...]:
        """Place calls side by side, spread evenly over the phases of a frame, and wait for all of them.

        Args:
            callers: One for each call; taken one by one, as calls are placed.
            interval: Between the beginnings of two calls, float seconds.
            at_once: The most calls at one time; the next waits until one ends.
            faults: Given a call's number, from 0: what goes wrong on it.
            on_result: Gets each result when its call ends. Results are not collected then, so that a day of
                calls takes the memory of those that are up.

        Returns:
            The results in the order of the callers; empty with `on_result`.

        Raises:
            Exception: What a caller's `prepare` raised. The calls that are up are cut off then.

        A cancelled call of this function cuts off the calls that are up.
        """
        results: dict[int, CallResult] = {}
        limiter = trio.CapacityLimiter(at_once)

        async def place(number: int, call: CarrierCall) -> None:
            try:
                result = await call.run()
            finally:
                limiter.release_on_behalf_of(call)
            if on_result is None:
                results[number] = result
            else:
                on_result(result)

        async with open_plain_nursery() as nursery:
            begun_at = trio.current_time()
            for number, caller in enumerate(callers):
                await trio.sleep_until(begun_at + number * interval)
                call = self.call(
                    caller,
                    faults=None if faults is None else faults(number),
                    phase=next(self._placed) * _GOLDEN % 1 * FRAME_SECONDS,
                )
                await limiter.acquire_on_behalf_of(call)
                nursery.start_soon(place, number, call)
        return tuple(results[number] for number in sorted(results))


def upgrade_signature(auth_token: str, url: str) -> str:
    """What Twilio sends as `X-Twilio-Signature` with an upgrade: HMAC-SHA1 of the URL, in base64.

    Source: Twilio, "Webhooks security"; a WebSocket has no form parameters to add to the URL.
    """
    digest = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")
