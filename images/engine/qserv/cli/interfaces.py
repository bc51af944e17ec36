"""The page of REST, metrics and error codes, made from the program: ``python -m qserv.cli.interfaces > PAGE``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from fastapi.routing import APIRoute
from prometheus_client.metrics import MetricWrapperBase

from qserv.catalog.errors import QservError
from qserv.catalog.resources import PREFIX
from qserv.czar import metrics as czar
from qserv.replication import metrics as replication
from qserv.replication.routes import router
from qserv.worker import metrics as worker

_HEAD = f"""\
# REST, metrics, error codes

Generated from the program by `make docs`.

## REST of the replication controller

Below `{PREFIX}`. Send the cluster's secret as a bearer token, or an administrator's name and password by HTTP Basic.
Bodies are JSON; their models are in `GET /openapi.json` of the controller. Of several controllers one leads; the others
answer 503: ask the next. An error is `{{"code": …, "message": …, "details": …}}`, with a code of the list below.

| method | path | does |
|---|---|---|
"""
_CZAR = """
A czar answers SQL on its HTTP port, by an account's name and password:

| method | path | does |
|---|---|---|
| POST | `/api/v1/query` | asks `{"sql": …, "database": …}`; rows come as JSON, or as Arrow (below) |
| GET | `/api/v1/queries` | this czar's queries, running and ended: one's own; all, to an administrator |
| GET | `/api/v1/queries/{identifier}` | what became of a query, and how many chunks it touched |
| DELETE | `/api/v1/queries/{identifier}` | stops it |

Arrow comes where the request has `Accept: application/vnd.apache.arrow.stream`.

All processes answer `GET /health` and `GET /metrics` without a credential.
"""
_METRICS = """
## Metrics

| process | metric | kind | labels | is |
|---|---|---|---|---|
"""
_ERRORS = """
## Error codes

Codes are stable: in REST answers, logs, metrics, and what `qserv` prints. MySQL clients see the number and state.

| code | MySQL | state | HTTP |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, as Markdown."""
    metrics = (_metrics(name, module) for name, module in (("czar", czar), ("worker", worker)))
    lines = [*(line for each in metrics for line in each), *_metrics("replication", replication)]
    return f"{_HEAD}{_lines(_routes())}{_CZAR}{_METRICS}{_lines(lines)}{_ERRORS}{_lines(_errors(QservError))}"


def _lines(lines: Iterator[str] | list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _routes() -> Iterator[str]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            does = (inspect.getdoc(route.endpoint) or "").partition("\n")[0].rstrip(".")
            yield f"| {', '.join(sorted(route.methods or ()))} | `{route.path}` | {does[:1].lower()}{does[1:]} |"


def _metrics(process: str, module: ModuleType) -> Iterator[str]:
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            (one,) = metric.describe()
            name = f"{one.name}_total" if one.type == "counter" else one.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            yield f"| {process} | `{name}` | {one.type} | {labels} | {one.documentation} |"


def _errors(kind: type[QservError]) -> Iterator[str]:
    yield f"| `{kind.code}` | {kind.mysql} | {kind.sqlstate} | {kind.http} |"
    for child in kind.__subclasses__():
        yield from _errors(child)


if __name__ == "__main__":
    sys.stdout.write(page())
