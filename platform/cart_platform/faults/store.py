"""A store whose outbox can be shut: what a paused relay sees of it."""

from collections.abc import Sequence
from typing import Any

from cart_platform.faults.catalogue import PAUSED_RELAY
from cart_platform.faults.switches import Switches
from cart_platform.store import Pending, Store


class DisturbableStore:
    """A store; all that is not said here is the inner one's."""

    def __init__(self, store: Store, switches: Switches) -> None:
        self._store = store
        self._switches = switches
        self._paused = switches.switch(PAUSED_RELAY)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def hold_shards(self, relay: str, lease: float) -> Sequence[int]:
        """Only a relay asks for shards."""
        await self._switches.awaken()
        return await self._store.hold_shards(relay, lease)

    async def pending(self, shards: Sequence[int], limit: int) -> Sequence[Pending]:
        """Nothing, while the relay is paused."""
        return () if self._paused.on else await self._store.pending(shards, limit)
