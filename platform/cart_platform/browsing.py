"""Shows a page in the browser of whoever sits at this machine."""

import asyncio
import os
import sys
import webbrowser

NO_BROWSER = "no browser is found that could be opened here: open the page's address yourself"

_SCREENS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


async def show(url: str) -> bool:
    """Open the page in a browser, on a thread; whether there is one."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _SCREENS):
        # What would be found then runs in the terminal, and takes it.
        return False
    return await asyncio.to_thread(webbrowser.open, url)
