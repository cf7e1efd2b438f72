"""Whose a record is: owner, company, and the currency that goes without saying."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from twinrow.batch.hooks import Derived, HookContext, Rule
from twinrow.model.sides import Pass
from twinrow.model.tables import Field, FieldType


class Owner(Rule):
    """A record made in Dataverse belongs to the default owning team, unless a salesperson's user owns it (semantics 17.3).

    In the Person model the mapping's owner fields say who that is; the team takes what has no salesperson.
    """

    name = "owner"

    def complete_create(
        self, context: HookContext, frame: pl.DataFrame, carried: Mapping[str, str]
    ) -> dict[str, pl.Expr]:
        """Set owner and type of owner where no user owns the new record."""
        del frame
        team = context.settings.get("owner_team_id")
        if context.pass_ is not Pass.TO or team is None or "ownerid" not in context.destination.fields:
            return {}
        owner = carried.get("ownerid")
        ownerless = pl.col(owner).is_null() if owner else pl.lit(True)
        kind = pl.col(carried["owneridtype"]) if "owneridtype" in carried else pl.lit(None, dtype=pl.String)
        values = {"ownerid": pl.when(ownerless).then(pl.lit(str(team))).otherwise(pl.col(owner) if owner else None)}
        values["owneridtype"] = pl.when(ownerless).then(pl.lit("team")).otherwise(kind)
        return values


class Company(Rule):
    """Records written to Dataverse carry the row of the connected company (semantics 16)."""

    name = "company"

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Stamp the company, where the connection has one and the table has the column."""
        company = context.settings.get("company_id")
        field = "bcbi_companyid"
        if context.pass_ is not Pass.TO or company is None or field not in context.destination.fields:
            return ()
        return (Derived(field, Field(field, FieldType.REFERENCE), lambda _: pl.lit(str(company))),)


class LocalCurrency(Rule):
    """A blank currency in Business Central is the local one, which in Dataverse is a record like others (semantics 5.2).

    As an id it is blank on the wire too; as a code, Business Central's pages show and take the local currency's own.
    """

    name = "local_currency"

    def translate(self, context: HookContext, field: str) -> dict[str | None, str | None]:
        """Translate a blank, and the local currency's code, into its record, and back."""
        currency, code = (context.settings.get(f"local_currency_{name}") for name in ("id", "code"))
        if currency is None:
            return {}
        if context.pass_ is Pass.TO and field == "transactioncurrencyid":
            return dict.fromkeys((None, code), str(currency))
        if context.pass_ is Pass.FROM and field == "currencyId":
            return {str(currency): None}
        if context.pass_ is Pass.FROM and field == "currencyCode":
            return {str(currency): None if code is None else str(code)}
        return {}
