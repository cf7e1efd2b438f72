"""Transformation rules as column expressions (semantics 12). A rule sees the value as text and yields text.

Rules that need a culture, and functions of other people, work in Python, once for each distinct value; all others are
expressions. Null stays null and `''` stays `''`, whatever the rule (a custom one decides for itself).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import polars as pl

from twinrow.batch import cultures
from twinrow.batch.date_formats import format_problem, reader
from twinrow.model import rules as r
from twinrow.model.rules import AnyRule

CustomFunction = Callable[[pl.Series], pl.Series]
"""Gets texts (each once; null where a record has none), returns as many texts, in the same order."""

VALUE, RESULT, ERROR, LOST = "value", "result", "error", "lost"

_SCALE = 18
"""Decimals with which numbers are rounded; twenty digits are left before the point."""

_BY_VALUE = (r.TitleCase, r.DateFormat, r.DateTimeFormat, r.DecimalFormat, r.Custom)
_NO_ERROR = pl.lit(None, dtype=pl.String)


@dataclass(frozen=True, slots=True)
class RuleInputs:
    """What rules need besides the values: functions by name, and for each lookup rule, by its code, what was looked up.

    A lookup is a frame with `value` (a text) and `target` (the text found); what is not in it was not found.
    """

    functions: Mapping[str, CustomFunction] = field(default_factory=dict)
    lookups: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transformed:
    """A transformed column: the texts, a text where a rule could not work, and where information was lost."""

    value: pl.Expr
    error: pl.Expr
    lost: pl.Expr


def rule_problem(rule: AnyRule) -> str | None:
    """Say why a rule cannot be used at all, or nothing: a culture, a pattern or a format that there is not."""
    match rule:
        case r.TitleCase(culture=culture) | r.DecimalFormat(culture=culture):
            return cultures.culture_problem(culture)
        case r.DateFormat(culture=culture, source_format=text) | r.DateTimeFormat(culture=culture, source_format=text):
            return cultures.culture_problem(culture) or format_problem(text)
        case r.RegexReplace(pattern=pattern):
            return _pattern_problem(pattern)
        case r.RegexMatch(pattern=pattern):
            return _pattern_problem(pattern) or (None if _groups(pattern) else f"the pattern {pattern} has no group")
        case _:
            return None


def works_by_value(chain: Iterable[AnyRule]) -> bool:
    """Whether a chain has rules that work in Python: it is then applied to distinct values (`transform_values`)."""
    return any(isinstance(rule, _BY_VALUE) for rule in chain)


def apply_rules(value: pl.Expr, chain: Sequence[AnyRule], inputs: RuleInputs | None = None) -> Transformed:
    """Return the value after the rules of a chain of which none `works_by_value`, each working on the one before's result."""
    errors: list[pl.Expr] = []
    losses: list[pl.Expr] = []
    for rule in chain:
        before = value
        value, error = _expression(value, rule, inputs or RuleInputs())
        if error is not None:
            errors.append(error)
        if rule.loses:
            losses.append((before != value).fill_null(False))
    error = pl.coalesce(errors) if errors else _NO_ERROR
    return Transformed(value, error, pl.any_horizontal(losses) if losses else pl.lit(False))


def transform_values(values: pl.Series, chain: Sequence[AnyRule], inputs: RuleInputs | None = None) -> pl.DataFrame:
    """Return for each distinct text (null included) what the chain makes of it: `value`, `result`, `error`, `lost`."""
    inputs = inputs or RuleInputs()
    frame = pl.DataFrame({VALUE: values.unique(maintain_order=True)}).with_columns(
        pl.col(VALUE).alias(RESULT), _NO_ERROR.alias(ERROR), pl.lit(False).alias(LOST)
    )
    for rule in chain:
        if isinstance(rule, _BY_VALUE):
            results, errors = _by_value(frame.get_column(RESULT), rule, inputs)
            step = frame.select(VALUE, results.alias("@result"), errors.alias("@error"))
        else:
            made = apply_rules(pl.col(RESULT), [rule], inputs)
            step = frame.select(VALUE, made.value.alias("@result"), made.error.alias("@error"))
        changed = pl.col("@result").ne_missing(pl.col(RESULT)) if rule.loses else pl.lit(False)
        # What has failed has failed: the rules that follow do not see it.
        failed = pl.col(ERROR).is_not_null()
        frame = frame.with_columns(step.get_column("@result"), step.get_column("@error")).select(
            VALUE,
            pl.when(failed).then(pl.col(RESULT)).otherwise(pl.col("@result")).alias(RESULT),
            pl.coalesce(ERROR, "@error").alias(ERROR),
            (pl.col(LOST) | (changed & ~failed)).alias(LOST),
        )
    return frame


