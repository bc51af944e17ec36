"""The lease goes by the database's clock: what the controllers' machines call the time decides nothing."""

from __future__ import annotations

import time

import pytest

from qserv.catalog.errors import Unavailable
from qserv.catalog.metadata import Metadata, chores
from qserv.replication.leader import Leader


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_a_controller_with_another_clock_does_not_take_the_lease(
    metadata: Metadata, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (Leader(metadata, name=name, address=f"http://{name}", seconds=60.0) for name in ("one", "two"))
    one.prolong()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    two.prolong()
    assert (one.leads, two.leads) == (True, False)
    with pytest.raises(Unavailable) as refused:
        two.require()
    assert refused.value.details["leader"] == "http://one"
    monkeypatch.undo()
    one.prolong()
    assert one.leads
    one.release()
    two.prolong()
    assert (one.leads, two.leads) == (False, True)


def test_the_database_tells_the_time_since_1970(metadata: Metadata) -> None:
    before = time.time()
    told = metadata.read(chores.clock)
    # Both run on this machine; MariaDB's session may have any time zone.
    assert before - 1.0 < told < time.time() + 1.0
