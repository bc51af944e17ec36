"""What real clients send: when they connect, when they look around, and prepared statements."""

from __future__ import annotations

import contextlib
import ctypes.util
import datetime as dt
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import mysql.connector
import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import COMMAND
from sqlalchemy import create_engine, inspect, text

from czar.smallsky import Cluster
from replication.smallcluster import wait_for


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection[Any]]:
    with contextlib.closing(cluster.connect()) as found:
        yield found


def rows(connection: Connection[Any], sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_looking_around(connection: Connection[Any]) -> None:
    assert rows(connection, "SHOW DATABASES") == [("information_schema",), ("sky",)]
    assert rows(connection, "SHOW TABLES") == [("Filter",), ("Object",)]
    assert rows(connection, "SHOW TABLES LIKE 'f%'") == [("Filter",)]
    assert rows(connection, "SHOW FULL TABLES FROM sky") == [("Filter", "BASE TABLE"), ("Object", "BASE TABLE")]
    assert rows(connection, "DESCRIBE Filter") == [
        ("id", "int", "YES", "", None, ""),
        ("name", "char(1)", "YES", "", None, ""),
    ]
    assert rows(connection, "DESC Object objectId") == [("objectId", "bigint", "NO", "PRI", None, "")]
    assert rows(connection, "SHOW COLUMNS FROM Object WHERE Field = 'label'") == [
        ("label", "varchar(32)", "YES", "", None, "")
    ]
    assert "PRIMARY KEY (`objectId`)" in rows(connection, "SHOW CREATE TABLE Object")[0][1]
    assert rows(connection, "SHOW KEYS FROM Object")[0][4] == "objectId"
    assert rows(connection, "SHOW VARIABLES LIKE 'max_allowed_packet'") == [("max_allowed_packet", "67108864")]
    assert rows(connection, "SHOW GRANTS")[1] == ("GRANT SELECT ON `sky`.* TO 'joe'@'%'",)


@pytest.mark.parametrize(
    "sql",
    [
        # MySQL Connector/J, DBeaver, TOPCAT and the mysql client say these at connect
        "/* mysql-connector-j-8.4.0 */SELECT  @@session.auto_increment_increment AS auto_increment_increment, "
        "@@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, "
        "@@character_set_results AS character_set_results, @@character_set_server AS character_set_server, "
        "@@collation_server AS collation_server, @@collation_connection AS collation_connection, "
        "@@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, "
        "@@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, "
        "@@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, "
        "@@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, "
        "@@transaction_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout",
        "SET character_set_results = NULL",
        "SET NAMES utf8mb4",
        "SET autocommit=1",
        "SET SQL_SELECT_LIMIT=DEFAULT",
        "SET SESSION TRANSACTION READ ONLY",
        "SET session transaction isolation level read committed",
        "SET sql_mode='STRICT_TRANS_TABLES', @old = 3",
        "select @@version_comment limit 1",
        "SELECT DATABASE(), USER(), CURRENT_USER(), CONNECTION_ID(), VERSION()",
        "SELECT @@session.transaction_read_only",
        "SHOW WARNINGS",
        "SHOW ENGINES",
        "SHOW CHARSET",
        "SHOW COLLATION",
        "SHOW PLUGINS",
        "SHOW STATUS LIKE 'Ssl_cipher'",
        "SHOW VARIABLES WHERE Variable_name IN ('max_allowed_packet','system_time_zone','time_zone','sql_mode')",
        "SHOW TABLE STATUS FROM sky",
        "SHOW TRIGGERS FROM sky",
        "SHOW PROCEDURE STATUS WHERE Db='sky'",
        "SHOW FULL PROCESSLIST",
        "SHOW CREATE DATABASE sky",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "/*!40101 SET NAMES utf8 */",
        "SELECT TABLE_SCHEMA, NULL, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE='BASE TABLE'",
        "SELECT * FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = 'sky'",
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME",
        "SHOW COLLATION WHERE Charset = 'utf8mb4' AND Collation = 'utf8mb4_bin'",
        "SHOW CREATE SCHEMA IF NOT EXISTS `sky`",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        "SELECT @@have_profiling, @@lc_messages, CURRENT_ROLE(), LOCALTIME",
        "SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY",
        "/* DBeaver */ SELECT 1 /* one */; -- and no more",
        "/* ApplicationName=DBeaver 23.0 - Main */ SHOW FULL FIELDS FROM `Object` IN `sky`",
        "SAVEPOINT sa_savepoint_1",
        "RELEASE SAVEPOINT sa_savepoint_1",
    ],
)
def test_clients_greetings_are_answered(connection: Connection[Any], sql: str) -> None:
    rows(connection, sql)
    assert rows(connection, "SELECT 1") == [(1,)]


def test_information_schema_tells_types(connection: Connection[Any]) -> None:
    found = rows(
        connection,
        "SELECT column_name, ordinal_position, data_type, column_type, is_nullable, character_maximum_length "
        "FROM information_schema.columns WHERE table_schema = 'SKY' AND table_name = 'object' "
        "ORDER BY ordinal_position",
    )
    assert found[0] == ("objectId", 1, "bigint", "bigint", "NO", None)
    assert found[4] == ("label", 5, "varchar", "varchar(32)", "YES", 32)
    assert [row[0] for row in found[-2:]] == ["chunkId", "subChunkId"]


def test_variables_and_warnings(connection: Connection[Any]) -> None:
    rows(connection, "SET @x = 41")
    assert rows(connection, "SELECT @x + 1") == [(42,)]
    rows(connection, "SET sql_mode = 'ANSI'")
    assert rows(connection, "SELECT @@sql_mode") == [("ANSI",)]
    with pytest.raises(pymysql.err.MySQLError):
        rows(connection, "SELECT nothing FROM Object")
    assert rows(connection, "SELECT @@warning_count") == [(1,)]
    [(level, number, message)] = rows(connection, "SHOW WARNINGS")
    assert (level, number) == ("Error", 1054)
    assert "nothing" in message
    rows(connection, "SELECT 1")
    assert rows(connection, "SHOW WARNINGS") == []


def test_set_takes_expressions(connection: Connection[Any]) -> None:
    rows(connection, "SET sql_mode = 'ANSI'")
    rows(connection, "SET sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'), @x = 5 + 3")
    assert rows(connection, "SELECT @@sql_mode, @x") == [("ANSI,STRICT_TRANS_TABLES", 8)]
    rows(connection, "SET sql_mode=(SELECT REPLACE(@@sql_mode, 'ANSI', 'ANSI_QUOTES'))")
    assert rows(connection, "SELECT @@sql_mode") == [("ANSI_QUOTES,STRICT_TRANS_TABLES",)]
    rows(connection, "SET @none = (SELECT id FROM Filter WHERE id < 0)")
    rows(connection, "SET @one = (SELECT id FROM Filter WHERE id = 3)")
    assert rows(connection, "SELECT @none, @one") == [(None, 3)]
    with pytest.raises(pymysql.err.MySQLError) as raised:
        rows(connection, "SET @many = (SELECT objectId FROM Object)")
    assert raised.value.args[0] == 1242


def test_named_prepared_statements(connection: Connection[Any]) -> None:
    rows(connection, "PREPARE one FROM 'SELECT label FROM Object WHERE objectId = ? AND label <> ?'")
    rows(connection, "SET @key = 7, @other = 'it''s'")
    assert rows(connection, "EXECUTE one USING @key, @other") == [("star 7",)]
    rows(connection, "SET @text = 'SELECT COUNT(*) FROM Filter'")
    rows(connection, "PREPARE `Two` FROM @text;")
    assert rows(connection, "EXECUTE two") == [(5,)]
    for wrong, number in (("EXECUTE one USING @key", 1210), ("EXECUTE three", 1243), ("PREPARE x FROM 'SELEC'", 1064)):
        with pytest.raises(pymysql.err.MySQLError) as raised:
            rows(connection, wrong)
        assert raised.value.args[0] == number
    rows(connection, "DEALLOCATE PREPARE one")
    with pytest.raises(pymysql.err.MySQLError):
        rows(connection, "EXECUTE one USING @key, @other")


def test_long_rows_of_spaces(connection: Connection[Any]) -> None:
    """Patterns that look at them once for each of them would not be through in days."""
    spaces = " " * 1_000_000
    assert rows(connection, f"PREPARE one FROM 'SELECT 1'{spaces};{spaces}") == []
    assert rows(connection, f"EXECUTE one{spaces};{spaces}") == [(1,)]
    assert rows(connection, f"DESC Filter id{spaces};{spaces}") == [("id", "int", "YES", "", None, "")]
    for wrong in ("PREPARE one FROM 'SELECT 1'", "EXECUTE one", "SHOW GRANTS FOR CURRENT_USER", "DESC Filter id"):
        with pytest.raises(pymysql.err.MySQLError) as raised:
            rows(connection, f"{wrong}{spaces}!")
        assert raised.value.args[0] == 1064


COM_RESET_CONNECTION = 31


def test_a_reset_connection_has_the_character_set_of_its_login(cluster: Cluster) -> None:
    sets = "SELECT @@character_set_client, @@character_set_results"
    with contextlib.closing(cluster.connect(charset="latin1")) as connection:
        rows(connection, "SET NAMES utf8mb4")
        connection._execute_command(COM_RESET_CONNECTION, b"")
        connection._read_ok_packet()
        assert rows(connection, sets) == [("latin1", "latin1")]
        assert rows(connection, "SELECT 'é'") == [("é",)]


@pytest.mark.parametrize(
    ("sql", "spoken"),
    [
        ("SET character_set_client = 8, character_set_results = 8", "latin1"),
        ("SET NAMES 'UTF8MB3'", "utf8"),
        ("SET character_set_client = DEFAULT", "utf8mb4"),
    ],
)
def test_character_sets_have_names_and_numbers(connection: Connection[Any], sql: str, spoken: str) -> None:
    rows(connection, sql)
    assert rows(connection, "SELECT @@character_set_client") == [(spoken,)]


def test_binary_gives_texts_as_they_are(connection: Connection[Any]) -> None:
    rows(connection, "SET NAMES binary")
    assert rows(connection, "SELECT 'é', @@character_set_client") == [("é", "binary")]


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SET character_set_client = 12345", 1115),
        ("SET NAMES klingon", 1115),
        ("SET character_set_results = 35", 1231),  # ucs2
        ("SET NAMES utf16", 1231),
        ("SET NAMES hp8", 1231),
        ("SET character_set_client = NULL", 1231),
        ("SET max_execution_time = 'soon'", 1231),
    ],
)
def test_what_cannot_be_set_leaves_the_session_as_it_was(connection: Connection[Any], sql: str, number: int) -> None:
    with pytest.raises(pymysql.err.MySQLError) as raised:
        rows(connection, sql)
    assert raised.value.args[0] == number
    assert rows(connection, "SELECT @@character_set_client, 'é'") == [("utf8mb4", "é")]


