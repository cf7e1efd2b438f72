"""Unbound functions and actions that are not about metadata: who am I, which organisation, how many rows, closing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from twinrow.sandbox.dataverse import answers, errors
from twinrow.sandbox.dataverse.bulk import bulk_delete
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.references import resolve
from twinrow.sandbox.dataverse.schema import metadata_id
from twinrow.sandbox.dataverse.values import guid
from twinrow.sandbox.dataverse.writing import write
from twinrow.sandbox.http import Answer

VERSION = "9.2.25112.00144"
_CLOSED = {"WinOpportunity": ("OpportunityClose", 1), "LoseOpportunity": ("OpportunityClose", 2)}
_ORDERS = {"FulfillSalesOrder": ("OrderClose", 3), "CancelSalesOrder": ("OrderClose", 2)}


def call_function(
    environment: Environment, call: Call, name: str, arguments: str | None, options: dict[str, str]
) -> Answer | None:
    """The answer of an unbound function; None when there is none of this name."""
    match name:
        case "WhoAmI":
            body: dict[str, Any] = {
                "BusinessUnitId": environment.unit_of(call.user),
                "UserId": call.user,
                "OrganizationId": environment.organization_id,
            }
        case "RetrieveCurrentOrganization":
            body = {"Detail": _organization(environment, call)}
        case "RetrieveTotalRecordCount":
            body = {"EntityRecordCountCollection": _counts(environment, _entity_names(arguments or "", options))}
        case "RetrieveVersion":
            body = {"Version": VERSION}
        case _:
            return None
    return answers.json_body({"@odata.context": f"{call.root}/$metadata#Microsoft.Dynamics.CRM.{name}Response", **body})


def call_action(environment: Environment, call: Call, name: str, body: Any) -> Answer | None:
    """The answer of an unbound action; None when there is none of this name."""
    action = _ACTIONS.get(name)
    return action(environment, call, name, body) if action else None


def _delete_many(environment: Environment, call: Call, name: str, body: Any) -> Answer:
    job = bulk_delete(environment, call, body)
    context = f"{call.root}/$metadata#Microsoft.Dynamics.CRM.{name}Response"
    return answers.json_body({"@odata.context": context, "JobId": job})


def _close(environment: Environment, call: Call, name: str, body: Any) -> Answer:
    """Close an opportunity or an order with a status; the closing activity itself is not kept."""
    parameter, state = (_CLOSED | _ORDERS)[name]
    table = environment.catalog.tables["opportunity" if name in _CLOSED else "salesorder"]
    closing = body.get(parameter) if isinstance(body, dict) else None
    if not isinstance(closing, dict):
        raise errors.bad_argument(f"The parameter '{parameter}' is required.")
    navigation = f"{table.id}@odata.bind"
    if navigation in closing:
        target, key = resolve(environment, call, closing[navigation])
    else:
        found = guid((closing.get(table.id) or {}).get(table.id)) if isinstance(closing.get(table.id), dict) else None
        if found is None:
            raise errors.bad_argument(f"'{parameter}' must name the row with '{navigation}'.")
        target, key = resolve(environment, call, f"/{table.set}({found})")
    if target is not table:
        raise errors.bad_argument(f"'{navigation}' must name a row of {table.set}.")
    status = body.get("Status")
    values: dict[str, Any] = {"statecode": state}
    if isinstance(status, int) and status != -1:
        values["statuscode"] = status
    write(environment, call, table, key, values)
    return answers.no_content()


_ACTIONS: dict[str, Callable[[Environment, Call, str, Any], Answer]] = {
    "BulkDelete": _delete_many,
    **dict.fromkeys((*_CLOSED, *_ORDERS), _close),
}


def _organization(environment: Environment, call: Call) -> dict[str, Any]:
    (name,) = environment.storage.execute("SELECT name FROM organization").fetchone()
    root = call.root.partition("/api/")[0]
    return {
        "OrganizationId": environment.organization_id,
        "FriendlyName": name,
        "OrganizationVersion": VERSION,
        "EnvironmentId": metadata_id("environment"),
        "DatacenterId": metadata_id("datacenter"),
        "Geo": "EMEA",
        "TenantId": metadata_id("tenant"),
        "UrlName": "sandbox",
        "UniqueName": "sandbox",
        "State": "Enabled",
        "Endpoints": {
            "Count": 2,
            "IsReadOnly": False,
            "Keys": ["WebApplication", "OrganizationService"],
            "Values": [f"{root}/", f"{root}/XRMServices/2011/Organization.svc"],
        },
    }


def _entity_names(arguments: str, options: dict[str, str]) -> list[str]:
    match = re.fullmatch(r"\s*EntityNames\s*=\s*(.+?)\s*", arguments, re.DOTALL)
    text = match[1] if match else ""
    text = options.get(text, text)
    try:
        return msgspec.json.decode(text.replace("'", '"'), type=list[str])
    except msgspec.DecodeError:
        raise errors.bad_query("The parameter 'EntityNames' must be a list of logical names.") from None


def _counts(environment: Environment, names: list[str]) -> dict[str, Any]:
    tables = [environment.catalog.table(name) for name in names]
    values = [environment.storage.execute(f'SELECT count(*) FROM "{t.name}"').fetchone()[0] for t in tables]  # noqa: S608
    return {"Count": len(names), "IsReadOnly": False, "Keys": names, "Values": values}
