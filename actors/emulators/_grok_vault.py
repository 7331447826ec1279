"""What outlives one connection: client secrets and conversations that can be resumed."""

from collections import OrderedDict

import attrs
import trio

from ._grok_conversation import Item
from ._ids import Ids

SECRET_PREFIX = "xai-realtime-client-secret-"
# Lifetime of a client secret, seconds: the default and the longest.
SECRET_LIFETIME = 600
SECRET_LIFETIME_MAX = 3600
# Bounds of the two stores. The oldest entries go first.
MAX_SECRETS = 10_000
MAX_CONVERSATIONS = 1_000


@attrs.frozen
class _Kept:
    items: tuple[Item, ...]
    expires_at: float


class Vault:
    """The two stores. Expiry is by `trio.current_time`.

    Args:
        ids: Where secrets come from.
        conversation_lifetime: How long a conversation can be resumed after its last change, seconds.
    """

    def __init__(self, ids: Ids, conversation_lifetime: float) -> None:
        self._ids = ids
        self._lifetime = conversation_lifetime
        self._secrets: OrderedDict[str, float] = OrderedDict()
        self._conversations: OrderedDict[str, _Kept] = OrderedDict()

    def mint(self, lifetime: float) -> str:
        """Make a client secret that is good for `lifetime` seconds."""
        secret = SECRET_PREFIX + self._ids.session()
        self._secrets[secret] = trio.current_time() + lifetime
        if len(self._secrets) > MAX_SECRETS:
            self._secrets.popitem(last=False)
        return secret

    def accepts(self, secret: str) -> bool:
        """Whether a client secret is known and not expired."""
        expires_at = self._secrets.get(secret)
        return expires_at is not None and trio.current_time() < expires_at

    def keep(self, conversation_id: str, items: tuple[Item, ...]) -> None:
        """Keep what a conversation has so far."""
        self._conversations[conversation_id] = _Kept(items, trio.current_time() + self._lifetime)
        self._conversations.move_to_end(conversation_id)
        if len(self._conversations) > MAX_CONVERSATIONS:
            self._conversations.popitem(last=False)

    def find(self, conversation_id: str) -> tuple[Item, ...] | None:
        """What was kept, or None for an id that is unknown or expired."""
        kept = self._conversations.get(conversation_id)
        if kept is None or trio.current_time() >= kept.expires_at:
            return None
        return kept.items
