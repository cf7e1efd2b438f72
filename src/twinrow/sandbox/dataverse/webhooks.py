"""Webhooks: what was changed is told to the addresses that were registered for it.

A registration is a `serviceendpoint` with an `sdkmessageprocessingstep` for each message and table. Steps are carried
out after the transaction that they tell of, in the order of their rank; a failed call is tried once more after the
statuses 502, 503 and 504, and then given up.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.notices import Notice
from twinrow.sandbox.dataverse.values import money_wire
from twinrow.sandbox.http import encode_json
from twinrow.sandbox.postman import Letter

_WEBHOOK, _KEY_IN_QUERY, _IN_HEADERS, _IN_QUERY = 8, 4, 5, 6
_TIMEOUT_SECONDS = 60.0
_AGAIN_ON = frozenset({502, 503, 504})
_LARGEST_BODY = 256 * 1024
_LEFT_OUT = ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages")
_SETTING = re.compile(r'<setting\s+name="([^"]*)"\s+value="([^"]*)"')
_CRM_CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"


def deliver(environment: Environment, call: Call) -> None:
    """Send what was noted in the transaction that has just ended."""
    if not environment.notices.noted:
        return
    noted, environment.notices.noted = environment.notices.noted, []
    for notice in noted:
        for step in _steps(environment, notice):
            environment.postman.send(_letter(environment, call, notice, step))


def _steps(environment: Environment, notice: Notice) -> list[dict[str, Any]]:
    names = ("url", "authtype", "authvalue", "filteringattributes", "mode", "stage")
    rows = environment.storage.execute(
        "SELECT e.url, e.authtype, e.authvalue, s.filteringattributes, s.mode, s.stage "
        "FROM sdkmessageprocessingstep s JOIN serviceendpoint e ON e.serviceendpointid = s.eventhandler "
        "JOIN sdkmessage m ON m.sdkmessageid = s.sdkmessageid "
        "JOIN sdkmessagefilter f ON f.sdkmessagefilterid = s.sdkmessagefilterid "
        "WHERE s.statecode = 0 AND e.contract = ? AND m.name = ? AND f.primaryobjecttypecode = ? ORDER BY s.rank",
        (_WEBHOOK, notice.message, notice.table),
    ).fetchall()
    steps = [dict(zip(names, row, strict=True)) for row in rows]
    return [step for step in steps if step["url"] and _concerns(step["filteringattributes"], notice)]


def _concerns(filtering: str | None, notice: Notice) -> bool:
    if notice.message != "Update" or not filtering:
        return True
    return not notice.values.keys().isdisjoint(name.strip() for name in filtering.split(","))


def _letter(environment: Environment, call: Call, notice: Notice, step: dict[str, Any]) -> Letter:
    context = _context(environment, call, notice, step)
    headers = {
        "Content-Type": "application/json",
        "x-ms-dynamics-organization": "localhost",
        "x-ms-dynamics-entity-name": notice.table,
        "x-ms-dynamics-request-name": notice.message,
        "x-ms-correlation-request-id": context["CorrelationId"],
    }
    body = encode_json(context)
    if len(body) > _LARGEST_BODY:
        headers["x-ms-dynamics-msg-size-exceeded"] = "true"
        body = encode_json({name: value for name, value in context.items() if name not in _LEFT_OUT})
    url = str(step["url"])
    given = _SETTING.findall(step["authvalue"] or "")
    match step["authtype"]:
        case kind if kind == _KEY_IN_QUERY:
            url = _with_query(url, [("code", step["authvalue"] or "")])
        case kind if kind == _IN_HEADERS:
            headers |= dict(given)
        case kind if kind == _IN_QUERY:
            url = _with_query(url, given)
    return Letter(url, headers, body, _TIMEOUT_SECONDS, attempts=2, again_on=_AGAIN_ON)


def _with_query(url: str, values: list[tuple[str, str]]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(values)}" if values else url


def _context(environment: Environment, call: Call, notice: Notice, step: dict[str, Any]) -> dict[str, Any]:
    """The RemoteExecutionContext of one change."""
    reference: dict[str, Any] = {
        "__type": f"EntityReference:{_CRM_CONTRACTS}",
        "Id": notice.key,
        "KeyAttributes": [],
        "LogicalName": notice.table,
        "Name": None,
        "RowVersion": None,
    }
    entity = {
        "__type": f"Entity:{_CRM_CONTRACTS}",
        "Attributes": _attributes(environment, notice),
        "EntityState": None,
        "FormattedValues": [],
        "Id": notice.key,
        "KeyAttributes": [],
        "LogicalName": notice.table,
        "RelatedEntities": [],
        "RowVersion": None,
    }
    return {
        "BusinessUnitId": environment.unit_of(notice.user),
        "CorrelationId": str(uuid.uuid4()),
        "Depth": 1,
        "InitiatingUserAzureActiveDirectoryObjectId": str(uuid.UUID(int=0)),
        "InitiatingUserId": call.on_behalf_of or notice.user,
        "InputParameters": [{"key": "Target", "value": reference if notice.message == "Delete" else entity}],
        "IsExecutingOffline": False,
        "IsInTransaction": step["mode"] == 0,
        "IsOfflinePlayback": False,
        "IsolationMode": 1,
        "MessageName": notice.message,
        "Mode": step["mode"],
        "OperationCreatedOn": _milliseconds(notice.now),
        "OperationId": str(uuid.uuid4()),
        "OrganizationId": environment.organization_id,
        "OrganizationName": "sandbox",
        "OutputParameters": [{"key": "id", "value": notice.key}] if notice.message == "Create" else [],
        "OwningExtension": None,
        "ParentContext": None,
        "PostEntityImages": [],
        "PreEntityImages": [],
        "PrimaryEntityId": notice.key,
        "PrimaryEntityName": notice.table,
        "RequestId": str(uuid.uuid4()),
        "SecondaryEntityName": "none",
        "SharedVariables": [],
        "Stage": step["stage"],
        "UserAzureActiveDirectoryObjectId": str(uuid.UUID(int=0)),
        "UserId": notice.user,
    }


def _attributes(environment: Environment, notice: Notice) -> list[dict[str, Any]]:
    table = environment.catalog.tables[notice.table]
    attributes = []
    for name, value in notice.values.items():
        column = table.columns.get(name)
        if column is None or column.hidden:
            continue
        shown: Any = value
        if value is not None and column.is_choice:
            shown = {"__type": f"OptionSetValue:{_CRM_CONTRACTS}", "Value": value}
        elif value is not None and column.type == "Money":
            shown = {"__type": f"Money:{_CRM_CONTRACTS}", "Value": money_wire(value)}
        elif value is not None and column.is_lookup:
            target = notice.values.get(f"{name}type") if column.polymorphic else column.targets[0]
            shown = {"__type": f"EntityReference:{_CRM_CONTRACTS}", "Id": value, "LogicalName": target}
        elif value is not None and column.type == "Boolean":
            shown = bool(value)
        elif value is not None and column.type == "DateTime":
            shown = _milliseconds(value)
        attributes.append({"key": name, "value": shown})
    return attributes


def _milliseconds(text: str) -> str:
    instant = datetime.fromisoformat(text if len(text) > len("2000-01-01") else f"{text}T00:00:00Z")
    return f"/Date({int(instant.timestamp() * 1000)})/"
