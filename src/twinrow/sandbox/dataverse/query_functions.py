"""The query functions of `Microsoft.Dynamics.CRM` that a filter may call.

They name a property by text and compare it with values, with days, or with windows of time around now. All windows
are in UTC; weeks begin on Sunday.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.values import instant_text
from twinrow.sandbox.odata.errors import UnsupportedExpression
from twinrow.sandbox.odata.filter_sql import Column, Fragment, LiteralValue, joined

if TYPE_CHECKING:
    from twinrow.sandbox.dataverse.filters import DataverseFilter

Window = tuple[datetime | None, datetime | None]

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def condition_of(
    environment: Environment, call: Call, translator: DataverseFilter, name: str, arguments: dict[str, Any]
) -> Fragment:
    """The SQL condition of a call. Raises ODataError or DataverseError."""
    if name in _PRINCIPALS:
        column = _column(translator, arguments)
        key = call.user if "User" in name else environment.unit_of(call.user)
        return Fragment(f"{column.sql} {_PRINCIPALS[name]} ?", (key,))
    window = _window(environment, name, arguments)
    if window is not None:
        return _within(_column(translator, arguments), *window)
    handler = _HANDLERS.get(name)
    if handler is None:
        raise UnsupportedExpression(f"An unknown function with name 'Microsoft.Dynamics.CRM.{name}' was found.")
    return handler(environment, translator, arguments)


_PRINCIPALS = {"EqualUserId": "IS", "NotEqualUserId": "IS NOT", "EqualBusinessId": "IS", "NotEqualBusinessId": "IS NOT"}


def _column(translator: DataverseFilter, arguments: dict[str, Any]) -> Column:
    name = arguments.get("PropertyName")
    if not isinstance(name, str):
        raise errors.bad_query("The parameter 'PropertyName' is required, as text.")
    return translator.column(tuple(name.split("/")))


def _values(arguments: dict[str, Any]) -> list[Any]:
    values = arguments.get("PropertyValues", arguments.get("PropertyValue"))
    if not isinstance(values, list):
        values = [values]
    return values


def _literal(column: Column, value: Any) -> LiteralValue:
    """A value of a function call, which is usually written as text, as a literal of the column's type."""
    if column.edm == "Edm.String":
        return LiteralValue(str(value), "Edm.String")
    if isinstance(value, str):
        try:
            match column.edm:
                case "Edm.Int32" | "Edm.Int64":
                    return LiteralValue(int(value), column.edm)
                case "Edm.Decimal" | "Edm.Double":
                    return LiteralValue(Decimal(value), column.edm)
                case "Edm.Boolean":
                    return LiteralValue(value.lower() in ("true", "1"), column.edm)
                case "Edm.DateTimeOffset" | "Edm.Date":
                    return LiteralValue(_instant(value), "Edm.DateTimeOffset")
        except (ValueError, ArithmeticError):
            raise errors.bad_query(f"'{value}' is not a value of the type '{column.edm}'.") from None
    return LiteralValue(value, column.edm)


def _in(_environment: Environment, translator: DataverseFilter, arguments: dict[str, Any]) -> Fragment:
    column = _column(translator, arguments)
    values = [value for value in _values(arguments) if value is not None]
    if not values:
        return Fragment("0")
    fragments = [translator.compare(column, "eq", _literal(column, value)) for value in values]
    return Fragment("(" + " OR ".join(f.sql for f in fragments) + ")", joined(f.values for f in fragments))


def _between(_environment: Environment, translator: DataverseFilter, arguments: dict[str, Any]) -> Fragment:
    column, values = _column(translator, arguments), _values(arguments)
    if len(values) != 2:
        raise errors.bad_query("Between takes two values.")
    low = translator.compare(column, "ge", _literal(column, values[0]))
    high = translator.compare(column, "le", _literal(column, values[1]))
    return Fragment(f"({low.sql} AND {high.sql})", low.values + high.values)


def _contains_values(_environment: Environment, translator: DataverseFilter, arguments: dict[str, Any]) -> Fragment:
    column = _column(translator, arguments)
    conditions = [f"',' || {column.sql} || ',' LIKE ?" for _ in _values(arguments)]
    return Fragment(f"({' OR '.join(conditions)})", tuple(f"%,{value},%" for value in _values(arguments)))


def _hierarchy(up: bool, itself: bool) -> Callable[[Environment, DataverseFilter, dict[str, Any]], Fragment]:
    def condition(environment: Environment, translator: DataverseFilter, arguments: dict[str, Any]) -> Fragment:
        column = _column(translator, arguments)
        table = next((t for t in environment.catalog.tables.values() if t.id == column.name), None)
        own = [r.column for r in table.many_to_one if r.target == table.name] if table else []
        parent = next((name for name in own if name.startswith("parent")), None)
        if table is None or parent is None:
            raise errors.bad_query(f"'{column.name}' is not the key of a table with a hierarchy.")
        step = (
            f'SELECT t."{parent}", d + 1 FROM "{table.name}" t JOIN chain ON t."{table.id}" = chain.id'  # noqa: S608
            if up
            else f'SELECT t."{table.id}", d + 1 FROM "{table.name}" t JOIN chain ON t."{parent}" = chain.id'  # noqa: S608
        )
        chain = f"WITH RECURSIVE chain (id, d) AS (SELECT ?, 0 UNION {step} WHERE d < 100) SELECT id FROM chain"  # noqa: S608
        if not itself:
            chain += " WHERE d > 0"
        value = str(_values(arguments)[0]).lower()
        return Fragment(f"{column.sql} IN ({chain})", (value,))

    return condition


