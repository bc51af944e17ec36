"""The page of commands and settings, made from the program itself: ``python -m qserv.cli.reference > PAGE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from qserv.catalog.settings import CzarSettings, ProcessSettings, ReplicationSettings, WorkerSettings
from qserv.cli.main import app

_HEAD = """\
# Command line and settings

Generated from the program by `make docs`.

"""
_SETTINGS = """\
## Settings of the processes

Each setting is a flag (`--mysql-port 4040`), an environment variable (`QSERV_CZAR_MYSQL_PORT`), or a key of the TOML
file that `QSERV_CONFIG` names. Secrets are read from files or the environment, never from a command line.

"""


def page() -> str:
    """The whole page, as Markdown."""
    root = typer.main.get_command(app)
    commands = "\n".join(_commands("qserv", root))
    settings = "\n".join(
        _settings(kind, name)
        for name, kind in (("czar", CzarSettings), ("worker", WorkerSettings), ("replication", ReplicationSettings))
    )
    return f"{_HEAD}{commands}\n{_SETTINGS}{settings}"


def _commands(path: str, command: Any) -> Iterator[str]:
    """A section for each command below ``command``, which is one of the classes that typer keeps to itself."""
    if hasattr(command, "commands"):
        for name in sorted(command.commands):
            yield from _commands(f"{path} {name}", command.commands[name])
        return
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join([path, *((one.name if one.required else f"[{one.name}]").upper() for one in arguments)])
    yield f"## `{usage}`\n\n{(command.help or '').strip()}\n"
    if options:
        yield "| option | meaning | default |\n|---|---|---|"
        yield from (_option(one) for one in options)
        yield ""


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    default = "" if option.default in (None, False) or callable(option.default) else f"`{option.default}`"
    return f"| {names} | {option.help or ''} | {default} |"


def _settings(kind: type[ProcessSettings], name: str) -> str:
    prefix = kind.model_config.get("env_prefix", "")
    rows = [
        f"| `{prefix}{key.upper()}` | {field.description or ''} | {_default(field)} |"
        for key, field in kind.model_fields.items()
    ]
    return "\n".join([f"### `qserv {name}`\n", "| variable | meaning | default |", "|---|---|---|", *rows, ""])


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    if field.default in (None, "") or isinstance(field.default, SecretStr | Path):
        return ""
    return f"`{field.default}`"


if __name__ == "__main__":
    sys.stdout.write(page())
