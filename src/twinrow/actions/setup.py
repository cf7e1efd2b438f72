"""Setting a connection between Business Central and Dataverse up: company, owning team, currency, standard mappings.

What Business Central's own set-up makes in Dataverse (semantics 17) is looked for first, and made where it is missing: the
company's row, its business unit and team, the local currency. Everything may be run again; it then finds what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from twinrow.actions.context import ActionContext
from twinrow.actions.mappings import save_mappings, standard_for
from twinrow.actions.restraints import check_writable
from twinrow.batch.columns import ID, VERSION, column_type
from twinrow.connectors.base import ERROR, MARK, STATUS, Connector, CreateKeys, Status, WriteKind, WriteRequest
from twinrow.engine.identity import derive_ids
from twinrow.model.errors import ConfigurationError, UnknownName, UnknownTable
from twinrow.model.filters import Comparison, Filter, all_of
from twinrow.model.mapping import TableMapping
from twinrow.model.sides import Side
from twinrow.store import systems as stored
from twinrow.store.systems import Pair

OWNERSHIP_MODELS = ("person", "team")
_COMPANY_TABLE = "bcbi_company"
_NAME_LENGTH = 160


@dataclass(slots=True)
class SetUp:
    """What a set-up has found and made: one sentence for each, and the mappings that are there now."""

    connection: Pair
    mappings: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def setup_connection(
    context: ActionContext,
    *,
    ownership_model: str | None = None,
    check_owners: bool | None = None,
    standard: bool = True,
) -> SetUp:
    """Prepare both systems of the connection, and give it the standard mappings (unless `standard` is false).

    `ownership_model` is `person` (records belong to the users of their salespeople) or `team`; without it the connection
    keeps its own, a new one gets `team`. `check_owners`: a user owns records only when it belongs to the company's business
    unit; without it the connection keeps what it has. Raises `UnknownName` for another ownership model,
    `ConfigurationError` where a system lacks what is needed.
    """
    pair = context.pair()
    ownership_model = ownership_model or pair.settings.get("ownership_model", "team")
    if ownership_model not in OWNERSHIP_MODELS:
        raise UnknownName("ownership model", ownership_model, OWNERSHIP_MODELS)
    check_writable(context, [Side.INTEGRATION])
    local, integration = (context.connector(pair.system(side)) for side in Side)
    result = SetUp(pair)
    settings: dict[str, Any] = dict(pair.settings) | {"ownership_model": ownership_model}
    if check_owners is not None:
        settings["check_owners"] = check_owners
    settings |= _company(local, integration, result)
    settings |= _ownership(integration, settings, result)
    settings |= _currency(local, integration, result)
    with context.database.transaction() as connection:
        result.connection = stored.add_connection(
            connection, pair.name, pair.local.name, pair.integration.name, settings
        )
    if standard:
        connectors = {Side.LOCAL: local, Side.INTEGRATION: integration}
        saved = save_mappings(context, _served(standard_for(result.connection), connectors, result))
        result.mappings = [one.name for one in saved]
    return result


def _served(mappings: list[TableMapping], connectors: Mapping[Side, Connector], result: SetUp) -> list[TableMapping]:
    """Return the mappings whose tables both systems serve; a site without the extension's pages lacks some."""
    served = []
    for mapping in mappings:
        try:
            for side, connector in connectors.items():
                connector.describe(mapping.table(side))
        except UnknownTable as error:
            result.warnings.append(f"The mapping {mapping.name} is left out: {error.message}.")
        else:
            served.append(mapping)
    return served


def _company(local: Connector, integration: Connector, result: SetUp) -> dict[str, Any]:
    """Find or make the row of the connected company (semantics 16)."""
    details = local.identify().details
    company, name = details.get("company_id"), details.get("company_name")
    if company is None or name is None:
        raise ConfigurationError(
            "The local system does not say which company it is",
            cause="Setting up is for a Business Central and a Dataverse.",
            remedy="Name the company in the settings of the Business Central system; for other systems, apply a mapping file "
            "(twinrow mapping apply).",
        )
    settings = {"company_name": name, "local_company_id": company}
    try:
        table = integration.describe(_COMPANY_TABLE)
    except UnknownTable:
        result.warnings.append(
            "The integration system has no company table (bcbi_company): records are not stamped with their company."
        )
        return settings | {"company_id": None}
    by_external = Comparison("bcbi_externalid", "eq", company)
    row = integration.select(table.name, ("bcbi_name",), by_external, 1)
    if row.height:
        result.found.append(f"company {name}")
        return settings | {"company_id": row.get_column(ID).item()}
    values = {"bcbi_name": name, "bcbi_externalid": company}
    made = _make(integration, table.name, f"company|{company}", values)
    result.made.append(f"company {name}")
    return settings | {"company_id": made}