def _expression(value: pl.Expr, rule: AnyRule, inputs: RuleInputs) -> tuple[pl.Expr, pl.Expr | None]:
    match rule:
        case r.Uppercase():
            return value.str.to_uppercase(), None
        case r.Lowercase():
            return value.str.to_lowercase(), None
        case r.Trim():
            return value.str.strip_chars(), None
        case r.Prefix(text=text):
            return pl.when(value != "").then(pl.lit(text) + value).otherwise(value), None
        case r.Substring():
            return _substring(value, rule), None
        case r.Replace(find=find, replacement=replacement):
            return value.str.replace_all(find, replacement, literal=True), None
        case r.RegexReplace(pattern=pattern, replacement=replacement):
            return value.str.replace_all(_regardless_of_case(pattern), _replacement(replacement)), None
        case r.RegexMatch(pattern=pattern):
            return _matched(value, pattern), None
        case r.RemoveNonAlphanumeric():
            return value.str.replace_all(r"[^\p{L}\p{M}\p{Nd}]", ""), None
        case r.FieldLookup():
            return _looked_up(value, rule, inputs), None
        case r.Round():
            return _rounded(value, rule)
        case r.ExtractFromDate():
            return _extracted(value, rule)
        case r.UnixTimestamp():
            return _from_unix(value), None
        case _:
            raise AssertionError(rule)


def _substring(value: pl.Expr, rule: r.Substring) -> pl.Expr:
    part = value
    if rule.starting_text is not None:
        part = value.str.splitn(_unquoted(rule.starting_text), 2).struct.field("field_1").fill_null("")
    elif rule.start_position is not None:
        part = value.str.slice(rule.start_position - 1)
    if rule.ending_text is not None:
        cut = part.str.splitn(_unquoted(rule.ending_text), 2)
        part = (
            pl.when(cut.struct.field("field_1").is_not_null()).then(cut.struct.field("field_0")).otherwise(pl.lit(""))
        )
    elif rule.length is not None:
        part = part.str.slice(0, rule.length)
    return pl.when(value.is_not_null()).then(part)


def _unquoted(text: str) -> str:
    """Return a delimiting text without the quotes that keep its outer blanks."""
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" else text


def _regardless_of_case(pattern: str) -> str:
    return f"(?i){pattern}"


def _replacement(text: str) -> str:
    """Return a replacement as in .NET in the words of the expressions here: groups in braces, a lone dollar doubled."""

    def group(found: re.Match[str]) -> str:
        name = found.group(1) or found.group(2)
        if found.group() == "$$":
            return "$$"
        return "${0}" if found.group() == "$&" else f"${{{name}}}" if name else "$$"

    return re.sub(r"\$(?:\$|&|(\d+)|\{(\w+)\})?", group, text)


def _pattern_problem(pattern: str) -> str | None:
    try:
        pl.select(pl.lit("").str.replace_all(_regardless_of_case(pattern), ""))
    except pl.exceptions.ComputeError as error:
        told = re.findall(r"error: (.+)", str(error))
        return f"the pattern {pattern} cannot be used: {told[-1] if told else 'it cannot be read'}"
    return None


def _groups(pattern: str) -> int:
    fields = pl.select(pl.lit("").str.extract_groups(_regardless_of_case(pattern))).to_series().struct.fields
    return len(fields)


def _matched(value: pl.Expr, pattern: str) -> pl.Expr:
    """Return what the groups of all matches hold: marked in the text, and then taken out of it."""
    begin, end = "\x02", "\x03"
    groups = "".join(f"${{{number}}}" for number in range(1, _groups(pattern) + 1))
    plain = value.str.replace_all(f"[{begin}{end}]", "")
    marked = plain.str.replace_all(_regardless_of_case(pattern), f"{begin}{groups}{end}")
    return marked.str.extract_all(f"{begin}[^{end}]*{end}").list.join("").str.replace_all(f"[{begin}{end}]", "")


def _looked_up(value: pl.Expr, rule: r.FieldLookup, inputs: RuleInputs) -> pl.Expr:
    found = inputs.lookups.get(rule.code)
    target: pl.Expr = pl.lit(None, dtype=pl.String)
    if found is not None and found.height:
        target = value.replace_strict(
            found.get_column(VALUE), found.get_column("target"), default=None, return_dtype=pl.String
        )
    blank = value if rule.mode == "original_if_blank" else pl.when(value.is_not_null()).then(pl.lit(""))
    return pl.when((target != "").fill_null(False)).then(target).otherwise(blank)


