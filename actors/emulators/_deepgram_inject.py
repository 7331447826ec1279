"""What a client puts into the mouth of the user or of the agent."""

import trio

from callboard.protocols import deepgram
from callboard.protocols.deepgram import WarningCode

from ._deepgram_options import Refusal
from ._deepgram_parts import Parts
from ._deepgram_replies import Replies, RepliesBusy
from ._deepgram_reply import UserTurn
from ._deepgram_session import require_early_access
from ._deepgram_turns import Turns
from ._deepgram_voice import Voice, VoiceBusy


class Injector:
    """Decides whether something injected is said, and when.

    Args:
        parts: The connection.
        voice: What the agent says.
        replies: What it answers.
        turns: What the user says.
    """

    def __init__(self, parts: Parts, voice: Voice, replies: Replies, turns: Turns) -> None:
        self._parts = parts
        self._voice = voice
        self._replies = replies
        self._turns = turns

    async def user(self, message: deepgram.InjectUserMessage) -> None:
        """Take a turn of the user that nobody spoke.

        It comes after what the agent is saying. While the user speaks it is only told: their own turn brings
        the answer.
        """
        if self._voice.busy and self._parts.options.refuse_user_messages:
            await self._refuse(None, "The agent is speaking")
            return
        turn = UserTurn(text=message.content, heard_at=trio.current_time())
        try:
            self._replies.submit(turn, talked_over=self._turns.speaking)
        except RepliesBusy:
            await self._refuse(None, "Too many messages wait for an answer")

    async def agent(self, message: deepgram.InjectAgentMessage) -> None:
        """Have the agent say something, or refuse.

        Raises:
            RemoteWireError: A dynamic message from a client that may not use it.
        """
        behavior = message.behavior or "default"
        if message.is_dynamic:
            require_early_access(self._parts.options, "is_dynamic")
        if self._turns.speaking and behavior != "interrupt":
            await self._refuse(
                WarningCode.INJECT_AGENT_MESSAGE_DURING_USER_SPEECH, "The user is currently speaking"
            )
            return
        if self._voice.busy and behavior == "default":
            await self._refuse(
                WarningCode.INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH, "The agent is currently speaking"
            )
            return
        if behavior == "interrupt":
            await self._voice.stop()
        try:
            if message.is_dynamic:
                self._replies.submit(UserTurn(by_itself=True, heard_at=trio.current_time()))
            else:
                self._voice.say(message.message or "")
        except (RepliesBusy, VoiceBusy):
            await self._refuse(None, "Too many messages wait to be spoken")

    async def _refuse(self, code: WarningCode | None, why: str) -> None:
        refusal, outlet = self._parts.options.refusal, self._parts.outlet
        if refusal is not Refusal.WARNING or code is None:
            await outlet.send(deepgram.InjectionRefused(message=why))
        if refusal is not Refusal.MESSAGE and code is not None:
            await outlet.warn(code, f"Ignored InjectAgentMessage: {why.lower()}")
