"""The reference pages of custom resources and reasons: ``python -m qserv_operator.reference FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qserv_operator.crd import Schema, definitions
from qserv_operator.reasons import Reason

_RESOURCES = "custom-resources.md"
_REASONS = "reasons.md"


def pages() -> dict[str, str]:
    """All pages, by file name."""
    return {_RESOURCES: "".join(_resources()), _REASONS: "".join(_reasons())}


def _resources() -> Iterator[str]:
    yield "# Custom resources\n\nGenerated from the models by `make crds`; `kubectl explain` says the same.\n"
    for made in definitions().values():
        names = made["spec"]["names"]
        root = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        yield f"\n## {names['kind']}\n\n{_line(root['description'])}\n\n"
        yield f"`kubectl get {names['plural']}` (short: `{names['shortNames'][0]}`).\n"
        for part in ("spec", "status"):
            yield f"\n### {names['kind']} {part}\n\n| field | type | default | what it is |\n|---|---|---|---|\n"
            yield from _rows(root["properties"][part], "")
            rules = list(_rules(root["properties"][part]))
            if rules:
                yield "\nRefused with these words:\n\n"
                yield from (f"- {rule}\n" for rule in rules)


def _rows(schema: Schema, path: str) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        needed = " (required)" if name in schema.get("required", ()) else ""
        default = _default(part)
        yield f"| `{here}`{needed} | {_type(part)} | {default} | {_line(part.get('description', ''))} |\n"
        inner = part.get("items", part)
        yield from _rows(inner, f"{here}[]" if "items" in part else here)


def _default(part: Schema) -> str:
    value: Any = part.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict | list):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(part: Schema) -> str:
    if part.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "enum" in part:
        return " or ".join(f"`{value}`" for value in part["enum"])
    if part["type"] == "array":
        return f"list of {_type(part['items'])}"
    if "additionalProperties" in part:
        return f"map of {_type(part['additionalProperties'])}"
    return str(part["type"])


def _rules(schema: Schema) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["message"]
    for part in schema.get("properties", {}).values():
        yield from _rules(part.get("items", part))


def _line(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _reasons() -> Iterator[str]:
    yield "# Reasons\n\nThe one list of reasons: of conditions, of events, and of labels of metrics.\n"
    for reason in Reason:
        yield f"\n## {reason}\n\n{reason.meaning}\n"


def main() -> None:
    """Write the pages into the folder that the command line names."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
