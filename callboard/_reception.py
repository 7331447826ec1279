"""The scenario that is served when no other is given, and the one of the demo: a clinic's reception."""

from collections.abc import Callable, Mapping, Sequence

from callboard import deepgram, grok

from .actors import Call, Provider, Scenario, VoiceAgent, create_voice_agent, tool

OPENING_HOURS = {
    "monday": "9 to 5",
    "tuesday": "9 to 5",
    "wednesday": "9 to 1",
    "thursday": "9 to 7",
    "friday": "9 to 5",
    "saturday": "10 to 2",
}


@tool
async def opening_hours(day: str) -> str:
    """Look up when the clinic opens and closes.

    Args:
        day: A day of the week.
    """
    hours = OPENING_HOURS.get(day.lower())
    if hours is None:
        return "closed"
    return f"open from {hours}, and the last appointment is half an hour before we close"


def providers_of(names: Sequence[str], urls: Mapping[str, str] | None = None) -> list[Provider]:
    """The providers of these names, with the voices of the reception.

    Args:
        names: `grok`, `deepgram`, the preferred one first.
        urls: Where they are, by name, if not where the environment says.
    """
    urls = urls or {}
    made: dict[str, Callable[[str | None], Provider]] = {
        "grok": lambda url: grok.Provider(voice="eve", base_url=url),
        "deepgram": lambda url: deepgram.Provider(voice="flux-kit-en", base_url=url),
    }
    return [made[name](urls.get(name)) for name in names]


def reception(provider: str = "grok") -> Scenario:
    """The scenario, with an agent of this provider."""

    async def run(call: Call) -> None:
        """Answer, greet, and talk until the caller hangs up."""
        await call.answer()
        await converse(call, await create_voice_agent(call, providers_of([provider])))

    return run


async def converse(call: Call, agent: VoiceAgent) -> None:
    """Be the receptionist on an answered call, until it ends."""
    await agent.configure(
        instructions="You are the receptionist of the Harbour Street clinic. Be brief and friendly.",
        tools=[opening_hours],
    )
    call.send_media_between(agent)
    await agent.say("Hello, this is the Harbour Street clinic. How can I help you?")
    await call.wait_ended()
