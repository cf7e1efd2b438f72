"""Transformation rules as column expressions (semantics 12). A rule sees the value as text and yields text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from twinrow.model.errors import UnknownName
from twinrow.model.rules import PREDEFINED, Lowercase, Prefix, TransformationRule, Trim, Uppercase


def apply_rules(value: pl.Expr, codes: Iterable[str], rules: Mapping[str, TransformationRule]) -> pl.Expr:
    """Return the value after the rules of the chain, each working on the result of the one before.

    `rules` holds the rules of the workspace by code; the predefined ones are always known. Raises `UnknownName`.
    """
    known = {rule.code: rule for rule in PREDEFINED} | dict(rules)
    for code in codes:
        rule = known.get(code)
        if rule is None:
            raise UnknownName("transformation rule", code, tuple(known))
        value = _apply(value, rule)
    return value


def _apply(value: pl.Expr, rule: TransformationRule) -> pl.Expr:
    match rule:
        case Uppercase():
            return value.str.to_uppercase()
        case Lowercase():
            return value.str.to_lowercase()
        case Trim():
            return value.str.strip_chars()
        case Prefix(text=text):
            return pl.when(value != "").then(pl.lit(text) + value).otherwise(value)
