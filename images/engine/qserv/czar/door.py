"""What all connections of the MySQL port share."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from mysql_mimic.constants import DEFAULT_SERVER_CAPABILITIES
from mysql_mimic.types import Capabilities

from qserv.catalog.metadata import Metadata
from qserv.catalog.trust import Trust
from qserv.czar.session import Czar


@dataclass(frozen=True, slots=True)
class Door:
    """``pool``: the threads that statements run in."""

    czar: Czar
    metadata: Metadata
    trust: Trust
    pool: Executor

    @property
    def capabilities(self) -> Capabilities:
        tls = Capabilities.CLIENT_SSL if self.trust.certificates.cert else Capabilities(0)
        return DEFAULT_SERVER_CAPABILITIES | tls
