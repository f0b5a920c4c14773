"""A process that receives from a queue, says so on stdout, and settles nothing: `bus_consumer URL RUN COUNT`."""

import asyncio
import sys

from support.buses import Line, receive


async def consume(line: Line, count: int) -> None:
    """Receive so many deliveries and hold them until killed."""
    bus = line.bus()
    await bus.start()
    await receive(await bus.subscribe(line.threshold, count), count)
    print("holding", flush=True)  # noqa: T201  the parent waits for this line
    await asyncio.Event().wait()


if __name__ == "__main__":
    url, run, count = sys.argv[1:]
    asyncio.run(consume(Line(url, run), int(count)))
