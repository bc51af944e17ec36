"""Expected results in files: compared byte by byte, and written anew with ``UPDATE_GOLDEN=1``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True)


def dump_all(values: list[Any]) -> str:
    return yaml.dump_all(values, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True, explicit_start=True)


def check(file: Path, text: str) -> None:
    """Assert that a file holds this text."""
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.exists(), f"{file.name} is missing: make it with UPDATE_GOLDEN=1 and read what it says"
    assert text == file.read_text(), f"{file.name} differs: UPDATE_GOLDEN=1 writes it anew, git diff shows what changed"
