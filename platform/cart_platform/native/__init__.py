"""Real servers and Cartscope's own programs as local processes: own ports, own passwords, own data folder."""

from cart_platform.native.native import Native
from cart_platform.native.resumed import resumed_servers
from cart_platform.native.running import RunningFile

__all__ = ["Native", "RunningFile", "resumed_servers"]
