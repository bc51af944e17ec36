"""System variables: what clients ask when they connect, and what a session may set."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from mysql_mimic.errors import MysqlError
from mysql_mimic.variables import DEFAULT, SYSTEM_VARIABLES, GlobalVariables, SessionVariables, VariableSchema
from sqlglot import exp

from qserv.catalog.errors import UnknownVariable, Unsupported, WrongValue
from qserv.czar import charsets
from qserv.czar.statements import Value

VERSION = f"8.0.43-qserv-{version('qserv')}"
"""MySQL's number, by which clients choose what they send, and ours."""

_OURS: dict[str, VariableSchema] = {
    "version": (str, VERSION, False),
    "version_comment": (str, "Qserv, a sky-survey SQL database", False),
    "version_compile_os": (str, "Linux", False),
    "version_compile_machine": (str, "x86_64", False),
    "license": (str, "Apache-2.0", False),
    "sql_mode": (str, "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", True),
    "default_storage_engine": (str, "Qserv", True),
    "storage_engine": (str, "Qserv", True),
    "default_tmp_storage_engine": (str, "Qserv", True),
    "lower_case_table_names": (int, 2, False),
    "lower_case_file_system": (bool, False, False),
    "max_allowed_packet": (int, 67108864, True),
    "transaction_isolation": (str, "REPEATABLE-READ", True),
    "tx_isolation": (str, "REPEATABLE-READ", True),
    "tx_read_only": (bool, False, True),
    "read_only": (bool, True, False),
    "query_cache_size": (int, 0, True),
    "query_cache_type": (str, "OFF", True),
    "protocol_version": (int, 10, False),
    "socket": (str, "", False),
    "datadir": (str, "", False),
    "net_read_timeout": (int, 30, True),
    "connect_timeout": (int, 10, True),
    "foreign_key_checks": (bool, True, True),
    "unique_checks": (bool, True, True),
    "sql_safe_updates": (bool, False, True),
    "sql_notes": (bool, True, True),
    "sql_quote_show_create": (bool, True, True),
    "sql_big_selects": (bool, True, True),
    "sql_warnings": (bool, False, True),
    "max_join_size": (int, 18446744073709551615, True),
    "group_concat_max_len": (int, 1048576, True),
    "profiling": (bool, False, True),
    "character_set_system": (str, "utf8mb3", False),
    "character_set_filesystem": (str, "binary", True),
    "character_sets_dir": (str, "", False),
    "innodb_read_only": (bool, False, False),
    "session_track_schema": (bool, True, True),
    "session_track_system_variables": (str, "", True),
    "session_track_state_change": (bool, False, True),
    "warning_count": (int, 0, False),
    "error_count": (int, 0, False),
    "last_insert_id": (int, 0, True),
    "identity": (int, 0, True),
    "pseudo_thread_id": (int, 0, True),
    "optimizer_switch": (str, "", True),
    "resultset_metadata": (str, "FULL", True),
    "information_schema_stats_expiry": (int, 86400, True),
    "default_week_format": (int, 0, True),
    "div_precision_increment": (int, 4, False),
    "lc_messages": (str, "en_US", True),
    "lc_time_names": (str, "en_US", True),
    "have_profiling": (str, "NO", False),
    "have_query_cache": (str, "NO", False),
    "basedir": (str, "", False),
    "tmpdir": (str, "", False),
}

_SCHEMA: dict[str, VariableSchema] = {**SYSTEM_VARIABLES, **_OURS}

_TRANSACTION = {
    "ISOLATION LEVEL REPEATABLE READ": ("transaction_isolation", "REPEATABLE-READ"),
    "ISOLATION LEVEL READ COMMITTED": ("transaction_isolation", "READ-COMMITTED"),
    "ISOLATION LEVEL READ UNCOMMITTED": ("transaction_isolation", "READ-UNCOMMITTED"),
    "ISOLATION LEVEL SERIALIZABLE": ("transaction_isolation", "SERIALIZABLE"),
    "READ WRITE": ("transaction_read_only", False),
    "READ ONLY": ("transaction_read_only", True),
}

