"""Calls of one kind do not wait for those of another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from qserv.catalog.flight import WorkerClient
from qserv.replication.calls import Calls


def _nobody(_address: str) -> WorkerClient:
    raise AssertionError("no worker is asked here")


def test_a_scrub_of_many_workers_does_not_hold_up_a_commit() -> None:
    calls = Calls(_nobody, parallel=4)
    begun, go_on = threading.Barrier(5), threading.Event()

    def read_all() -> str:
        begun.wait(60.0)
        go_on.wait(60.0)
        return "read"

    works: dict[int, Callable[[], str]] = dict.fromkeys(range(4), read_all)
    scrub = calls.background(partial(calls.all, works, "scrub"))
    begun.wait(60.0)
    try:
        for lane in ("commit", "compact", "short"):
            assert calls.all({1: lambda: "done"}, lane) == {1: "done"}
        assert not scrub.done()
    finally:
        go_on.set()
    assert scrub.result(60.0) == dict.fromkeys(range(4), "read")
    calls.close()
