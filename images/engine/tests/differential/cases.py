"""The queries of ``queries/*.sql``.

A block is a title in a comment, perhaps the comment ``ordered`` (the rows' order counts), and a statement. Where the
text for MariaDB is another, it follows the comment ``mariadb``. ``use`` at the head of a file names its database.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("queries")


@dataclass(frozen=True)
class Case:
    topic: str
    title: str
    database: str
    sql: str
    peer_sql: str
    ordered: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.title}"


def cases() -> list[Case]:
    return [case for path in sorted(FOLDER.glob("*.sql")) for case in _read(path)]


def _read(path: Path) -> list[Case]:
    head, *blocks = path.read_text(encoding="utf-8").split("\n\n")
    found = [_case(path.stem, head.removeprefix("-- use: ").strip(), block.strip()) for block in blocks]
    return [case for case in found if case]


def _case(topic: str, database: str, block: str) -> Case | None:
    ours, _, theirs = block.partition("\n-- mariadb\n")
    comments = [line.removeprefix("-- ") for line in ours.splitlines() if line.startswith("-- ")]
    sql = "\n".join(line for line in ours.splitlines() if not line.startswith("-- ")).rstrip(";")
    if not sql:
        return None
    return Case(topic, comments[0], database, sql, theirs.rstrip(";") or sql, "ordered" in comments)