def _ownership(integration: Connector, settings: dict[str, Any], result: SetUp) -> dict[str, Any]:
    """Find or make the company's business unit and its owning team (semantics 17.2, 17.3)."""
    name, company = settings["company_name"], settings["local_company_id"]
    root = integration.select("businessunit", ("name",), Comparison("parentbusinessunitid", "eq", None), 1)
    if root.is_empty():
        raise ConfigurationError("The integration system has no root business unit", remedy="Look at its set-up.")
    unit_name = _cut(f"{name} ({company})")
    unit = _find_or_make(
        integration,
        "businessunit",
        Comparison("name", "eq", unit_name),
        f"business unit|{company}",
        {"name": unit_name, "parentbusinessunitid": root.get_column(ID).item()},
        f"business unit {unit_name}",
        result,
    )
    team_name = _cut(f"BCI - {unit_name}")
    team = _find_or_make(
        integration,
        "team",
        all_of(Comparison("name", "eq", team_name), Comparison("businessunitid", "eq", unit)),
        f"team|{company}",
        {"name": team_name, "businessunitid": unit, "teamtype": 0},
        f"team {team_name}",
        result,
    )
    return {"business_unit_id": unit, "owner_team_id": team}


def _currency(local: Connector, integration: Connector, result: SetUp) -> dict[str, Any]:
    """Find or make the local currency, and learn the base currency and how many decimals it has (semantics 17.4)."""
    ledger = local.select("generalLedgerSetup", ("localCurrencyCode", "localCurrencySymbol"), None, 1)
    code = ledger.get_column("localCurrencyCode").item() if ledger.height else None
    if not code:
        raise ConfigurationError(
            "Business Central names no local currency", remedy="Fill LCY Code on its General Ledger Setup page."
        )
    organization = integration.select("organization", ("basecurrencyid", "currencydecimalprecision"), None, 1)
    base = organization.get_column("basecurrencyid").item() if organization.height else None
    precision = organization.get_column("currencydecimalprecision").item() if organization.height else None
    base_code = code
    if base is not None:
        row = integration.fetch("transactioncurrency", ("isocurrencycode",), [base])
        base_code = row.get_column("isocurrencycode").item() if row.height else code
    currency = _find_or_make(
        integration,
        "transactioncurrency",
        Comparison("isocurrencycode", "eq", code),
        f"currency|{code}",
        {
            "isocurrencycode": code,
            "currencyname": code,
            "currencysymbol": ledger.get_column("localCurrencySymbol").item() or code,
            "currencyprecision": 2 if precision is None else precision,
            "exchangerate": 1,
        },
        f"currency {code}",
        result,
    )
    return {
        "local_currency_code": code,
        "local_currency_id": currency,
        "base_currency_code": base_code,
        "currency_precision": 2 if precision is None else precision,
    }


def _cut(name: str) -> str:
    return name[:_NAME_LENGTH]


def _find_or_make(
    connector: Connector,
    table: str,
    condition: Filter | None,
    key: str,
    values: dict[str, Any],
    what: str,
    result: SetUp,
) -> str:
    row = connector.select(table, (), condition, 1)
    if row.height:
        result.found.append(what)
        return str(row.get_column(ID).item())
    made = _make(connector, table, key, values)
    result.made.append(what)
    return made


def _make(connector: Connector, table: str, key: str, values: dict[str, Any]) -> str:
    """Make a record under an id derived from what it stands for, so that making it twice makes one."""
    description = connector.describe(table)
    derived = derive_ids(connector.identify().environment, [key], [0], guid=False)[0]
    keys = connector.capabilities(table).create_keys
    frame = pl.DataFrame(
        {
            ID: [derived if keys is CreateKeys.CHOSEN else None],
            VERSION: [None],
            MARK: [derived if keys is CreateKeys.MARK else None],
        },
        schema={ID: pl.String, VERSION: pl.String, MARK: pl.String},
    ).with_columns(
        pl.lit(value).cast(column_type(description.field(name))).alias(name) for name, value in values.items()
    )
    answer = connector.write(WriteRequest(table, WriteKind.CREATE, frame, tuple(values), ())).row(0, named=True)
    if answer[STATUS] not in (Status.WRITTEN, Status.EXISTS) or answer[ID] is None:
        raise ConfigurationError(
            f"The integration system did not make a record of {table} that the set-up needs",
            cause=answer[ERROR] or answer[STATUS],
            remedy="Look at the privileges of the application user.",
        )
    return str(answer[ID])
