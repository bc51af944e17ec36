"""Accounts, running queries and kills, as several czars share them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from qserv.catalog.errors import NoSuchQuery, NotFound
from qserv.catalog.metadata import Account, Metadata, QueryRecord, chores, password_auth, people, snapshot


def test_passwords_are_kept_as_mysql_hashes_them() -> None:
    # SELECT PASSWORD('secret') on MariaDB answers this after a star.
    assert password_auth("secret").upper() == "14E65567ABDB5135D0CFD9A70B3032C179A49EE7"


def test_accounts_come_change_and_go(metadata: Metadata) -> None:
    metadata.write(lambda connection: people.set_account(connection, Account("ann", "a" * 40, ("gaia",))))
    metadata.write(lambda connection: people.set_account(connection, Account("ann", "b" * 40, ("*",), True)))
    assert metadata.account("ann") == Account("ann", "b" * 40, ("*",), True)
    assert metadata.account("Ann") is None
    metadata.write(lambda connection: people.remove_account(connection, "ann"))
    assert metadata.account("ann") is None
    with pytest.raises(NotFound):
        metadata.write(lambda connection: people.remove_account(connection, "ann"))


@pytest.mark.parametrize(
    ("account", "database", "may"),
    [
        (Account("a", "", ("gaia",)), "GAIA", True),
        (Account("a", "", ("gaia",)), "hip", False),
        (Account("a", "", ("*",)), "hip", True),
        (Account("a", "", (), True), "hip", True),
        (Account("a", ""), "hip", False),
    ],
)
def test_grants(account: Account, database: str, may: bool) -> None:
    assert account.may_read(database) is may


def query(name: str, czar: str, connection: int, account: str) -> QueryRecord:
    """One that began some seconds ago, by its connection."""
    began = time.time() - 100 + connection
    return QueryRecord(name, czar, connection, account, f"SELECT '{name} Ω'", "gaia", version=3, started=began)


def test_queries_of_all_czars_are_seen(metadata: Metadata) -> None:
    metadata.record_queries([query("one", "czar-0", 1, "ann")])
    metadata.record_queries([query("two", "czar-1", 2, "bob")])
    assert [one.id for one in metadata.running_queries()] == ["one", "two"]
    assert [one.id for one in metadata.running_queries("bob")] == ["two"]
    failed = replace(query("one", "czar-0", 1, "ann"), state="failed", ended=2.0, rows=0, error="no", chunks=7)
    metadata.record_queries([failed, query("three", "czar-1", 3, "cid")])
    metadata.record_queries([failed])
    assert [one.id for one in metadata.running_queries()] == ["two", "three"]
    ended = next(one for one in metadata.query_history("ann"))
    assert (ended.state, ended.error, ended.chunks, ended.sql) == ("failed", "no", 7, "SELECT 'one Ω'")


def test_the_history_goes_back_some_time_and_keeps_what_runs(metadata: Metadata) -> None:
    long_ago = time.time() - people.KEPT_SECONDS - 60
    ended = replace(query("ended", "czar-0", 1, "ann"), state="done", started=long_ago, ended=long_ago + 1)
    running = replace(query("running", "czar-0", 2, "ann"), started=long_ago)
    metadata.record_queries([ended, running, replace(query("late", "czar-0", 3, "ann"), state="done")])
    metadata.record_queries([query("new", "czar-0", 4, "ann")])
    assert [one.id for one in metadata.query_history("ann")] == ["new", "late", "running"]


def test_a_kill_reaches_the_czar_that_runs_the_query_once(metadata: Metadata) -> None:
    metadata.record_queries([query("one", "czar-0", 1, "ann")])
    metadata.request_kill(Account("ann", ""), query="one")
    assert metadata.kill_requests("czar-1") == []
    assert [(kill.query, kill.connection) for kill in metadata.kill_requests("czar-0")] == [("one", 1)]
    assert metadata.kill_requests("czar-0") == []


def test_only_the_owner_and_administrators_kill(metadata: Metadata) -> None:
    metadata.record_queries([query("one", "czar-0", 1, "ann")])
    with pytest.raises(NoSuchQuery):
        metadata.request_kill(Account("bob", ""), connection=1)
    metadata.request_kill(Account("root", "", (), True), connection=1, close=True)
    assert [kill.query for kill in metadata.kill_requests("czar-0")] == [None]


def test_a_query_that_ended_cannot_be_killed(metadata: Metadata) -> None:
    metadata.record_queries([query("one", "czar-0", 1, "ann")])
    metadata.record_queries([replace(query("one", "czar-0", 1, "ann"), state="done", ended=2.0, rows=1)])
    with pytest.raises(NoSuchQuery):
        metadata.request_kill(Account("ann", ""), query="one")


def test_a_czar_that_starts_ends_what_its_former_process_left(metadata: Metadata) -> None:
    metadata.record_queries([query("one", "czar-0", 1, "ann")])
    metadata.record_queries([query("two", "czar-1", 2, "ann")])
    assert metadata.close_queries_of("czar-0") == 1
    assert [one.id for one in metadata.running_queries()] == ["two"]


def test_the_version_is_told_patiently_and_at_a_glance(metadata: Metadata) -> None:
    before = metadata.version()
    assert before == metadata.read(snapshot.version)
    metadata.write(chores.bump)
    assert metadata.version() == before + 1
    assert metadata.database.glance("SELECT nothing FROM nowhere") is None
    assert metadata.version() == before + 1
