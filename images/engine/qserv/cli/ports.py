"""Ports for the processes of a cluster on this machine."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
# Below the ports that Linux gives to outgoing connections (32768 and more): one of those may be taken by any
# connection of this machine between its choice here and its use.
RANGE = range(10_000, 32_768)
TRIES = 100


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which no one listens now, all different, at random: others choose at the same time.

    Raises
    ------
    OSError
        If none is found in many tries.
    """
    with ExitStack() as held:
        return [_held(held.enter_context(socket.socket())) for _ in range(count)]


def _held(one: socket.socket) -> int:
    """Bind a socket to a free port."""
    for left in reversed(range(TRIES)):
        port = random.choice(RANGE)  # noqa: S311 - nothing secret
        try:
            one.bind((HOST, port))
            return port
        except OSError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")
