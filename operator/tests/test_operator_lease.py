"""The lease: one holder at a time, whatever the clocks, the crashes and the server do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from operator_world.api import Api, Object

from qserv_operator.kube import RefusedError
from qserv_operator.lease import Lease


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def lease(api: Api, holder: str, clock: Clock) -> Lease:
    return Lease(api, namespace="ns", holder=holder, duration=30.0, clock=clock)


def test_the_first_leads_and_the_second_waits() -> None:
    api, clock = Api(), Clock()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    assert first.renew()
    assert not second.renew()
    clock.now += 20
    assert first.renew()
    clock.now += 20
    assert not second.renew()


def test_a_dead_holder_is_followed_only_when_it_surely_stopped() -> None:
    api, clock = Api(), Clock()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    first.renew()
    second.renew()
    while not second.renew():
        clock.now += 1
        assert not (first.leads() and second.leads())
    assert 1030 < clock.now < 1033


def test_a_holder_that_cannot_renew_stops_by_itself() -> None:
    api, clock = Api(), Clock()
    held = lease(api, "a", clock)
    held.renew()
    clock.now += 19
    assert held.leads()
    clock.now += 2
    assert not held.leads()


def test_a_released_lease_is_free_at_once() -> None:
    api, clock = Api(), Clock()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    first.renew()
    first.release()
    assert not first.leads()
    assert second.renew()


class Racing(Api):
    """Another takes the lease between the reading and the writing."""

    def replace(self, made: Object) -> Object:
        raise RefusedError(409, "replace", "the object has been modified")


def test_who_loses_the_race_does_not_lead() -> None:
    api, clock = Racing(), Clock()
    first = lease(api, "a", clock)
    assert first.renew()
    assert not first.renew()


class Silent(Api):
    """A server that stops answering."""

    silent = False

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        if self.silent:
            raise RefusedError(0, "get", "no answer")
        return super().get(api_version, kind, namespace, name)


@pytest.mark.parametrize(("later", "leads"), [(5, True), (25, False)])
def test_a_silent_server_leaves_the_lease_as_it_was(later: float, leads: bool) -> None:
    api, clock = Silent(), Clock()
    held = lease(api, "a", clock)
    held.renew()
    api.silent = True
    clock.now += later
    assert held.renew() is leads
