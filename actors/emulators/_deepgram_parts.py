"""What the parts of one connection share."""

import attrs

from callboard.actors.brains import Brain
from callboard.protocols import deepgram

from ._deepgram_memory import Memory
from ._deepgram_options import DeepgramEmulatorOptions
from ._deepgram_outlet import Outlet
from ._deepgram_record import DeepgramSessionRecord
from ._deepgram_session import Session
from ._ids import Ids
from ._speech import Speech


@attrs.frozen(kw_only=True)
class Parts:
    """One connection's state and tools, by name."""

    options: DeepgramEmulatorOptions
    ids: Ids
    outlet: Outlet
    session: Session
    memory: Memory
    speech: Speech
    brain: Brain
    record: DeepgramSessionRecord

    async def tell(self, role: str, text: str) -> None:
        """Say that something was said: once as text and, where the client wants it, once as history."""
        hinted, heard = self.session.languages if role == "user" else (None, None)
        await self.outlet.send(
            deepgram.ConversationText(role=role, content=text, languages_hinted=hinted, languages=heard)
        )
        await self.remember(deepgram.History(role=role, content=text))

    async def remember(self, entry: deepgram.History) -> None:
        """Add to the conversation."""
        self.memory.add(entry)
        if self.session.settings.history:
            await self.outlet.send(entry)
