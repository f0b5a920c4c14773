"""The names of the store's keys in Redis.

Everything of one shard carries the shard's number as hash tag, so that a Redis Cluster keeps it in one slot and a
script may touch all of it.

| key | type | holds |
|---|---|---|
| `cartscope:shards` | string | the number of shards, fixed at the first start |
| `cartscope:{S}:cart:CART` | string | version, a blank, the cart as JSON |
| `cartscope:{S}:key:CART:KEY` | string | fingerprint of the command, a blank, the entry id of its event in the log |
| `cartscope:{S}:log` | stream | every event that is kept, as structured JSON in the field `event` |
| `cartscope:{S}:outbox` | stream | the events that wait to be sent, under the entry ids of the log |
| `cartscope:{S}:event:ID` | hash | `at` = entry id in the log, `done:HANDLER` and `dead:HANDLER` = result as JSON |
| `cartscope:{S}:claim:HANDLER:ID` | string | claimant; expires with its lease |
| `cartscope:{S}:projection:NAME` | sorted set | totals of the shard by key, exact up to 2^53 |
| `cartscope:{S}:counts` | hash | `appended:TYPE`, `sent`, `done:HANDLER`, `given_up:HANDLER` |
| `cartscope:{relays}:live`, `:holders` | sorted set, hash | the relays' leases, the relay that holds each shard |
"""

from dataclasses import dataclass, field

SHARDS = "cartscope:shards"
LIVE_RELAYS = "cartscope:{relays}:live"
SHARD_HOLDERS = "cartscope:{relays}:holders"


@dataclass(frozen=True, slots=True)
class ShardKeys:
    """The keys of the shard with this number."""

    shard: int
    log: str = field(init=False)
    outbox: str = field(init=False)
    counts: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("log", "outbox", "counts"):
            object.__setattr__(self, name, self._name(name))

    def cart(self, cart: str) -> str:
        """Where a cart is."""
        return self._name(f"cart:{cart}")

    def idempotency(self, cart: str, key: str) -> str:
        """What is remembered of an idempotency key; no cart's name has a colon in it, so no two can be mistaken."""
        return self._name(f"key:{cart}:{key}")

    def event(self, event_id: str) -> str:
        """What is known of an event."""
        return self._name(f"event:{event_id}")

    def claim(self, handler: str, event_id: str) -> str:
        """Who has claimed an event for a handler."""
        return self._name(f"claim:{handler}:{event_id}")

    def projection(self, name: str) -> str:
        """The totals of a projection."""
        return self._name(f"projection:{name}")

    def _name(self, name: str) -> str:
        return f"cartscope:{{{self.shard}}}:{name}"
