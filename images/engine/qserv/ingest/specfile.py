"""Load specs as YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from qserv.catalog.errors import SpecError
from qserv.catalog.invalid import Place, words
from qserv.catalog.spec import ColumnSpec, FamilySpec, LoadSpec, SourceSpec, TableSpec

_KEYS = {key for model in (LoadSpec, FamilySpec, TableSpec, ColumnSpec, SourceSpec) for key in model.model_fields}


class _Dumper(yaml.SafeDumper):
    """Columns on a line each, as people write them."""


class _Line(dict[str, Any]):
    """A mapping to be written on one line."""


_Dumper.add_representer(
    _Line, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)


def write_spec(path: Path, spec: LoadSpec, comment: str = "") -> None:
    """Write a load spec as YAML. ``comment`` is put above it, each line as a comment."""
    content = spec.model_dump(mode="json", exclude_defaults=True)
    if "family" in content:
        content["family"] = _Line(content["family"])
    for table in content["tables"]:
        if "columns" in table:
            table["columns"] = [_Line(column) for column in table["columns"]]
        if "source" in table:
            table["source"] = _Line(table["source"])
    head = "".join(f"# {line}\n".replace("# \n", "#\n") for line in comment.splitlines())
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    path.write_text(head + text, encoding="utf-8")


def read_spec(path: Path) -> LoadSpec:
    """A load spec from a YAML file.

    Raises
    ------
    SpecError
        For a file that is missing, not YAML, or no load spec; it names each wrong field.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: the load spec cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise SpecError(f"{path}{where}: this is not YAML, or not well indented: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: this is not YAML, but perhaps a file of data: {error}") from error
    if not isinstance(content, dict):
        raise SpecError(f"{path}: a load spec has the keys database, family and tables; here is {_kind(content)}")
    content = _with_null(content)
    try:
        return LoadSpec.model_validate(content)
    except ValidationError as error:
        wrong = words(error, lambda place: _place(content, place), _KEYS)
        raise SpecError(f"{path}: this is no load spec: {wrong}") from error


def _with_null(content: Any) -> Any:
    """The content with the key ``null`` as it is written: YAML takes it for no text."""
    if isinstance(content, dict):
        return {"null" if key is None else key: _with_null(value) for key, value in content.items()}
    return [_with_null(value) for value in content] if isinstance(content, list) else content


def _kind(content: object) -> str:
    return "nothing" if content is None else f"a {'list' if isinstance(content, list) else 'text or number'}"


def _place(content: Any, place: Place) -> str:
    """A place in a spec: tables and columns by their names, where they have one."""
    said: list[str] = []
    for part in place:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            content = None
        name = content.get("name") if isinstance(content, dict) else None
        if isinstance(part, int) and said and isinstance(name, str):
            said[-1] = f"{said[-1].removesuffix('s')} {name!r}"
        else:
            said.append(str(part))
    return ", ".join(said)
