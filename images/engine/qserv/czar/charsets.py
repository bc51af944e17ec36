"""The character sets that a client's session may speak: those in which SQL itself is written as in ASCII.

A session keeps them as the variables ``character_set_client``, ``_connection`` and ``_results``. ``binary`` takes and
gives texts as they are, which is in UTF-8.
"""

from __future__ import annotations

from mysql_mimic.charset import CharacterSet, Collation
from mysql_mimic.variables import SessionVariables

from qserv.catalog.errors import UnknownCharset, WrongValue

VARIABLES = ("character_set_client", "character_set_connection", "character_set_results")

_ASCII = bytes(range(32, 127))


def _spoken(charset: CharacterSet) -> bool:
    try:
        return bool(_ASCII.decode(charset.codec) == _ASCII.decode())
    except (LookupError, UnicodeDecodeError):
        return charset is CharacterSet.binary


def named(value: object) -> CharacterSet:
    """A character set by its name, or by the number of one of its collations.

    Raises
    ------
    UnknownCharset
        For one that there is not.
    WrongValue
        For one that is not spoken here.
    """
    try:
        found = Collation(value).charset if isinstance(value, int) else CharacterSet[_name(str(value))]
    except (ValueError, KeyError):
        raise UnknownCharset(f"Unknown character set: '{value}'") from None
    if not _spoken(found):
        raise WrongValue(f"the character set {found.name} is not spoken here: use utf8mb4")
    return found


def _name(text: str) -> str:
    return {"default": "utf8mb4", "utf8mb3": "utf8"}.get(text.lower(), text.lower())


def greeted(collation: int) -> CharacterSet:
    """What is spoken with a client that logs in with a collation: its character set, or else this server's own."""
    try:
        found = Collation(collation).charset
    except ValueError:
        return CharacterSet.utf8mb4
    return found if _spoken(found) else CharacterSet.utf8mb4


def client(variables: SessionVariables) -> CharacterSet:
    """What the client's statements are written in."""
    return _of(variables, "character_set_client")


def results(variables: SessionVariables) -> CharacterSet:
    """What the client is answered in."""
    return _of(variables, "character_set_results")


def _of(variables: SessionVariables, name: str) -> CharacterSet:
    found = CharacterSet[str(variables.get_variable(name))]
    return CharacterSet.utf8mb4 if found is CharacterSet.binary else found
