"""The scenarios that `soak.py` has the server run: a reception whose tools take their time.

Given to `callboard serve` as `soak_reception.py:grok` or `soak_reception.py:deepgram`. A SIGUSR1 makes the server
collect its garbage and, where CALLBOARD_SOAK_OBJECTS names a file, write the numbers of its objects by type there.
"""

import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import trio

from callboard import Call, create_voice_agent, deepgram as deepgram_provider, grok as grok_provider, tool

# How long a look-up takes, float seconds: long enough to hang up in the middle of some.
WAITS = {"surgery": 4.0, "radiology": 2.0, "pharmacy": 0.1}
# A chime: a tone that fades.
CHIME = (8000 * np.sin(2 * np.pi * 660 * np.arange(4000) / 8000) * np.exp(-np.arange(4000) / 1500)).astype(
    np.int16
)


@tool
async def waiting_time(department: str) -> str:
    """Look up the waiting time in a department.

    Args:
        department: A department of the clinic.
    """
    await trio.sleep(WAITS.get(department.lower(), 1.0))
    return f"in {department} you wait for about forty minutes, a little less if you come in before nine"


@tool
def opening_hours(day: str) -> str:
    """Look up when the clinic opens and closes.

    Args:
        day: A day of the week.
    """
    # A plain function, as a driver of a database is: it runs in a thread.
    time.sleep(0.2)
    return f"on {day} we are open from nine to five, and the last appointment is half an hour before"


async def grok(call: Call) -> None:
    """The reception with Grok as its agent."""
    await converse(call, grok_provider.Provider(voice="eve"))


async def deepgram(call: Call) -> None:
    """The reception with Deepgram as its agent."""
    await converse(call, deepgram_provider.Provider(voice="flux-kit-en"))


async def converse(call: Call, provider: grok_provider.Provider | deepgram_provider.Provider) -> None:
    """Answer, on some calls with a chime, and talk until the caller hangs up."""
    await call.answer()
    if call.info.custom_parameters.get("chime"):
        await call.play(CHIME)
    agent = await create_voice_agent(call, [provider])
    await agent.configure(
        instructions="You are the receptionist of the Harbour Street clinic. Be brief and friendly.",
        tools=[waiting_time, opening_hours],
    )
    call.send_media_between(agent)
    await agent.say("Hello, this is the Harbour Street clinic. How can I help you?")
    await call.wait_ended()


def count_objects() -> None:
    """Collect garbage; write how many objects of each type there are, if somebody wants to know."""
    gc.collect()
    # CPython looks methods up through a cache of 4096 names, and each split of an exception group, which is every
    # cancelled nursery, puts a new string there (3.11 to 3.13 do). Until the cache is full it would seem to be a leak.
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()
    wanted = os.environ.get("CALLBOARD_SOAK_OBJECTS")
    if wanted:
        counts = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
        written = Path(wanted + ".new")
        written.write_text(json.dumps(counts), encoding="utf-8")
        # Whoever waits for the file never sees half of it.
        written.replace(wanted)


if "CALLBOARD_SOAK_OBJECTS" in os.environ:
    signal.signal(signal.SIGUSR1, lambda _number, _frame: count_objects())
