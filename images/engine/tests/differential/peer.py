"""The same rows and functions in MariaDB."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from differential.samples import Sample, with_chunks

SCISQL = Path(__file__).with_name("scisql.sql")
BATCH = 2_000


def load(connection: Connection, samples: Iterable[Sample]) -> None:
    """Fill a MariaDB with databases that answer as the cluster's should."""
    with connection.cursor() as cursor:
        for sample in samples:
            name = sample.spec.database
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
            cursor.execute(f"USE {name}")
            tables = with_chunks(sample)
            for spec in sample.spec.tables:
                rows = tables[spec.name]
                columns = [f"`{column.name}` {column.type}" for column in spec.columns or ()]
                columns += [f"{column} INT" for column in rows.column_names[len(columns) :]]
                index = f", INDEX ({spec.key})" if spec.key else ""
                cursor.execute(f"CREATE TABLE {spec.name} ({', '.join(columns)}{index}) ENGINE=MyISAM")
                _insert(cursor, spec.name, rows)
            for function in _statements(SCISQL.read_text()):
                cursor.execute(function)
    connection.commit()


def _insert(cursor: Cursor, table: str, rows: pa.Table) -> None:
    row = "(" + ", ".join(["%s"] * rows.num_columns) + ")"
    values = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    for first in range(0, len(values), BATCH):
        cursor.executemany(f"INSERT INTO {table} VALUES {row}", values[first : first + BATCH])


def _statements(script: str) -> list[str]:
    bare = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
    return [statement for statement in (each.strip() for each in bare.split(";\n")) if statement]
