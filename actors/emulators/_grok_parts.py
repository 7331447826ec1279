"""What the parts of one connection share."""

import attrs

from callboard.actors.brains import Brain

from ._grok_conversation import Conversation
from ._grok_frames import Frames
from ._grok_options import GrokEmulatorOptions
from ._grok_outlet import Outlet
from ._grok_session import Session
from ._grok_usage import Meter
from ._ids import Ids
from ._speech import Speech


@attrs.frozen(kw_only=True)
class Parts:
    """One connection's state and tools, by name."""

    options: GrokEmulatorOptions
    ids: Ids
    frames: Frames
    outlet: Outlet
    session: Session
    conversation: Conversation
    speech: Speech
    brain: Brain
    meter: Meter