def _rounded(value: pl.Expr, rule: r.Round) -> tuple[pl.Expr, pl.Expr]:
    """Round whole numbers of the smallest unit: exact, whatever the precision."""
    text = value.str.strip_chars()
    number = text.str.to_decimal(scale=_SCALE)
    units = number.cast(pl.String).str.replace(".", "", literal=True).cast(pl.Int128, strict=False)
    step = pl.lit(int(rule.precision * Decimal(10) ** _SCALE), dtype=pl.Int128)
    size = units.abs()
    steps = size // step
    rest = size - steps * step
    match rule.direction:
        case "nearest":
            steps = steps + (rest * 2 >= step).cast(pl.Int128)
        case "up":
            steps = steps + (rest > 0).cast(pl.Int128)
    rounded = steps * step
    digits = rounded.cast(pl.String).str.zfill(_SCALE + 1)
    whole, fraction = digits.str.head(-_SCALE), digits.str.tail(_SCALE).str.strip_chars_end("0")
    sign = pl.when((units < 0) & (rounded > 0)).then(pl.lit("-")).otherwise(pl.lit(""))
    point = pl.when(fraction != "").then(pl.lit(".")).otherwise(pl.lit(""))
    written = pl.concat_str([sign, whole, point, fraction])
    return pl.when(text == "").then(value).otherwise(written), _unreadable(text, number, "is no number")


def _extracted(value: pl.Expr, rule: r.ExtractFromDate) -> tuple[pl.Expr, pl.Expr]:
    text = value.str.strip_chars()
    day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us", "UTC"))
    moment = pl.coalesce(day, text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False))
    parts = {
        "year": moment.dt.year,
        "quarter": moment.dt.quarter,
        "month": moment.dt.month,
        "week": moment.dt.week,
        "day": moment.dt.day,
        "weekday": moment.dt.weekday,
        "hour": moment.dt.hour,
        "minute": moment.dt.minute,
        "second": moment.dt.second,
    }
    written = parts[rule.part]().cast(pl.String)
    return pl.when(text == "").then(value).otherwise(written), _unreadable(text, moment, "is no date")


def _unreadable(text: pl.Expr, read: pl.Expr, what: str) -> pl.Expr:
    told = pl.concat_str([pl.lit("the value "), text.str.slice(0, 60), pl.lit(f" {what}")])
    return pl.when(read.is_null() & (text != "")).then(told)


_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799


def _from_unix(value: pl.Expr) -> pl.Expr:
    seconds = value.str.strip_chars().str.to_decimal(scale=6)
    micro = pl.when(seconds.is_between(_FIRST_SECOND, _LAST_SECOND)).then(seconds * 1_000_000)
    moment = micro.cast(pl.Int64, strict=False).cast(pl.Datetime("us", "UTC"))
    written = moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return pl.when(value.is_not_null()).then(written.fill_null(""))


def _by_value(values: pl.Series, rule: AnyRule, inputs: RuleInputs) -> tuple[pl.Series, pl.Series]:
    """Return what a rule that works in Python makes of distinct texts, and where it could not."""
    if isinstance(rule, r.Custom):
        return _custom(values, rule, inputs.functions)
    results: list[str | None] = []
    errors: list[str | None] = []
    for text in values.to_list():
        result, error = (text, None) if not text else _made(text, rule)
        results.append(result)
        errors.append(error)
    return pl.Series(results, dtype=pl.String), pl.Series(errors, dtype=pl.String)


def _made(text: str, rule: AnyRule) -> tuple[str, str | None]:
    match rule:
        case r.TitleCase(culture=culture):
            return cultures.title_case(text, culture), None
        case r.DecimalFormat(culture=culture):
            number = cultures.parse_decimal(text, culture)
            if number is None:
                return text, f"the value {text[:60]} is no number as {culture} writes it"
            return _digits(number), None
        case r.DateFormat(source_format=form, culture=culture):
            moment = reader(form, culture)(text)
            return text if moment is None else moment.date().isoformat(), None
        case r.DateTimeFormat(source_format=form, culture=culture):
            moment = reader(form, culture)(text)
            return text if moment is None else _iso(moment), None
        case _:
            raise AssertionError(rule)


def _digits(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _custom(values: pl.Series, rule: r.Custom, functions: Mapping[str, CustomFunction]) -> tuple[pl.Series, pl.Series]:
    """Hand texts to a function of someone else; where it fails, find out with which of them."""
    function = functions[rule.function]
    try:
        return _texts(function(values), values.len()), pl.Series([None] * values.len(), dtype=pl.String)
    except Exception as error:  # a function of someone else may raise anything
        if values.len() > 1:
            half = values.len() // 2
            parts = [_custom(part, rule, functions) for part in (values.head(half), values.tail(-half))]
            return pl.concat([part[0] for part in parts]), pl.concat([part[1] for part in parts])
        said = f": {error}" if str(error) else ""
        message = f"the rule {rule.code} ({rule.function}) failed: {type(error).__name__}{said}"
        return values, pl.Series([message[:500]], dtype=pl.String)


def _texts(result: object, count: int) -> pl.Series:
    if not isinstance(result, pl.Series):
        raise TypeError(f"it returned {type(result).__name__} and no Series")
    if result.len() != count:
        raise ValueError(f"it returned {result.len()} values for {count}")
    return result.cast(pl.String)
