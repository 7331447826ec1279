"""A transcript is in the order in which lines began, whichever was final first."""

from callboard.actors import Transcript
from callboard.actors._transcript import Speaker


async def test_lines_are_in_the_order_in_which_they_began() -> None:
    transcript = Transcript()
    answer = transcript.reserve()
    transcript.put(Speaker.CALLER, "and another thing", at=2.0)
    transcript.put(Speaker.AGENT, "the answer", number=answer, at=1.0)
    transcript.put(Speaker.CALLER, "goodbye", at=2.0)
    assert [line.text for line in transcript.lines] == ["the answer", "and another thing", "goodbye"]
