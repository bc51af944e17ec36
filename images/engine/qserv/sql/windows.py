"""Window functions, which the merge computes over all rows at once."""

from __future__ import annotations

from typing import cast

from sqlglot import exp

from qserv.catalog.errors import SqlError, Unsupported
from qserv.sql.aggregates import Reduction, aggregate
from qserv.sql.translate import Translator, handles, unknown_function
from qserv.sql.values import BIGINT, DOUBLE, Kind, Type, Value, coerced, common, finished, integer, key

_RANKS: dict[type[exp.Expr], tuple[str, Type]] = {
    exp.RowNumber: ("row_number()", BIGINT),
    exp.Rank: ("rank()", BIGINT),
    exp.DenseRank: ("dense_rank()", BIGINT),
    exp.PercentRank: ("percent_rank()", DOUBLE),
    exp.CumeDist: ("cume_dist()", DOUBLE),
}
_BOUNDS = {"UNBOUNDED", "CURRENT ROW"}


@handles(exp.Window)
def _window(translator: Translator, node: exp.Window) -> Value:
    over = _over(translator, node)
    called = node.this
    if type(called) in _RANKS:
        sql, type_ = _RANKS[type(called)]
        return Value(f"{sql} OVER ({over})", type_)
    if isinstance(called, exp.Ntile):
        return Value(f"ntile({integer(translator.value(called.this))}) OVER ({over})", BIGINT)
    if isinstance(called, exp.Lag | exp.Lead):
        return _shifted(translator, called, over)
    if isinstance(called, exp.FirstValue | exp.LastValue):
        value = finished(translator.value(called.this))
        name = "first_value" if isinstance(called, exp.FirstValue) else "last_value"
        return Value(f"{name}({value.sql}) OVER ({over})", value.type)
    if isinstance(called, exp.AggFunc):
        return _aggregate(translator, called, over)
    raise unknown_function(called.sql_name() if isinstance(called, exp.Func) else called.sql(dialect="mysql"))


def _shifted(translator: Translator, called: exp.Lag | exp.Lead, over: str) -> Value:
    value = translator.value(called.this)
    offset = called.args.get("offset")
    steps = integer(translator.value(offset)) if offset is not None else "1"
    name = "lag" if isinstance(called, exp.Lag) else "lead"
    default = called.args.get("default")
    if default is None:
        found = finished(value)
        return Value(f"{name}({found.sql}, {steps}) OVER ({over})", found.type)
    other = translator.value(default)
    type_ = common([value.type, other.type])
    return Value(f"{name}({coerced(value, type_)}, {steps}, {coerced(other, type_)}) OVER ({over})", type_)


def _aggregate(translator: Translator, called: exp.AggFunc, over: str) -> Value:
    if isinstance(called, exp.GroupConcat) or isinstance(called.this, exp.Distinct):
        raise Unsupported(f"{called.sql_name()} with DISTINCT or of texts is not supported as a window function")
    return aggregate(called, translator, Reduction(whole=True, over=f" OVER ({over})"))


def _over(translator: Translator, node: exp.Window) -> str:
    parts = []
    named = _definition(node)
    order, spec = (
        node.args.get(part) or (named.args.get(part) if named is not None else None) for part in ("order", "spec")
    )
    keys = [key(translator.value(each)) for each in partition_by(node)]
    if keys:
        parts.append(f"PARTITION BY {', '.join(keys)}")
    if order is not None:
        terms = [
            f"{key(translator.value(each.this))} {'DESC NULLS LAST' if each.args.get('desc') else 'ASC NULLS FIRST'}"
            for each in order.expressions
        ]
        parts.append(f"ORDER BY {', '.join(terms)}")
    if spec is not None:
        parts.append(_frame(translator, spec))
    return " ".join(parts)


def partition_by(node: exp.Window) -> list[exp.Expr]:
    named = _definition(node)
    return node.args.get("partition_by") or (named.args.get("partition_by") if named is not None else None) or []


def _definition(node: exp.Window) -> exp.Expr | None:
    """What the WINDOW clause says of the name after OVER, if one stands there."""
    name = node.text("alias").casefold()
    if not name:
        return None
    select = node.find_ancestor(exp.Select)
    for each in (select.args.get("windows") or []) if select is not None else []:
        if each.name.casefold() == name:
            return cast(exp.Expr, each)
    raise SqlError(f"Window specification with name '{node.text('alias')}' is not defined")


def _frame(translator: Translator, spec: exp.WindowSpec) -> str:
    def bound(name: str) -> str:
        value, side = spec.args.get(name), spec.args.get(f"{name}_side")
        if isinstance(value, exp.Expr):
            found = translator.value(value)
            if found.constant is None or found.kind is not Kind.INT:
                raise Unsupported("the bounds of a window's frame are whole numbers")
            shown = str(found.constant)
        else:
            shown = str(value or "CURRENT ROW").upper()
            if shown not in _BOUNDS:
                raise Unsupported(f"the bound {shown} of a window's frame is not supported")
        return f"{shown} {side}" if side in ("PRECEDING", "FOLLOWING") and shown != "CURRENT ROW" else shown

    kind = str(spec.args.get("kind") or "ROWS").upper()
    if kind not in ("ROWS", "RANGE"):
        raise Unsupported(f"a window's frame of {kind} is not supported")
    return f"{kind} BETWEEN {bound('start')} AND {bound('end')}"
