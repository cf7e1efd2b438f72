"""Currencies: known by their ISO code, with rates computed from Business Central's (semantics 17.4, 19)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from twinrow.batch.columns import column_type
from twinrow.batch.hooks import Derived, HookContext, Lookup, Rule, TableLookup, lookup
from twinrow.model.filters import Comparison
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Field, FieldType

_RATE = Field("exchangerate", FieldType.DECIMAL, scale=10)
_AMOUNTS = ("exchangeRateAmount", "relationalExchangeRateAmount")


class CurrencyByIsoCode(Rule):
    """A currency that is not coupled is looked for by its ISO code before one is made."""

    name = "currency_by_iso_code"

    def natural(self, context: HookContext) -> tuple[str, str] | None:
        """Compare the code with the ISO code."""
        return ("code", "isocurrencycode") if context.pass_ is Pass.TO else None


class CurrencySymbol(Rule):
    """Dataverse wants a symbol: a blank one is replaced by the code."""

    name = "currency_symbol"

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        """Read the code."""
        return ("code",) if pass_ is Pass.TO else ()

    def adjust(self, context: HookContext, field: str, value: pl.Expr) -> pl.Expr:
        """Replace a blank symbol."""
        if context.pass_ is Pass.TO and field == "currencysymbol":
            return pl.when(value.fill_null("") == "").then(pl.col("code")).otherwise(value)
        return value


class CurrencyPrecision(Rule):
    """A new currency gets the number of decimals that the organization works with."""

    name = "currency_precision"

    def complete_create(
        self, context: HookContext, frame: pl.DataFrame, carried: Mapping[str, str]
    ) -> dict[str, pl.Expr]:
        """Set the precision of a new currency."""
        del frame, carried
        precision = context.settings.get("currency_precision")
        if context.pass_ is not Pass.TO or precision is None:
            return {}
        return {"currencyprecision": pl.lit(int(precision))}


class ExchangeRate(Rule):
    """The exchange rate of a currency: how many of its units one unit of Dataverse's base currency is worth.

    Business Central keeps rates against the local currency, of which the latest counts. Where Dataverse's base currency is
    another one, its own rate is divided out. A currency without a rate fails, and so do all where the base currency is not known.
    """

    name = "exchange_rate"

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        """Read the code."""
        return ("code",) if pass_ is Pass.TO else ()

    def lookups(self, context: HookContext) -> tuple[Lookup, ...]:
        """Look up the latest rate of each currency, and of the base currency where that is not the local one."""
        if context.pass_ is not Pass.TO:
            return ()
        own = TableLookup(
            "rate",
            Side.LOCAL,
            "currencyExchangeRates",
            ("startingDate", "relationalCurrencyCode", *_AMOUNTS),
            key="currencyCode",
            column="code",
            latest="startingDate",
        )
        # A rate may be told against another currency, whose own rate then counts in.
        between = TableLookup(
            "relational rate",
            Side.LOCAL,
            "currencyExchangeRates",
            ("startingDate", *_AMOUNTS),
            key="currencyCode",
            column=lookup("rate", "relationalCurrencyCode"),
            latest="startingDate",
        )
        if _base_is_local(context):
            return (own, between)
        code = str(context.settings["base_currency_code"])
        fields = ("startingDate", *_AMOUNTS)
        base = TableLookup(
            "base rate", Side.LOCAL, "currencyExchangeRates", fields, condition=Comparison("currencyCode", "eq", code)
        )
        return (own, between, base)

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Write the rate."""
        if context.pass_ is not Pass.TO or "exchangerate" not in context.destination.fields:
            return ()
        return (Derived("exchangerate", _RATE, _rate, _no_rate),)


def _base_is_local(context: HookContext) -> bool:
    base = context.settings.get("base_currency_code")
    return base is None or base == context.settings.get("local_currency_code")


def _factor() -> pl.Expr:
    own, between = (_quotient(name) for name in ("rate", "relational rate"))
    told_against = pl.col(lookup("rate", "relationalCurrencyCode")).fill_null("")
    return pl.when(told_against == "").then(own).otherwise(own * between)


def _quotient(name: str) -> pl.Expr:
    amount, relational = (pl.col(lookup(name, field)).cast(pl.Float64) for field in _AMOUNTS)
    return pl.when(relational != 0).then(amount / relational)


def _base_factor(context: HookContext) -> float | None:
    """Return the base currency's units for one unit of the local currency; None when Business Central has no rate for it."""
    if _base_is_local(context):
        return 1.0
    rows = context.lookups.get("base rate")
    if rows is None or rows.is_empty():
        return None
    latest = rows.sort("startingDate", descending=True).row(0, named=True)
    amount, relational = (float(latest[name]) for name in _AMOUNTS)
    return amount / relational if amount and relational else None


def _rate(context: HookContext) -> pl.Expr:
    kind = column_type(_RATE)
    base = _base_factor(context)
    if base is None:
        return pl.lit(None, dtype=kind)
    is_base = pl.col("code") == str(context.settings.get("base_currency_code"))
    return pl.when(is_base).then(1.0).otherwise(_factor() / base).round(10).cast(kind)


def _no_rate(context: HookContext) -> pl.Expr:
    code = pl.col("code")
    if context.settings.get("base_currency_code") is None:
        return pl.lit(
            "the base currency of Dataverse is not known: set the connection up again (twinrow connection setup)"
        )
    if _base_factor(context) is None:
        return pl.lit(f"no exchange rate is defined for the base currency {context.settings['base_currency_code']}")
    is_base = code == str(context.settings.get("base_currency_code"))
    return pl.when(_factor().is_null() & ~is_base).then(
        pl.concat_str([pl.lit("no exchange rate is defined for the currency "), code], ignore_nulls=True)
    )