def test_variables_tell_of_this_czar(cluster: Cluster, connection: Connection[Any]) -> None:
    assert rows(connection, "SELECT @@port, @@have_ssl, @@hostname") == [
        (cluster.ports.mysql, "DISABLED", socket.gethostname())
    ]
    assert rows(connection, "SHOW STATUS LIKE 'Ssl_cipher'") == [("Ssl_cipher", "")]


@pytest.mark.parametrize("command", [COMMAND.COM_QUERY, COMMAND.COM_STMT_PREPARE, COMMAND.COM_INIT_DB])
def test_what_is_no_text_is_said_so(connection: Connection[Any], command: int) -> None:
    connection._execute_command(command, b"SELECT '\xe9'")
    with pytest.raises(pymysql.err.ProgrammingError, match="not text in utf8mb4") as raised:
        connection._read_packet()
    assert raised.value.args[0] == 1064
    assert rows(connection, "SELECT 1") == [(1,)]


def test_a_change_of_user_brings_its_character_set(connection: Connection[Any]) -> None:
    latin1 = 8
    asked = b"joe\0" + b"\0" + b"sky\0" + struct.pack("<H", latin1) + b"mysql_native_password\0" + b"\0"
    connection._execute_command(COMMAND.COM_CHANGE_USER, asked)
    switch = connection._read_packet()
    switch.read_uint8()
    assert connection._process_auth(switch.read_string(), switch).is_ok_packet()
    found = rows(connection, "SELECT @@character_set_client, @@character_set_results")
    assert found == [("latin1", "latin1")]


