"""What particular tables do besides storing a row: default teams, number series, totals, rows that may not go.

`writing` calls these hooks around every create, update and delete. They may write further rows.
"""

from __future__ import annotations

import uuid
from decimal import Decimal

from twinrow.sandbox.dataverse import errors
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.rules import Row, Writing, settle
from twinrow.sandbox.dataverse.schema import ManyToMany

_READ_ONLY = {"organization", "stringmap", "sdkmessage", "sdkmessagefilter"}
_REMEMBERED = {"transactioncurrency", "systemuser", "team", "businessunit", "organization"}
_TOTAL_READS = {"freightamount", "discountamount", "transactioncurrencyid"}
_SUBSCRIPTIONS = {"sdkmessageprocessingstep", "serviceendpoint"}


def before_create(environment: Environment, call: Call, table: Table, values: Row) -> None:
    """Fill what the system itself gives a new row, and refuse rows that nobody may make."""
    if table.name in _READ_ONLY:
        raise errors.bad_argument(
            f"The 'Create' method does not support entities of type '{table.name}'.", "0x80040800"
        )
    if "_organizationid_value" in table.properties or "organizationid" in table.properties:
        values["organizationid"] = environment.organization_id
    match table.name:
        case "team":
            values.setdefault("administratorid", call.user)
            values.setdefault("businessunitid", environment.unit_of(call.user))
        case "role" | "systemuser":
            values.setdefault("businessunitid", environment.unit_of(call.user))
        case "businessunit":
            values["parentbusinessunitid"] = values.get("parentbusinessunitid") or environment.root_unit_id
        case "salesorder":
            values["ordernumber"] = values.get("ordernumber") or _order_number(environment)
        case "salesorderdetail":
            values.setdefault("salesorderdetailname", values.get("productdescription"))
        case "transactioncurrency":
            _refuse_double_currency(environment, values)


def after_create(environment: Environment, call: Call, table: Table, key: str, values: Row) -> None:
    """Make what belongs to a new row."""
    match table.name:
        case "businessunit":
            make_unit_parts(environment, call, key, values["name"])
        case "uomschedule":
            _make_base_unit(environment, call, key, values)
        case "salesorderdetail":
            _total(environment, call, values["salesorderid"])
    _remember(environment, table)
    environment.notices.note("Create", table.name, key, values, call.user, call.now)


def before_update(environment: Environment, table: Table, key: str, values: Row) -> None:
    """Refuse changes that the system does not allow."""
    if table.name in _READ_ONLY and table.name != "organization":
        raise errors.bad_argument(
            f"The 'Update' method does not support entities of type '{table.name}'.", "0x80040800"
        )
    if table.name == "team" and "name" in values and _is_default_team(environment, key):
        raise errors.bad_argument(
            f"The default business unit team name can't be updated (TeamId = {key}).", "0x8004830a"
        )
    if table.name == "transactioncurrency" and key == environment.base_currency_id and values.get("statecode") == 1:
        raise errors.bad_argument("The base currency cannot be deactivated.", "0x80048cf4")


def after_update(environment: Environment, call: Call, table: Table, key: str, values: Row) -> None:
    """Let what depends on a changed row follow."""
    if table.name == "businessunit" and "name" in values:
        environment.storage.execute(
            "UPDATE team SET name = ?, versionnumber = ?, modifiedon = ? WHERE businessunitid = ? AND isdefault = 1",
            (values["name"], environment.storage.next_version(), call.now, key),
        )
    if table.name == "salesorderdetail":
        order = environment.storage.fetch(table, key, ["salesorderid"])
        if order is not None and order["salesorderid"]:
            _total(environment, call, order["salesorderid"])
    _remember(environment, table)
    environment.notices.note("Update", table.name, key, values, call.user, call.now)


def before_delete(environment: Environment, table: Table, key: str) -> None:
    """Refuse to let rows go that the system needs."""
    if table.name in _READ_ONLY or table.name == "systemuser":
        raise errors.bad_argument(
            f"The 'Delete' method does not support entities of type '{table.name}'.", "0x80040800"
        )
    if table.name == "team" and _is_default_team(environment, key):
        raise errors.bad_argument(f"The default business unit team can't be deleted (TeamId = {key}).", "0x80048307")
    if table.name == "transactioncurrency" and key == environment.base_currency_id:
        raise errors.bad_argument("The base currency of an organization cannot be deleted.", "0x80048cff")
    if table.name == "businessunit" and key == environment.root_unit_id:
        raise errors.referenced()
    if table.name == "businessunit":
        # The default team goes with its unit, which the team's own hook would refuse.
        environment.storage.execute("UPDATE team SET isdefault = 0 WHERE businessunitid = ?", (key,))


