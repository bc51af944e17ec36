"""The other workers of the cluster, by Flight address: one client each."""

from __future__ import annotations

import threading

from qserv.catalog.flight import WorkerClient
from qserv.catalog.trust import Trust


class Peers:
    """Clients of other workers, made when first asked for. Thread-safe."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._lock = threading.Lock()
        self._clients: dict[str, WorkerClient] = {}

    def client(self, address: str) -> WorkerClient:
        with self._lock:
            if address not in self._clients:
                self._clients[address] = WorkerClient(address, self._trust)
            return self._clients[address]

    def close(self) -> None:
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()
