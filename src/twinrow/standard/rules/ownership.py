"""Whose a record is: owner, company, and the currency that goes without saying."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from twinrow.batch.columns import ID
from twinrow.batch.hooks import Derived, HookContext, Lookup, Rule, TableLookup
from twinrow.model.filters import Comparison
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Field, FieldType

_UNIT_USERS = "unit users"
_INACTIVE = 1
"""The state of an account that is inactive."""


class Owner(Rule):
    """A record made in Dataverse belongs to the default owning team, unless a salesperson's user owns it (semantics 17.3).

    In the Person model the mapping's owner fields say who that is; the team takes what has no salesperson. Where the
    connection checks owners, a user of another business unit than the company's is refused.
    """

    name = "owner"

    def lookups(self, context: HookContext) -> tuple[Lookup, ...]:
        """Look up the users of the company's business unit, where owners are checked."""
        if not _checks_owners(context):
            return ()
        condition = Comparison("businessunitid", "eq", str(context.settings["business_unit_id"]))
        return (TableLookup(_UNIT_USERS, Side.INTEGRATION, "systemuser", (), condition=condition),)

    def refuse(self, context: HookContext, field: str, value: pl.Expr) -> pl.Expr | None:
        """Refuse users of other business units."""
        if field != "ownerid" or not _checks_owners(context):
            return None
        users = context.lookups[_UNIT_USERS].get_column(ID)
        message = "the user who is to own the record does not belong to the business unit of the company"
        return pl.when(value.is_not_null() & ~value.is_in(users.implode())).then(pl.lit(message))

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


def _checks_owners(context: HookContext) -> bool:
    wanted = bool(context.settings.get("check_owners")) and context.settings.get("business_unit_id") is not None
    return wanted and context.pass_ is Pass.TO and "ownerid" in context.destination.fields


class BlockedWhenInactive(Rule):
    """A customer or vendor whose account is inactive is blocked wholly; an active account unblocks nobody.

    The standard filters leave inactive accounts out; the rule matters where a mapping lets them in.
    """

    name = "blocked_when_inactive"

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        """Read the state of the account."""
        return ("statecode",) if pass_ is Pass.FROM else ()

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Block the record."""
        served = "statecode" in context.source.fields and "blocked" in context.destination.fields
        if context.pass_ is not Pass.FROM or not served:
            return ()
        return (Derived("blocked", Field("blocked", FieldType.TEXT), _blocked, not_null=True),)


def _blocked(context: HookContext) -> pl.Expr:
    del context
    return pl.when(pl.col("statecode") == _INACTIVE).then(pl.lit("All"))


_COMPANY = "bcbi_companyid"


def _stamp(name: str, company: str) -> Derived:
    return Derived(name, Field(name, FieldType.REFERENCE), lambda _: pl.lit(company))


class Company(Rule):
    """Records written to Dataverse carry the row of the connected company (semantics 16)."""

    name = "company"

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Stamp the company, where the connection has one and the table has the column."""
        return tuple(_stamp(field, company) for field, company in self.resets(context).items())

    def resets(self, context: HookContext) -> Mapping[str, str]:
        """Take the own company out of a row that is uncoupled."""
        company = context.settings.get("company_id")
        if context.pass_ is not Pass.TO or company is None or _COMPANY not in context.destination.fields:
            return {}
        return {_COMPANY: str(company)}


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
