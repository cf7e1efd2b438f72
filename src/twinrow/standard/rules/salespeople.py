"""Salespeople made from users get a code of their own: SP NO. 00001, 00002, … (semantics 19)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from twinrow.batch.hooks import HookContext, Lookup, Rule, TableLookup
from twinrow.model.filters import TextMatch
from twinrow.model.sides import Pass, Side

_PREFIX = "SP NO. "
_DIGITS = 5


class SalespersonCode(Rule):
    """The code of a new salesperson: one more than the last that begins with "SP NO. 0"."""

    name = "salesperson_code"

    def lookups(self, context: HookContext) -> tuple[Lookup, ...]:
        """Look up the codes that have been given out."""
        if context.pass_ is not Pass.FROM:
            return ()
        condition = TextMatch("startswith", "code", f"{_PREFIX}0")
        return (TableLookup("codes", Side.LOCAL, "salespeoplePurchasers", ("code",), condition=condition),)

    def complete_create(
        self, context: HookContext, frame: pl.DataFrame, carried: Mapping[str, str]
    ) -> dict[str, pl.Expr]:
        """Number the new salespeople."""
        del carried
        if context.pass_ is not Pass.FROM:
            return {}
        codes = context.lookups["codes"].get_column("code")
        numbers = codes.str.slice(len(_PREFIX)).cast(pl.Int64, strict=False)
        last = numbers.max() or 0
        assert isinstance(last, int)  # noqa: S101
        ordinal = pl.int_range(1, frame.height + 1) + last
        return {"code": pl.lit(_PREFIX) + ordinal.cast(pl.String).str.zfill(_DIGITS)}