def test_the_processlist_as_a_table(connection: Connection[Any]) -> None:
    asked = "SELECT USER, DB, INFO FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"
    assert rows(connection, asked) == [("joe", "sky", asked)]


def test_the_history_as_a_table(cluster: Cluster, connection: Connection[Any]) -> None:
    done = "SELECT objectId FROM Object LIMIT 7 -- told"
    rows(connection, done)
    with contextlib.closing(cluster.connect("root", None)) as root:
        rows(root, "SELECT COUNT(*) FROM hidden.Object -- told")
        asked = (
            "SELECT INFO, USER, DB, STATE, ROWS_SENT, CHUNKS > 0, TIME_MS >= 0, COMPLETED >= SUBMITTED, ERROR "
            "FROM information_schema.QUERIES WHERE INFO LIKE '%-- told' AND STATE <> 'running' ORDER BY SUBMITTED"
        )
        wait_for(lambda: {row[1] for row in rows(root, asked)} == {"joe", "root"})
    assert rows(connection, asked) == [(done, "joe", "sky", "done", 7, 1, 1, 1, None)]


def test_use_and_change_of_database(cluster: Cluster) -> None:
    with contextlib.closing(cluster.connect("root", None)) as connection:
        rows(connection, "USE SKY")
        assert rows(connection, "SELECT DATABASE()") == [("sky",)]
        connection.select_db("hidden")
        assert rows(connection, "SELECT DATABASE()") == [("hidden",)]
        with pytest.raises(pymysql.err.MySQLError) as raised:
            connection.select_db("nowhere")
        assert raised.value.args[0] == 1049
        assert rows(connection, "SELECT DATABASE()") == [("hidden",)]