_WORDS: dict[str, Value] = {"ON": True, "OFF": False, "TRUE": True, "FALSE": False, "NULL": None}


def session_variables(facts: Mapping[str, str | int]) -> SessionVariables:
    """A session's variables; ``facts`` are those that tell of its czar and its connection."""
    ours = {name: (type(told), told, False) for name, told in facts.items()}
    return SessionVariables(GlobalVariables(_SCHEMA | ours))


def get(variables: SessionVariables, name: str) -> Value:
    """A variable's value; booleans as 1 and 0, as MySQL selects them.

    Raises
    ------
    UnknownVariable
        For one that is not there.
    """
    try:
        found: Any = variables.get_variable(name)
    except MysqlError:
        raise UnknownVariable(f"Unknown system variable '{name}'") from None
    return int(found) if isinstance(found, bool) else found


def shown(variables: SessionVariables) -> list[tuple[str, str]]:
    """All variables as ``SHOW VARIABLES`` writes them."""
    words = {True: "ON", False: "OFF", None: ""}
    return [
        (name, words[value] if value is None or isinstance(value, bool) else str(value))
        for name, value in variables.list()
    ]


def assign(statement: exp.Set, variables: SessionVariables, own: dict[str, Value]) -> None:
    """Carry out ``SET``; ``own`` are the session's ``@variables``.

    Raises
    ------
    UnknownVariable, UnknownCharset, WrongValue, Unsupported
        For what cannot be set.
    """
    for item in statement.expressions:
        kind = item.text("kind").upper()
        if kind in ("NAMES", "CHARACTER SET"):
            _names(item, variables)
        elif kind == "TRANSACTION":
            for characteristic in item.expressions:
                name, value = _TRANSACTION[characteristic.name.upper()]
                variables.set(name, value)
        elif kind in ("", "SESSION", "LOCAL"):
            _variable(item, variables, own)
        else:
            raise Unsupported(f"SET {kind} is not answered: variables are set for a session only")


def _names(item: exp.SetItem, variables: SessionVariables) -> None:
    found = charsets.named(item.name)
    for variable in charsets.VARIABLES:
        variables.set(variable, found.name)
    variables.set("collation_connection", item.text("collate") or found.default_collation.name)


def _variable(item: exp.SetItem, variables: SessionVariables, own: dict[str, Value]) -> None:
    left, right = item.this.left, item.this.right
    if isinstance(left, exp.Parameter):
        own[left.name.casefold()] = _value(right)
        return
    name = left.name.lower()
    if isinstance(left, exp.SessionParameter) and left.text("kind").upper() == "GLOBAL":
        raise Unsupported(f"{name} is not set for all sessions here: variables are set for a session only")
    get(variables, name)
    value = DEFAULT if right.name.upper() == "DEFAULT" and not isinstance(right, exp.Literal) else _value(right)
    refused = WrongValue(f"Variable '{name}' can't be set to the value of '{right.sql(dialect='mysql')}'")
    if name in charsets.VARIABLES and value is not DEFAULT:
        if value is None and name != "character_set_results":
            raise refused
        value = charsets.named("utf8mb4" if value is None else value).name
    try:
        variables.set(name, value)
    except (MysqlError, ValueError, TypeError) as error:
        raise refused from error


def _value(node: exp.Expression) -> Value:
    if isinstance(node, exp.Paren):
        return _value(node.this)
    if isinstance(node, exp.Neg):
        inner = _value(node.this)
        if isinstance(inner, int | float):
            return -inner
    if isinstance(node, exp.Literal):
        if node.is_string:
            return str(node.this)
        text = str(node.this)
        return int(text) if text.isdigit() else float(text)
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Var | exp.Column):
        word = node.name
        return _WORDS.get(word.upper(), word)
    raise Unsupported(f"SET takes plain values, not {node.sql(dialect='mysql')}")
