"""The audit: does the log of events, handled once each, give exactly what the store holds?

Every event is handled again in memory, by the handlers whose effects lie in the store; what they would have added and
emitted is compared with what is there. Effects outside the store are checked by their results, and e-mails in a Maildir
one by one.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from cart_platform.cart import CART_EVENTS, Cart, CartEvent
from cart_platform.events import Event
from cart_platform.handler import DEAD_LETTERED, Handler, Reject, UnitOfWork
from cart_platform.store import Recorded, Store

EXAMPLES = 5
"""Findings of one kind that are named; all of them are counted."""


@dataclass(slots=True)
class Findings:
    """What is missing or repeated: by kind, how often, and the first few."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, what: str) -> None:
        """Note one finding."""
        self.counts[kind] += 1
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(what)


@dataclass(frozen=True, slots=True)
class Followed:
    """A cart as far as its events were read; where some are gone, only its version and units can be told."""

    version: int
    units: int
    cart: Cart | None


@dataclass(slots=True)
class Audit:
    """Reads the log of a store and holds the store against it.

    `mails` counts the e-mails by Message-ID, where they can be counted. `complete` tells whether the log holds every
    event that was ever appended; projections can only be compared if it does.
    """

    store: Store
    handlers: Sequence[Handler]
    mails: Counter[str] | None = None
    findings: Findings = field(default_factory=Findings)
    events: int = 0
    complete: bool = True
    _seen: set[str] = field(default_factory=set)
    _carts: dict[str, Followed] = field(default_factory=dict)
    _sums: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _emitted: dict[str, str] = field(default_factory=dict)
    _named_mails: set[str] = field(default_factory=set)

    async def run(self) -> Findings:
        """Read everything; gives what was found."""
        self.complete = await self._is_complete()
        async for recorded in self.store.log():
            self.events += 1
            await self._event(recorded)
        self._follow_ups()
        await self._compare_carts()
        if self.complete:
            await self._compare_projections()
            self._compare_mails()
        return self.findings

    async def _is_complete(self) -> bool:
        totals = await self.store.totals()
        kept = 0
        async for _ in self.store.log():
            kept += 1
        return kept >= sum(totals.appended.values())

    async def _event(self, recorded: Recorded) -> None:
        event = recorded.event
        if event.id in self._seen:
            self.findings.add("event repeated in the log", event.id)
            return
        self._seen.add(event.id)
        if not recorded.sent:
            self.findings.add("event not published", event.id)
        if event.type in CART_EVENTS:
            self._fold(event)
        for handler in self.handlers:
            if event.type in handler.reacts_to:
                await self._effect(handler, recorded)

    def _fold(self, event: Event) -> None:
        """Follow the cart; in a log that was trimmed, from the first of its events that is kept."""
        change = msgspec.convert(event.data, CART_EVENTS[event.type])
        before = self._carts.get(change.cart) or self._start(change)
        follows = (before.version, before.units) == (change.version - 1, change.units_before)
        if not follows:
            self.findings.add("cart's events have a gap", f"{change.cart} at version {change.version}")
        cart = before.cart.apply(change) if before.cart and follows else None
        self._carts[change.cart] = Followed(change.version, change.units_after, cart)

    def _start(self, change: CartEvent) -> Followed:
        if self.complete or change.version == 1:
            return Followed(0, 0, Cart(change.cart))
        return Followed(change.version - 1, change.units_before, None)

    async def _effect(self, handler: Handler, recorded: Recorded) -> None:
        event = recorded.event
        result = recorded.results.get(handler.name)
        if result is None:
            self.findings.add("effect and result missing", f"{handler.name}: {event.id}")
        elif result.outcome == DEAD_LETTERED:
            self.findings.add("event given up", f"{handler.name}: {event.id} ({result.data.get('reason')})")
        elif handler.acts_outside:
            self._mail(handler, event, str(result.data.get("message_id", "")))
        else:
            await self._handle_again(handler, event)

    def _mail(self, handler: Handler, event: Event, message_id: str) -> None:
        if self.mails is None or not message_id:
            return
        self._named_mails.add(message_id)
        copies = self.mails[message_id]
        if copies != 1:
            self.findings.add("e-mail missing" if copies == 0 else "e-mail repeated", f"{handler.name}: {event.id}")

    async def _handle_again(self, handler: Handler, event: Event) -> None:
        unit = UnitOfWork(event, handler.name, self._read)
        try:
            await handler.handle(event, unit)
        except Reject as error:
            self.findings.add("event would be rejected", f"{handler.name}: {event.id} ({error})")
            return
        for projection, key, amount in unit.additions:
            self._sums[projection, key] += amount
        for follow_up in unit.emitted:
            self._emitted[follow_up.id] = event.id

    async def _read(self, projection: str, key: str) -> int:
        return self._sums[projection, key]

    def _follow_ups(self) -> None:
        for follow_up, cause in self._emitted.items():
            if follow_up not in self._seen:
                self.findings.add("follow-up event missing", f"{follow_up}, caused by {cause}")

    async def _compare_carts(self) -> None:
        for name, expected in self._carts.items():
            kept = await self.store.cart(name) or Cart(name)
            found = Followed(kept.version, kept.units, kept if expected.cart else None)
            if found != expected:
                self.findings.add("cart differs from its events", name)

    def _compare_mails(self) -> None:
        for message_id in sorted((self.mails or Counter()).keys() - self._named_mails):
            self.findings.add("e-mail without a result", message_id)

    async def _compare_projections(self) -> None:
        for projection in {projection for projection, _ in self._sums}:
            expected = {key: total for (name, key), total in self._sums.items() if name == projection}
            kept = dict(await self.store.top(projection, len(expected) + EXAMPLES))
            for key in expected.keys() | kept.keys():
                self._compare(f"{projection}/{key}", expected.get(key, 0), kept.get(key, 0))

    def _compare(self, what: str, expected: int, kept: int) -> None:
        if expected != kept:
            self.findings.add("projection differs from the log", f"{what} is {kept}, the log gives {expected}")


def document(audit: Audit) -> Mapping[str, object]:
    """The audit as a script reads it."""
    return {
        "events": audit.events,
        "complete": audit.complete,
        "findings": {
            kind: {"count": count, "examples": audit.findings.examples[kind]}
            for kind, count in audit.findings.counts.items()
        },
    }


def as_text(audit: Audit) -> str:
    """The audit as a person reads it."""
    lines = [f"{audit.events} events read"]
    if not audit.complete:
        lines.append("the log does not hold every event, as after a trim: projections were not compared")
    for kind, count in audit.findings.counts.items():
        lines.append(f"{kind}: {count}")
        lines += [f"  {example}" for example in audit.findings.examples[kind]]
    if not audit.findings.counts:
        lines.append("every event has its effect once, and nothing is missing or repeated")
    return "\n".join(lines)