def _negated(
    handler: Callable[[Environment, DataverseFilter, dict[str, Any]], Fragment],
) -> Callable[[Environment, DataverseFilter, dict[str, Any]], Fragment]:
    def condition(environment: Environment, translator: DataverseFilter, arguments: dict[str, Any]) -> Fragment:
        inner = handler(environment, translator, arguments)
        return Fragment(f"NOT coalesce({inner.sql}, 0)", inner.values)

    return condition


_HANDLERS: dict[str, Callable[[Environment, DataverseFilter, dict[str, Any]], Fragment]] = {
    "In": _in,
    "NotIn": _negated(_in),
    "Between": _between,
    "NotBetween": _negated(_between),
    "ContainValues": _contains_values,
    "DoesNotContainValues": _negated(_contains_values),
    "Above": _hierarchy(up=True, itself=False),
    "AboveOrEqual": _hierarchy(up=True, itself=True),
    "Under": _hierarchy(up=False, itself=False),
    "UnderOrEqual": _hierarchy(up=False, itself=True),
    "NotUnder": _negated(_hierarchy(up=False, itself=False)),
}


def _window(environment: Environment, name: str, arguments: dict[str, Any]) -> Window | None:
    """The time that a function means, from (inclusive) and to (exclusive); None when it means none."""
    now = environment.clock.now()
    today = now.date()
    if name in ("On", "OnOrAfter", "OnOrBefore"):
        day = _day(_values(arguments)[0])
        start = _midnight(day)
        return (start if name != "OnOrBefore" else None, start + _DAY if name != "OnOrAfter" else None)
    if name in _DAYS:
        first, count = _DAYS[name]
        start = _midnight(today) + first * _DAY
        return start, start + count * _DAY
    if name.startswith(("LastX", "NextX")):
        count = int(_values(arguments)[0])
        if name[5:] not in _UNITS:
            return None
        other = _moved(now, name[5:], -count if name.startswith("Last") else count)
        # Stored times are whole seconds, so that of now belongs to the past.
        return (other, now + _SECOND) if name.startswith("Last") else (now, other)
    return _calendar_window(name, today)


_DAYS = {"Today": (0, 1), "Yesterday": (-1, 1), "Tomorrow": (1, 1), "Last7Days": (-7, 7), "Next7Days": (1, 7)}
_UNITS = {"Hours", "Days", "Weeks", "Months", "Years"}


def _calendar_window(name: str, today: date) -> Window | None:
    week = _midnight(today) - ((today.weekday() + 1) % 7) * _DAY
    for word, shift in (("This", 0), ("Last", -1), ("Next", 1)):
        match name.removeprefix(word) if name.startswith(word) else "":
            case "Week":
                return week + shift * 7 * _DAY, week + (shift + 1) * 7 * _DAY
            case "Month":
                return _month(today, shift), _month(today, shift + 1)
            case "Year":
                first = date(today.year, 1, 1)
                return _month(first, 12 * shift), _month(first, 12 * (shift + 1))
    return None


def _within(column: Column, start: datetime | None, end: datetime | None) -> Fragment:
    if column.edm not in ("Edm.DateTimeOffset", "Edm.Date"):
        raise errors.bad_query(f"'{column.name}' is not a date.")
    conditions, values = [], []
    for bound, operator in ((start, ">="), (end, "<")):
        if bound is not None:
            conditions.append(f"{column.sql} {operator} ?")
            values.append(instant_text(bound) if column.edm == "Edm.DateTimeOffset" else bound.date().isoformat())
    return Fragment(f"({' AND '.join(conditions)})", tuple(values))


def _moved(now: datetime, unit: str, count: int) -> datetime:
    match unit:
        case "Hours":
            return now + timedelta(hours=count)
        case "Days":
            return now + timedelta(days=count)
        case "Weeks":
            return now + timedelta(weeks=count)
    months = count if unit == "Months" else 12 * count
    first = _month(now.date(), months)
    day = min(now.day, (_month(first.date(), 1) - first).days)
    return now.replace(year=first.year, month=first.month, day=day)


def _month(day: date, shift: int) -> datetime:
    """The beginning of the month `shift` months after that of a day."""
    months = day.year * 12 + day.month - 1 + shift
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(value: Any) -> date:
    instant = _instant(value) if isinstance(value, str) else value
    if isinstance(instant, datetime):
        return instant.astimezone(UTC).date()
    if isinstance(instant, date):
        return instant
    raise errors.bad_query(f"'{value}' is not a date.")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise errors.bad_query(f"'{text}' is not a date.") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
