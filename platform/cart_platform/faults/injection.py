"""Puts the faults round the parts of a process."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from cart_platform.bootstrap import Parts
from cart_platform.bus import Bus
from cart_platform.faults.bus import DisturbableBus
from cart_platform.faults.handlers import disturbable
from cart_platform.faults.store import DisturbableStore
from cart_platform.faults.switchboard import Switchboard
from cart_platform.faults.switches import Switches
from cart_platform.store import Store


def disturbable_parts(parts: Parts, file: Path) -> Parts:
    """The parts of a process in which the faults of this switchboard can be switched on."""
    switches = Switches(Switchboard(file), parts.telemetry)
    return replace(
        parts,
        store=cast("Store", DisturbableStore(parts.store, switches)),
        bus=cast("Bus", DisturbableBus(parts.bus, parts.handlers, switches)),
        handlers=tuple(disturbable(handler, switches) for handler in parts.handlers),
    )
