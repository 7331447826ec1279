"""The scenario that is served when no other is given, and the one of the demo: a clinic's reception."""

from callboard import grok

from .actors import Call, tool

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


async def reception(call: Call) -> None:
    """Answer, greet, and talk until the caller hangs up."""
    await call.answer()
    await converse(call, await grok.create_voice_agent_api_client(call))


async def converse(call: Call, agent: grok.VoiceAgentAPIClient) -> None:
    """Be the receptionist on an answered call, until it ends."""
    await agent.configure(
        instructions="You are the receptionist of the Harbour Street clinic. Be brief and friendly.",
        voice="eve",
        tools=[opening_hours],
    )
    call.send_media_between(agent)
    await agent.say("Hello, this is the Harbour Street clinic. How can I help you?")
    await call.wait_ended()
