"""The same scenario with whichever provider answers: `callboard serve examples/either.py`."""

import callboard
from callboard import AgentEvents, Call, create_voice_agent, deepgram, grok, tool


@tool
async def book_table(day: str, people: int) -> str:
    """Book a table for the evening.

    Args:
        day: The day of the week.
        people: How many will come.
    """
    return f"booked for {people} on {day} at 7" if people <= 8 else "too many for one table"


async def restaurant(call: Call) -> None:
    """Answer, greet, and talk until the caller hangs up; Deepgram takes over where Grok is lost for good."""
    await call.answer()
    agent = await create_voice_agent(call, [grok.Provider(voice="eve"), deepgram.Provider()])
    await agent.configure(instructions="You take bookings for a small restaurant.", tools=[book_table])
    call.send_media_between(agent)
    await agent.say("Good evening, when would you like to come?")
    async for event in agent.events():
        match event:
            case AgentEvents.UserText(text=text, final=True):
                print("caller:", text)
            case AgentEvents.ToolFinished(result=result):
                print("tool:", result.name, result.output)
            case AgentEvents.ProviderReady(provider=provider, handed_over=n_entries):
                print(f"{provider} goes on with {n_entries} entries of the conversation")
            case _:
                pass


if __name__ == "__main__":
    callboard.serve(restaurant)