def test_sqlalchemy_reflects_and_selects(cluster: Cluster) -> None:
    engine = create_engine(f"mysql+pymysql://joe:joe@127.0.0.1:{cluster.ports.mysql}/sky")
    try:
        found = inspect(engine)
        assert sorted(found.get_table_names()) == ["Filter", "Object"]
        columns = {column["name"]: column["type"] for column in found.get_columns("Object")}
        assert str(columns["objectId"]) == "BIGINT"
        assert str(columns["label"]) == "VARCHAR(32)"
        with engine.connect() as connection:
            statement = text("SELECT label FROM Object WHERE objectId = :key")
            assert connection.execute(statement, {"key": 5}).scalar() == "star 5"
    finally:
        engine.dispose()


@pytest.mark.skipif(shutil.which("mariadb") is None, reason="the mariadb client is not installed")
def test_the_command_line_client(cluster: Cluster) -> None:
    command = ["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{cluster.ports.mysql}", "-ujoe", "sky"]
    asked = "SELECT objectId, label FROM Object WHERE objectId < 3 ORDER BY objectId; SHOW TABLES;"
    done = subprocess.run(
        [*command, "--batch"], input=asked, env={"MYSQL_PWD": "joe"}, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines == ["objectId\tlabel", "0\tstar 0", "1\tstar 1", "2\tstar 2", "Tables_in_sky", "Filter", "Object"]


@pytest.mark.skipif(shutil.which("mariadb") is None, reason="the mariadb client is not installed")
def test_a_client_whose_character_set_is_not_spoken_is_answered_in_utf8(cluster: Cluster) -> None:
    command = ["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{cluster.ports.mysql}", "-ujoe"]
    asked = [*command, "--default-character-set=koi8r", "-BNe", "SELECT @@character_set_client, 'é'"]
    done = subprocess.run(asked, env={"MYSQL_PWD": "joe"}, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("utf8mb4\té\n", "")


class Prepared:
    """The binary protocol by hand, over a connection of pymysql, which does not speak it."""

    def __init__(self, connection: Connection[Any], sql: str) -> None:
        self._connection = connection
        connection._execute_command(COMMAND.COM_STMT_PREPARE, sql)
        head = connection._read_packet().get_all_data()
        _, self.id, self.columns, self.parameters = struct.unpack_from("<BIHH", head)
        for count in (self.parameters, self.columns):
            for _ in range(count):
                connection._read_packet()
            if count:
                connection._read_packet()

    def execute(self, types: list[int] | None, nulls: int, values: bytes) -> list[bytes]:
        """The rows' payloads. ``types`` None: those of the last time."""
        body = struct.pack("<IBI", self.id, 0, 1)
        if self.parameters:
            body += nulls.to_bytes((self.parameters + 7) // 8, "little")
            body += b"\0" if types is None else b"\1" + b"".join(struct.pack("<BB", kind, 0) for kind in types)
            body += values
        self._connection._execute_command(COMMAND.COM_STMT_EXECUTE, body)
        first = self._connection._read_packet()
        count = first.read_uint8()
        for _ in range(count + 1):
            self._connection._read_packet()
        found = []
        while not (packet := self._connection._read_packet()).is_eof_packet():
            found.append(packet.get_all_data())
        return found


LONGLONG, VAR_STRING, DOUBLE, DATETIME, TIME, NEWDECIMAL = 8, 253, 5, 12, 11, 246


def test_prepared_statements(connection: Connection[Any]) -> None:
    prepared = Prepared(connection, "SELECT objectId, flux, label FROM Object WHERE objectId = ?")
    assert (prepared.parameters, prepared.columns) == (1, 3)
    [row] = prepared.execute([LONGLONG], 0, struct.pack("<q", 10))
    assert row == b"\0" + bytes([0b1000]) + struct.pack("<q", 10) + b"\7star 10"
    [row] = prepared.execute(None, 0, struct.pack("<q", 11))
    assert row.endswith(b"\7star 11")
    assert prepared.execute([LONGLONG], 1, b"") == []


CURSOR_TYPE_READ_ONLY, SERVER_STATUS_CURSOR_EXISTS, SERVER_STATUS_LAST_ROW_SENT = 1, 0x40, 0x80


def fetched(connection: Any, statement: int, count: int, columns: Any) -> tuple[list[Any], Any]:
    """Rows of a cursor, and what is said after them."""
    connection.cmd_stmt_fetch(statement, count)
    connection.unread_result = True
    rows, end = connection.get_rows(binary=True, columns=columns)
    return rows, end


def test_rows_are_fetched_by_a_cursor(cluster: Cluster) -> None:
    """In portions, as a client with ``useCursorFetch`` asks for them; other statements go on meanwhile."""
    sql = "SELECT objectId, label FROM Object WHERE objectId < ? ORDER BY objectId"
    login = {"host": "127.0.0.1", "port": cluster.ports.mysql, "user": "joe", "password": "joe", "use_pure": True}
    with contextlib.closing(mysql.connector.connect(**login, database="sky", ssl_disabled=True)) as connection:
        prepared = connection.cmd_stmt_prepare(sql.encode())
        number = prepared["statement_id"]
        _, columns, end = connection.cmd_stmt_execute(
            number, (500,), prepared["parameters"], flags=CURSOR_TYPE_READ_ONLY
        )
        assert end["status_flag"] & SERVER_STATUS_CURSOR_EXISTS
        found = []
        status = 0
        while not status & SERVER_STATUS_LAST_ROW_SENT:
            with connection.cursor() as other:
                other.execute("SELECT COUNT(*) FROM Filter")
                assert other.fetchall() == [(5,)]
            portion, end = fetched(connection, number, 200, columns)
            assert len(portion) <= 200
            found += portion
            status = end["status_flag"]
        assert found == [(number, f"star {number}") for number in range(500)]
        with pytest.raises(mysql.connector.Error) as closed:
            fetched(connection, number, 1, columns)
        assert closed.value.errno == 1421


@pytest.mark.parametrize("end", ["execute", "reset", "close", "leave"])
def test_a_cursor_that_is_left_ends_its_query(cluster: Cluster, connection: Connection[Any], end: str) -> None:
    asking = cluster.connect()
    prepared = Prepared(asking, "SELECT objectId FROM Object, Filter a, Filter b, Filter c, Filter d")
    asking._execute_command(COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", prepared.id, CURSOR_TYPE_READ_ONLY, 1))
    for _ in range(3):
        asking._read_packet()
    running = (
        f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {asking.thread_id()} AND INFO IS NOT NULL"
    )
    assert rows(connection, running) == [(1,)]
    if end == "execute":
        asking._execute_command(COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", prepared.id, 0, 1))
        asking._force_close()
    elif end == "reset":
        asking._execute_command(COMMAND.COM_STMT_RESET, struct.pack("<I", prepared.id))
        assert asking._read_packet().is_ok_packet()
    elif end == "close":
        asking._execute_command(COMMAND.COM_STMT_CLOSE, struct.pack("<I", prepared.id))
    else:
        asking._force_close()
    wait_for(lambda: rows(connection, running) == [(0,)])
    asking._force_close()


C_FETCH = """
import ctypes, sys
library = ctypes.CDLL("libmariadb.so.3")
for name in ("mysql_init", "mysql_real_connect", "mysql_stmt_init"):
    getattr(library, name).restype = ctypes.c_void_p
library.mysql_stmt_num_rows.restype = ctypes.c_uint64
library.mysql_error.restype = library.mysql_stmt_error.restype = ctypes.c_char_p
handle = ctypes.c_void_p(library.mysql_init(None))
assert library.mysql_optionsv(handle, 21, ctypes.byref(ctypes.c_char(0))) == 0
who = (b"127.0.0.1", b"joe", b"joe", b"sky")
made = library.mysql_real_connect(handle, *who, int(sys.argv[1]), None, ctypes.c_ulong(0))
assert made, library.mysql_error(handle)
statement = ctypes.c_void_p(library.mysql_stmt_init(handle))
sql = b"SELECT objectId FROM Object"
assert library.mysql_stmt_prepare(statement, sql, len(sql)) == 0
for attribute, value in ((1, 1), (2, 100)):  # STMT_ATTR_CURSOR_TYPE read only, STMT_ATTR_PREFETCH_ROWS
    assert library.mysql_stmt_attr_set(statement, attribute, ctypes.byref(ctypes.c_ulong(value))) == 0
assert library.mysql_stmt_execute(statement) == 0, library.mysql_stmt_error(statement)
rows = 0
while (state := library.mysql_stmt_fetch(statement)) == 0:
    rows += 1
print(rows, state)
"""


@pytest.mark.skipif(ctypes.util.find_library("mariadb") is None, reason="MariaDB's C library is not installed")
def test_the_c_library_fetches_by_a_cursor(cluster: Cluster) -> None:
    command = [sys.executable, "-c", C_FETCH, str(cluster.ports.mysql)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == f"{cluster.rows.num_rows} 100\n"  # MYSQL_NO_DATA


def test_parameters_are_values(connection: Connection[Any]) -> None:
    evil = b"' OR 1=1 -- "
    prepared = Prepared(connection, "SELECT objectId FROM Object WHERE label = ?")
    assert prepared.execute([VAR_STRING], 0, bytes([len(evil)]) + evil) == []
    quoting = Prepared(connection, "SELECT ?, '?' -- ?\n, ?")
    assert quoting.parameters == 2
    odd = b"a'\\\"b ? \n"
    [row] = quoting.execute([VAR_STRING, DOUBLE], 0, bytes([len(odd)]) + odd + struct.pack("<d", -2.5))
    assert bytes([len(odd)]) + odd in row
    assert b"\1?" in row


def test_dates_as_parameters_and_as_answers(connection: Connection[Any]) -> None:
    prepared = Prepared(connection, "SELECT objectId, seen FROM Object WHERE seen = ?")
    moment = struct.pack("<BHBBBBB", 7, 1970, 1, 1, 0, 0, 9)
    [row] = prepared.execute([DATETIME], 0, moment)
    assert row[2:10] == struct.pack("<q", 9)
    year, month, day, hour, minute, second, _ = struct.unpack_from("<HBBBBBI", row, 11)
    assert dt.datetime(year, month, day, hour, minute, second) == dt.datetime(1970, 1, 1, 0, 0, 9)


def test_times_as_parameters_keep_their_fractions(connection: Connection[Any]) -> None:
    prepared = Prepared(connection, "SELECT CONCAT(?)")
    for negative, shown in ((0, b"34:00:01.500000"), (1, b"-34:00:01.500000")):
        [row] = prepared.execute([TIME], 0, struct.pack("<BBIBBBI", 12, negative, 1, 10, 0, 1, 500_000))
        assert row == b"\0\0" + bytes([len(shown)]) + shown


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"sNaN"])
def test_a_decimal_parameter_is_a_number(connection: Connection[Any], number: bytes) -> None:
    with pytest.raises(pymysql.err.MySQLError) as raised:
        Prepared(connection, "SELECT ?").execute([NEWDECIMAL], 0, bytes([len(number)]) + number)
    assert raised.value.args[0] == 1210


def test_data_sent_ahead_is_whole_or_an_error(connection: Connection[Any]) -> None:
    def send(prepared: Prepared, piece: bytes) -> None:
        connection._execute_command(COMMAND.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", prepared.id, 0) + piece)

    one, other = (Prepared(connection, "SELECT LENGTH(?)") for _ in range(2))
    piece = b"x" * (15 << 20)
    send(other, b"x")
    for _ in range(5):
        send(one, piece)
    with pytest.raises(pymysql.err.MySQLError) as raised:
        one.execute([VAR_STRING], 0, b"")
    assert raised.value.args[0] == 1210
    assert "max_allowed_packet" in raised.value.args[1]
    for prepared, length in ((other, 1), (one, 3)):
        if prepared is one:
            send(one, b"abc")
        [row] = prepared.execute([VAR_STRING], 0, b"")
        assert row == b"\0\0" + struct.pack("<q", length)


def test_an_unknown_prepared_statement(connection: Connection[Any]) -> None:
    connection._execute_command(COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", 99, 0, 1))
    with pytest.raises(pymysql.err.MySQLError):
        connection._read_packet()
    assert rows(connection, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password"])
def test_both_ways_to_prove_a_password(cluster: Cluster, plugin: str) -> None:
    login = {"host": "127.0.0.1", "port": cluster.ports.mysql, "auth_plugin": plugin, "use_pure": True}
    login |= {"ssl_disabled": True}
    with contextlib.closing(mysql.connector.connect(user="joe", password="joe", **login)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*), CURRENT_USER() FROM sky.Object")
            assert cursor.fetchall() == [(cluster.rows.num_rows, "joe@%")]
        connection.cmd_change_user("joe", "joe", "sky")
        assert connection.database == "sky"
    for user, password in (("joe", "wrong"), ("joe", ""), ("nobody", "joe")):
        with pytest.raises(mysql.connector.Error) as refused:
            mysql.connector.connect(user=user, password=password, **login)
        assert refused.value.errno == 1045
