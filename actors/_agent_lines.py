"""Writes what is said into the call's transcript: the agent as far as it was heard.

Caller lines are replaced, never appended to: the server sends the whole text of a turn again and again, and
may correct it, or go on with the same turn after a pause. A line is final once the agent begins to answer or
the caller begins another turn.

Agent lines are final when they have been played to the end. After an interruption they are cut by the times
of the spoken pieces; if the server reports in time what it kept, its text is taken.
"""

import math
from collections import OrderedDict

import attrs

from ._transcript import Speaker, Transcript

# How long to wait for the server's word about what was heard, float seconds.
TRUNCATION_WAIT = 0.5
# Characters of a tool's arguments and result in its line.
TOOL_CLIP = 200
REMEMBERED = 64
# Of a voice that speaks English at its usual pace, for a piece of which nothing else is known.
CHARACTERS_PER_SECOND = 15.0
# No two sentences are spoken at the same speed: where this much of one is likely, all of it is.
NEARLY = 0.85


@attrs.frozen
class Segment:
    """A piece of an answer, as it was spoken."""

    text: str
    start: float | None
    """Float seconds into the answer."""


@attrs.define(eq=False)
class _CallerLine:
    number: int
    at: float
    text: str = ""
    answered: bool = False
    """The agent began to answer before the text came."""
    final: bool = False


@attrs.define(eq=False)
class AgentLine:
    """What one response says."""

    response_id: str
    item_ids: set[str] = attrs.field(factory=set[str])
    segments: list[Segment] = attrs.field(factory=list[Segment])
    number: int = 0
    at: float = 0.0
    whole: str | None = None
    """The full text, once the server has sent it."""
    ends_at: float = math.inf
    """When it has been played, by the clock."""
    cut: str | None = None
    """What was heard of it, after an interruption."""
    final: bool = False

    @property
    def text(self) -> str:
        """Everything it says so far."""
        return self.whole if self.whole is not None else "".join(s.text for s in self.segments).strip()


def words_heard(segments: list[Segment], whole: str, heard: float, received: float) -> str:
    """What was said in the first `heard` seconds of an answer of which `received` seconds have come.

    Full pieces, and of the piece that was being spoken the part in proportion to its time, back to the last
    full word.
    """
    if heard <= 0 or received <= 0:
        return ""
    if heard >= received:
        return whole
    timed = [segment for segment in segments if segment.start is not None]
    if len(timed) != len(segments) or not segments:
        return _part(whole, heard / received)
    said = ""
    for index, segment in enumerate(segments):
        start = segment.start or 0.0
        following = segments[index + 1].start if index + 1 < len(segments) else None
        end = received if following is None else following
        if heard >= end:
            said += segment.text
            continue
        if heard > start:
            said += _part(segment.text, (heard - start) / (end - start))
        break
    return said.strip()


def _part(text: str, share: float) -> str:
    """The beginning of a text, back to the last full word."""
    n_chars = int(len(text) * min(share, 1.0))
    if n_chars >= len(text):
        return text
    head = text[:n_chars]
    if not text[n_chars].isspace():
        # The word at the cut was not finished.
        head = head[: max(head.rfind(" "), 0)]
    return head.rstrip()


def _begun(segments: list[Segment], received: float) -> list[Segment]:
    """The pieces that `received` seconds of audio say; of the last one as much as its speed makes likely."""
    begun = [segment for segment in segments if segment.start is None or segment.start < received]
    last = begun[-1] if begun else None
    if last is None or last.start is None:
        return begun
    n_before = sum(len(segment.text) for segment in begun[:-1])
    speed = n_before / last.start if n_before and last.start > 0 else CHARACTERS_PER_SECOND
    share = (received - last.start) * speed / max(len(last.text), 1)
    if share > NEARLY:
        return begun
    return [*begun[:-1], Segment(_part(last.text, share), last.start)]


