"""A clinic's reception in twenty lines: `callboard serve examples/reception.py`."""

import callboard
from callboard import Call, grok, tool


@tool
async def opening_hours(day: str) -> str:
    """When the clinic is open on a weekday."""
    return "9 to 5" if day.lower() not in {"saturday", "sunday"} else "closed"


async def reception(call: Call) -> None:
    """Answer, greet, and talk until the caller hangs up."""
    await call.answer()
    agent = await grok.create_voice_agent_api_client(call)
    await agent.configure(instructions="You are a receptionist.", voice="eve", tools=[opening_hours])
    call.send_media_between(agent)
    await agent.say("Hello, this is the clinic. How can I help?")
    async for event in agent.events(grok.VoiceAgentAPIEvents.ResponseDone):
        print(event.data.response.status)


if __name__ == "__main__":
    callboard.serve(reception)
