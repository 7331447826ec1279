"""A restaurant that takes bookings by phone: `callboard serve examples/restaurant.py`."""

import callboard
from callboard import Call, grok, tool


@tool
async def book_table(day: str, people: int) -> str:
    """Book a table for the evening.

    Args:
        day: The day of the week.
        people: How many will come.
    """
    return f"booked for {people} on {day} at 7" if people <= 8 else "too many for one table"


async def restaurant(call: Call) -> None:
    """Answer, greet, and talk until the caller hangs up."""
    await call.answer()
    agent = await grok.create_voice_agent_api_client(call)
    await agent.configure(instructions="You take bookings for a small restaurant.", tools=[book_table])
    call.send_media_between(agent)
    await agent.say("Good evening, when would you like to come?")
    async for event in agent.events(grok.VoiceAgentAPIEvents.ResponseDone):
        print("answered:", event.data.response.status)


if __name__ == "__main__":
    callboard.serve(restaurant)
