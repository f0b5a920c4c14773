"""Ships the log files of a folder as a process of its own, which a test can kill: URL, FOLDER."""

import sys
from pathlib import Path

from cart_observability.elastic import template
from cart_observability.elastic.shipper import ship
from cart_platform import lifetime
from cart_platform.lifetime import Stop
from cart_platform.native import checkout


async def main(stop: Stop) -> int:
    """Ship until told to end, and then what is left."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    templates = template.load(checkout.TEMPLATES)
    await ship(url, folder / "logs", folder / "output", folder / "positions.json", templates, print, stop)
    return 0


if __name__ == "__main__":
    sys.exit(lifetime.run(main))