class AgentLines:
    """The lines that are not final yet, and the rules that make them so.

    Args:
        transcript: The call's, or the client's own where there is no call.
    """

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._caller: OrderedDict[str, _CallerLine] = OrderedDict()
        self._agent: OrderedDict[str, AgentLine] = OrderedDict()

    # The caller

    def caller_began(self, item_id: str, now: float) -> None:
        """The caller began a turn, or goes on with one."""
        for other_id, line in self._caller.items():
            if other_id != item_id:
                self._finish_caller(line)
        if item_id not in self._caller:
            self._settle_cuts()
            self._caller[item_id] = _CallerLine(self._transcript.reserve(), now)
            while len(self._caller) > REMEMBERED:
                self._finish_caller(self._caller.popitem(last=False)[1])

    def caller_text(self, item_id: str, text: str, now: float, *, completed: bool) -> None:
        """The whole text of a turn so far."""
        if not text.strip():
            return
        if item_id not in self._caller:
            self.caller_began(item_id, now)
        line = self._caller[item_id]
        if line.final:
            return
        line.text = text.strip()
        if line.answered and completed:
            self._finish_caller(line)
        else:
            self._transcript.put(Speaker.CALLER, line.text, number=line.number, at=line.at, final=False)

    def answered(self) -> None:
        """The agent begins to answer: the turns before it are complete."""
        for line in self._caller.values():
            if line.text:
                self._finish_caller(line)
            else:
                line.answered = True

    def caller_lost(self, item_id: str) -> None:
        """What was heard of a turn so far is to be heard again, as another turn."""
        line = self._caller.pop(item_id, None)
        if line is not None and line.text and not line.final:
            self._transcript.put(Speaker.CALLER, "", number=line.number, at=line.at, final=False)

    def _finish_caller(self, line: _CallerLine) -> None:
        if line.final or not line.text:
            return
        line.final = True
        self._transcript.put(Speaker.CALLER, line.text, number=line.number, at=line.at)

    # The agent

    def agent_text(self, response_id: str, item_id: str, segment: Segment, now: float) -> None:
        """The next piece of an answer."""
        line = self._agent_line(response_id, item_id, now)
        if line is not None and line.cut is None:
            line.segments.append(segment)
            self._show(line)

    def agent_whole(self, response_id: str, item_id: str, text: str, now: float) -> None:
        """The full text of an item of an answer."""
        line = self._agent_line(response_id, item_id, now)
        # An answer of several items has several such texts; then the pieces say more than each of them.
        if line is not None and line.cut is None and len(line.item_ids) == 1:
            line.whole = text.strip()
            self._show(line)

    def _agent_line(self, response_id: str, item_id: str, now: float) -> AgentLine | None:
        line = self._agent.get(response_id)
        if line is None:
            self._settle_cuts()
            line = AgentLine(response_id, number=self._transcript.reserve(), at=now)
            self._agent[response_id] = line
            while len(self._agent) > REMEMBERED:
                self._finish(self._agent.popitem(last=False)[1])
        if line.final:
            return None
        line.item_ids.add(item_id)
        if len(line.item_ids) > 1:
            line.whole = None
        return line

    def _show(self, line: AgentLine) -> None:
        if line.text:
            self._transcript.put(Speaker.AGENT, line.text, number=line.number, at=line.at, final=False)

    def agent_ends(self, response_id: str, at: float) -> None:
        """A response has been generated, and will have been played at that time."""
        line = self._agent.get(response_id)
        if line is not None and not line.final and line.cut is None:
            line.ends_at = at

    def agent_cut(self, response_id: str, heard: float, received: float, now: float) -> None:
        """An answer was interrupted after `heard` of `received` seconds."""
        line = self._agent.get(response_id)
        if line is not None and not line.final and line.cut is None:
            line.cut = words_heard(line.segments, line.text, heard, received)
            line.ends_at = now + TRUNCATION_WAIT

    def agent_broken(self, response_id: str, received: float, ends_at: float) -> str | None:
        """The connection broke in the middle of an answer: only what its audio says will be heard.

        Args:
            response_id: The answer.
            received: How much audio of it has come, float seconds.
            ends_at: When that will have been played.

        Returns:
            What it says, or None where nothing of it is known.
        """
        line = self._agent.get(response_id)
        if line is None or line.final or line.cut is not None:
            return None
        if received <= 0:
            line.segments, line.whole = [], ""
        elif any(segment.start is not None for segment in line.segments):
            line.segments = _begun(line.segments, received)
            line.whole = None
        line.ends_at = ends_at
        return line.text

    def truncated(self, item_id: str, text: str | None) -> None:
        """The server says what it kept of an item."""
        if text is None:
            return
        for line in self._agent.values():
            if item_id in line.item_ids and line.cut is not None and not line.final:
                if len(line.item_ids) == 1:
                    line.cut = text.strip()
                self._finish(line)

    def agent_heard(self, response_id: str) -> str | None:
        """What is known to have been heard of an answer that was cut."""
        line = self._agent.get(response_id)
        return None if line is None else line.cut

    def _finish(self, line: AgentLine) -> None:
        if line.final:
            return
        line.final = True
        line.ends_at = math.inf
        text = line.text if line.cut is None else line.cut
        interrupted = line.cut is not None
        # A line of which nothing was heard is taken back rather than kept empty.
        self._transcript.put(
            Speaker.AGENT, text, number=line.number, at=line.at, interrupted=interrupted, final=bool(text)
        )

    def _settle_cuts(self) -> None:
        """What follows an interrupted answer comes after it."""
        for line in self._agent.values():
            if line.cut is not None:
                self._finish(line)

    # Tools

    def tool(self, name: str, arguments: str, output: str) -> None:
        """A tool call and its result."""
        self._transcript.put(Speaker.TOOL, f"{name}({_clip(arguments)}) -> {_clip(output)}")

    # Time

    @property
    def deadline(self) -> float:
        """When `handle_timer` wants to be called."""
        return min((line.ends_at for line in self._agent.values()), default=math.inf)

    def handle_timer(self, now: float) -> None:
        """Finish what has been played."""
        for line in tuple(self._agent.values()):
            if line.ends_at <= now:
                self._finish(line)

    def close(self) -> None:
        """The client is over: everything that was said is final."""
        for caller in self._caller.values():
            self._finish_caller(caller)
        for line in self._agent.values():
            self._finish(line)


def _clip(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TOOL_CLIP else text[: TOOL_CLIP - 3] + "..."