def after_delete(environment: Environment, call: Call, table: Table, key: str) -> None:
    """Let what depended on a deleted row follow."""
    _remember(environment, table)
    environment.notices.note("Delete", table.name, key, {}, call.user, call.now)


def before_link(environment: Environment, relationship: ManyToMany, keys: dict[str, str]) -> None:
    """Refuse to change who belongs to a default team."""
    if relationship.intersect == "teammembership" and _is_default_team(environment, keys["team"]):
        raise errors.bad_argument(
            f"Can't add members to the default business unit team (TeamId = {keys['team']}).", "0x8004830b"
        )


def make_unit_parts(environment: Environment, call: Call, unit: str, name: str) -> None:
    """The default team of a business unit and its copies of the security roles."""
    storage = environment.storage
    stamp = {
        "createdon": call.now,
        "modifiedon": call.now,
        "createdby": call.user,
        "modifiedby": call.user,
        "businessunitid": unit,
    }
    storage.insert(
        environment.catalog.tables["team"],
        {
            "teamid": str(uuid.uuid4()),
            "name": name,
            "isdefault": 1,
            "systemmanaged": 0,
            "teamtype": 0,
            "membershiptype": 0,
            "administratorid": call.user,
            "organizationid": environment.organization_id,
            "versionnumber": storage.next_version(),
            **stamp,
        },
    )
    roles = storage.execute(
        "SELECT roleid, name FROM role WHERE businessunitid = ? AND parentroleid IS NULL", (environment.root_unit_id,)
    ).fetchall()
    for role, role_name in roles if unit != environment.root_unit_id else []:
        storage.insert(
            environment.catalog.tables["role"],
            {
                "roleid": str(uuid.uuid4()),
                "name": role_name,
                "parentroleid": role,
                "parentrootroleid": role,
                "versionnumber": storage.next_version(),
                **stamp,
            },
        )


def _remember(environment: Environment, table: Table) -> None:
    if table.name in _REMEMBERED:
        environment.forget()
    elif table.name in _SUBSCRIPTIONS:
        environment.read_subscriptions()


def _is_default_team(environment: Environment, key: str) -> bool:
    row = environment.storage.fetch(environment.catalog.tables["team"], key, ["isdefault"])
    return bool(row and row["isdefault"])


def _order_number(environment: Environment) -> str:
    (count,) = environment.storage.execute("SELECT count(*) FROM salesorder").fetchone()
    return f"ORD-{1000 + count:05d}-{uuid.uuid4().hex[:6].upper()}"


def _refuse_double_currency(environment: Environment, values: Row) -> None:
    row = environment.storage.execute(
        "SELECT 1 FROM transactioncurrency WHERE isocurrencycode = ? COLLATE NOCASE", (values.get("isocurrencycode"),)
    ).fetchone()
    if row is not None:
        raise errors.row_exists()


def _make_base_unit(environment: Environment, call: Call, schedule: str, values: Row) -> None:
    storage, table = environment.storage, environment.catalog.tables["uom"]
    storage.insert(
        table,
        {
            "uomid": str(uuid.uuid4()),
            "name": values.get("baseuomname") or values["name"],
            "uomscheduleid": schedule,
            "quantity": f"{Decimal(1):.{table.columns['quantity'].precision}f}",
            "isschedulebaseuom": 1,
            "createdon": call.now,
            "modifiedon": call.now,
            "createdby": call.user,
            "modifiedby": call.user,
            "organizationid": environment.organization_id,
            "versionnumber": storage.next_version(),
        },
    )


def _total(environment: Environment, call: Call, order: str) -> None:
    """The sums of a sales order, after one of its lines has changed."""
    storage, table = environment.storage, environment.catalog.tables["salesorder"]
    lines, tax, discount = storage.execute(
        "SELECT coalesce(sum(baseamount), 0), coalesce(sum(tax), 0), coalesce(sum(manualdiscountamount), 0) "
        "FROM salesorderdetail WHERE salesorderid = ?",
        (order,),
    ).fetchone()
    row = storage.fetch(table, order, table.columns.keys() & _TOTAL_READS)
    if row is None:
        return
    freight, order_discount = row["freightamount"] or 0, row["discountamount"] or 0
    net = lines - discount - order_discount
    sums: Row = {
        "totallineitemamount": lines - discount,
        "totallineitemdiscountamount": discount,
        "totaltax": tax,
        "totalamountlessfreight": net,
        "totalamount": net + freight + tax,
    }
    settle(Writing(environment, call, table, order, {**row, **sums}, sums, creating=False))
    storage.update(
        table,
        order,
        {**sums, "versionnumber": storage.next_version(), "modifiedon": call.now, "modifiedby": call.user},
    )
