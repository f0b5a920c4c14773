"""A chain in one test process in which faults can be switched on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import Metric

from cart_handlers.audit import Audit
from cart_handlers.mail import mails_in
from cart_platform.faults.switchboard import Switchboard, switched_on
from cart_platform.settings import Settings
from support.chain import Chain, Emitted, observed
from support.observability import lines_of
from support.polling import eventually

PATIENT = tuple(0.1 + number / 100 for number in range(60))
"""Delays of so many retries that none is the last while a test lasts."""


@dataclass
class Disturbed:
    """A chain and its switchboard; `folder` has a folder of log files for each process."""

    chain: Chain
    board: Switchboard
    folder: Path

    async def on(self, fault: str, handler: str | None = None, seconds: float | None = None) -> None:
        """Switch a fault on, and wait until a process says that it acts on it."""
        self.board.on([switched_on(fault, handler, seconds)])
        await self.tells("fault.injected", fault)

    async def off(self, fault: str) -> None:
        """Switch a fault off, and wait until a process says that it has ended."""
        assert self.board.off(fault)
        await self.tells("fault.ended", fault)

    async def tells(self, action: str, fault: str) -> None:
        """Wait for a log line about a fault."""
        await eventually(lambda: bool(self.lines(action, **{"cartscope.fault": fault})))

    def lines(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of an action that have these values, over all processes."""
        wanted = {"event.action": action, **fields}.items()
        files = sorted(self.folder.glob("*/*.log"))
        return [line for file in files for line in lines_of(file) if wanted <= line.items()]

    async def over(self) -> bool:
        """Whether nothing is under way any more."""
        depth = await self.chain.parts.store.depth()
        return depth.pending == 0 and not any((await self.chain.parts.bus.backlog()).values())

    async def done(self, handler: str) -> int:
        """How many events a handler has done."""
        return (await self.chain.parts.store.totals()).done.get(handler, 0)


Scenario = Callable[[Disturbed], Awaitable[None]]


@dataclass
class Aftermath:
    """What a scenario left: what each process emitted, and what the audit found."""

    emitted: Mapping[str, Emitted] = field(default_factory=dict)
    findings: Mapping[str, int] = field(default_factory=dict)

    def told(self, fault: str) -> set[tuple[str, str, str | None]]:
        """Which processes told of a fault: service, action and handler."""
        return {
            (service, line["event.action"], line.get("cartscope.handler"))
            for service, process in self.emitted.items()
            for line in process.lines
            if line.get("cartscope.fault") == fault
        }

    def handled(self, handler: str, outcome: str) -> float:
        """How many deliveries a handler counted with an outcome."""
        families = self.emitted[f"cartscope-worker-{handler}"].families
        return _total(families, "cartscope_events_handled_total", outcome=outcome)


def _total(families: list[Metric], name: str, **labels: str) -> float:
    wanted = labels.items()
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and wanted <= sample.labels.items())


async def disturbed(folder: Path, scenario: Scenario, *, delays: tuple[float, ...] = PATIENT) -> Aftermath:
    """Run a scenario to its end, wait until nothing is under way, audit, and end the chain in order."""
    settings = Settings(
        store_url=f"sqlite:///{folder / 'store.db'}",
        bus_url=f"sqlite:///{folder / 'bus.db'}",
        mail_url=f"maildir:///{folder / 'mail'}",
        faults_file=folder / "faults.json",
        retry_delays=delays,
        api_port=0,
    )
    left = Aftermath()

    async def whole(chain: Chain) -> None:
        run = Disturbed(chain, Switchboard(folder / "faults.json"), folder)
        await scenario(run)
        await eventually(run.over)
        audit = Audit(chain.parts.store, chain.parts.handlers, mails_in(settings.mail_url))
        left.findings = dict((await audit.run()).counts)

    left.emitted = await observed(settings, folder, whole)
    return left
