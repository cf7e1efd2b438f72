"""The tables as control sees them: all rows as stored, and rows written past all business rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.schema import Table
from twinrow.sandbox.business_central.wire import ZERO_GUID

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.service import BusinessCentral


def table_rows(service: BusinessCentral, name: str) -> list[dict[str, Any]]:
    """All rows of a table, in the order of their key; raises LookupError."""
    company, table = _table(service, name)
    return company.records[table.name].all()


def write_row(service: BusinessCentral, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Write a row and give it back as stored; raises LookupError.

    A row whose SystemId or primary key exists is changed, any other inserted; fields that are not named keep their
    value, or get their initial one. System fields that are named are stored as they are, the row version excepted.
    """
    company, table = _table(service, name)
    rows = company.records[table.name]
    fields = {field.name: field for field in table.all_fields}
    for field in values:
        if field not in fields:
            raise LookupError(f"The table {table.name} has no field {field!r}. It has: {', '.join(fields)}.")
    row = rows.new() | values
    before = rows.by_id(row["SystemId"]) or rows.get(*(row[field] for field in table.key))
    given = {field: values[field] for field in values if field.startswith("System") and field != "SystemRowVersion"}
    with service.store.transaction(ZERO_GUID):
        if before is None:
            rows.insert(row)
            before = row
        row = before | values
        if given or row != before:
            rows.modify(row, before)
            rows.set_system_fields(row, given)
    return rows.by_id(row["SystemId"]) or row


def _table(service: BusinessCentral, name: str) -> tuple[Company, Table]:
    company_name, dollar, table = name.rpartition("$")
    if not dollar:
        return service.first_company, service.schema.table_called(table)
    if company_name not in service.companies:
        raise LookupError(f"There is no company {company_name!r}.")
    return service.companies[company_name], service.schema.table_called(table)
