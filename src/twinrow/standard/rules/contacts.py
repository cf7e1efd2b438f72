"""Contacts: people of a company, and their names (semantics 19; contacts behind customers and vendors)."""

from __future__ import annotations

import polars as pl

from twinrow.batch.columns import ID
from twinrow.batch.hooks import CouplingLookup, Derived, Followed, HookContext, Lookup, Rule, TableLookup, lookup
from twinrow.model.sides import Pass, Side
from twinrow.model.tables import Field, FieldType

_CUSTOMER, _VENDOR, _CONTACT = "customer", "vendor", "contact"
_RELATIONSHIPS = (3, 11)
"""Account relationship types that the CUSTOMER and the VENDOR mapping take part in."""


class ContactCompany(Rule):
    """Only people of a customer or vendor take part; in Dataverse they belong to its account.

    To Dataverse, the account of the contact's company must be coupled before the contact is made; an existing coupling is
    enough for updates. From Dataverse, the new contact belongs to the customer or vendor of its account; while an account
    that is a customer or vendor is not coupled, the contact waits; people of other accounts become contacts without company,
    and people without account are refused.

    Business Central's standard pages do not tell a contact's company. There nobody is made in Dataverse; contacts that are
    coupled already are kept in step.
    """

    name = "contact_company"

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        """Read who the company is."""
        return ("customerId", "vendorId") if pass_ is Pass.TO else ("parentcustomerid",)

    def lookups(self, context: HookContext) -> tuple[Lookup, ...]:
        """Look up the counterparts of the company."""
        if context.pass_ is Pass.TO:
            if not _serves_company(context):
                return (CouplingLookup(_CONTACT, "CONTACT", ID),)
            return (
                CouplingLookup(_CUSTOMER, "CUSTOMER", "customerId"),
                CouplingLookup(_VENDOR, "VENDOR", "vendorId"),
            )
        return (
            CouplingLookup(_CUSTOMER, "CUSTOMER", "parentcustomerid"),
            CouplingLookup(_VENDOR, "VENDOR", "parentcustomerid"),
            TableLookup(
                "account",
                Side.INTEGRATION,
                "account",
                ("customertypecode",),
                key="accountid",
                column="parentcustomerid",
            ),
        )

    def follows(self) -> tuple[Followed, ...]:
        """Uncouple people with the customer or vendor to whom they belong on both sides."""
        return tuple(
            Followed(mapping, {Side.LOCAL: local, Side.INTEGRATION: "parentcustomerid"})
            for mapping, local in (("CUSTOMER", "customerId"), ("VENDOR", "vendorId"))
        )

    def admit(self, context: HookContext) -> pl.Expr | None:
        """Leave people out whose company is neither customer nor vendor, or not known."""
        if context.pass_ is Pass.FROM:
            return None
        if not _serves_company(context):
            return pl.col(lookup(_CONTACT)).is_not_null()
        return pl.col("customerId").is_not_null() | pl.col("vendorId").is_not_null()

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Write the account of the company, or the company of the account."""
        if context.pass_ is Pass.TO:
            if not _serves_company(context):
                return ()
            account = Field("parentcustomerid", FieldType.REFERENCE)
            return (Derived("parentcustomerid", account, _account, waits=_no_account, not_null=True),)
        if "customerId" not in context.destination.fields:
            return ()
        return (
            Derived(
                "customerId",
                Field("customerId", FieldType.REFERENCE),
                lambda _: pl.col(lookup(_CUSTOMER)),
                _no_parent,
                waits=_no_company,
                not_null=True,
                on_create_only=True,
            ),
            Derived(
                "vendorId",
                Field("vendorId", FieldType.REFERENCE),
                lambda _: pl.when(pl.col(lookup(_CUSTOMER)).is_null()).then(pl.col(lookup(_VENDOR))),
                not_null=True,
                on_create_only=True,
            ),
        )


def _serves_company(context: HookContext) -> bool:
    return "customerId" in context.source.fields


def _account(context: HookContext) -> pl.Expr:
    del context
    return pl.coalesce(lookup(_CUSTOMER), lookup(_VENDOR))


def _no_account(context: HookContext) -> pl.Expr:
    return _account(context).is_null()


def _no_parent(context: HookContext) -> pl.Expr:
    del context
    message = "the contact belongs to no account: its company does not exist"
    return pl.when(pl.col("parentcustomerid").is_null()).then(pl.lit(message))


def _no_company(context: HookContext) -> pl.Expr:
    del context
    neither = pl.col(lookup(_CUSTOMER)).is_null() & pl.col(lookup(_VENDOR)).is_null()
    return neither & pl.col(lookup("account", "customertypecode")).is_in(_RELATIONSHIPS)


class ContactName(Rule):
    """Where Business Central serves only a display name, it stands for the parts of the name that Dataverse has.

    It is split as Business Central splits it: the last word is the surname, the one before it, of three or more, the middle
    name, all before that the first name; a single word is the first name.
    """

    name = "contact_name"

    def reads(self, pass_: Pass) -> tuple[str, ...]:
        """Read what the name is made of."""
        return ("displayName",) if pass_ is Pass.TO else ("firstname", "middlename", "lastname")

    def derived(self, context: HookContext) -> tuple[Derived, ...]:
        """Write the parts of the name, or the name."""
        local = context.source if context.pass_ is Pass.TO else context.destination
        if "surname" in local.fields or "displayName" not in local.fields:
            return ()
        text = Field("name", FieldType.TEXT)
        if context.pass_ is Pass.FROM:
            return (Derived("displayName", text, _joined, not_null=True),)
        return (
            Derived("firstname", text, lambda _: _part("firstname")),
            Derived("middlename", text, lambda _: _part("middlename")),
            Derived("lastname", text, lambda _: _part("lastname")),
        )


def _joined(context: HookContext) -> pl.Expr:
    del context
    parts = [
        pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name).str.strip_chars())
        for name in ("firstname", "middlename", "lastname")
    ]
    joined = pl.concat_str(parts, separator=" ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _part(name: str) -> pl.Expr:
    words = pl.col("displayName").str.strip_chars().str.split(" ")
    count = words.list.len()
    if name == "lastname":
        return pl.when(count > 1).then(words.list.last())
    if name == "middlename":
        return pl.when(count > 2).then(words.list.get(-2, null_on_oob=True))
    first = words.list.head(pl.when(count > 2).then(count - 2).otherwise(1)).list.join(" ")
    return pl.when(first != "").then(first)
