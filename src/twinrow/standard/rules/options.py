"""Options of a choice as the counterparts of code records (semantics 7)."""

from __future__ import annotations

import polars as pl

from twinrow.batch.convert import convert
from twinrow.batch.hooks import HookContext, Lookup, Rule, TableLookup
from twinrow.model.sides import Pass, Side

_OPTIONS = "options"
_SHOWN = 60
"""Characters of a caption that a message shows."""


class OptionByLabel(Rule):
    """A code that is not coupled is looked for among the captions of the options before an option is made, and back.

    A caption becomes a code by being cut to the length of codes. What two captions would share is no code for either, and a
    comma, which Business Central sets between captions, cannot be part of one.
    """

    name = "option_by_label"

    def natural(self, context: HookContext) -> tuple[str, str] | None:
        """Compare the code with the caption."""
        return ("code", "label") if context.pass_ is Pass.TO else ("label", "code")

    def lookups(self, context: HookContext) -> tuple[Lookup, ...]:
        """Look up all captions of the choice, to know which of them become one code."""
        if context.pass_ is not Pass.FROM:
            return ()
        return (TableLookup(_OPTIONS, Side.INTEGRATION, context.source.name, ("label",)),)

    def refuse(self, context: HookContext, field: str, value: pl.Expr) -> pl.Expr | None:
        """Refuse captions with a comma, and those that become one code."""
        if context.pass_ is not Pass.FROM or field != "code":
            return None
        label, code = context.source.field("label"), context.destination.field("code")
        told = convert(pl.col("label"), label, code).value
        others = context.lookups[_OPTIONS].select(told.alias("code")).get_column("code").drop_nulls()
        shared = others.filter(others.is_duplicated()).unique()
        caption = pl.col("label").str.slice(0, _SHOWN)
        return (
            pl.when(pl.col("label").str.contains(",", literal=True))
            .then(_said("the caption ", caption, " has a comma and cannot become a code: rename the option"))
            .when(value.is_in(shared.implode()))
            .then(
                _said(
                    "the caption ",
                    caption,
                    f" is like another one in its first {code.max_length} characters, which become the code: rename one",
                )
            )
        )


def _said(before: str, what: pl.Expr, after: str) -> pl.Expr:
    return pl.concat_str([pl.lit(before), what, pl.lit(after)], ignore_nulls=True)
