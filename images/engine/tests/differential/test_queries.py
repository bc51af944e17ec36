"""The same query on MariaDB and on the cluster gives the same answer."""

from __future__ import annotations

import pytest
from pymysql.connections import Connection

from differential.cases import Case, cases
from differential.compare import ask, difference


@pytest.mark.parametrize("case", cases(), ids=str)
def test_answers_as_mariadb_does(case: Case, ours: Connection, theirs: Connection) -> None:
    expected = ask(theirs, case.peer_sql, case.database)
    answer = ask(ours, case.sql, case.database)
    assert difference(answer, expected, ordered=case.ordered) is None, case.sql
