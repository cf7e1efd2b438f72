"""The connection test: what it says when all is well, and when something is not."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from tests.unit.connectors.dataverse.environment import Environment

from twinrow.connectors.base import Check

Override = Callable[[httpx2.Request], httpx2.Response | None]


def refusing(part: str, status: int, code: str, message: str) -> Override:
    def override(request: httpx2.Request) -> httpx2.Response | None:
        if part not in str(request.url):
            return None
        return httpx2.Response(status, json={"error": {"code": code, "message": message}})

    return override


def last(environment: Environment) -> Check:
    return environment.connector.test()[-1]


def test_all_is_well(environment: Environment) -> None:
    checks = environment.connector.test()
    assert all(check.passed for check in checks)
    found = {check.name: check.found for check in checks}
    assert list(found) == [
        "Address",
        "Certificate",
        "Sign-in",
        "Application user",
        "Organization",
        "Privileges",
        "Change tracking",
        "Company table",
    ]
    assert found["Application user"] == "Twinrow Integration"
    assert "account, contact" in found["Privileges"]
    assert found["Company table"] == "bcbi_company"


def test_a_sign_in_that_the_environment_does_not_know(environment: Environment) -> None:
    environment.override = refusing("WhoAmI", 401, "0x80040204", "The user is not a member of the organization.")
    check = last(environment)
    assert (check.name, check.passed) == ("Sign-in", False)
    assert "application user" in check.remedy


def test_a_disabled_user(environment: Environment) -> None:
    environment.override = refusing("WhoAmI", 403, "0x80040225", "The specified user is disabled.")
    check = last(environment)
    assert (check.name, check.passed) == ("Application user", False)
    assert "disabled" in check.found
    assert "enabled" in check.remedy


def test_a_user_that_says_of_itself_that_it_is_disabled(environment: Environment) -> None:
    row = {"fullname": "Twinrow", "isdisabled": True}
    environment.override = lambda request: (
        httpx2.Response(200, json=row) if "systemusers(" in str(request.url) else None
    )
    (check,) = [check for check in environment.connector.test() if not check.passed]
    assert (check.name, check.found) == ("Application user", "Twinrow is disabled")


def test_a_missing_privilege_names_the_table(environment: Environment) -> None:
    said = "Principal user is missing prvReadContact privilege on contact."
    environment.override = refusing("/contacts?", 403, "0x80040220", said)
    check = last(environment)
    assert (check.name, check.passed) == ("Privileges", False)
    assert "prvReadContact" in check.found
    assert "security role" in check.remedy


def test_an_organization_that_may_not_be_read(environment: Environment) -> None:
    environment.override = refusing("organizations", 403, "0x80040220", "Missing prvReadOrganization.")
    assert last(environment).name == "Organization"


def test_tables_without_change_tracking_are_named(environment: Environment) -> None:
    environment.switch(change_tracking={"contact": False})
    (check,) = [check for check in environment.connector.test() if check.name == "Change tracking"]
    assert check.passed
    assert "off for contact" in check.found
    assert check.remedy


def test_an_environment_without_the_company_table(environment: Environment) -> None:
    def override(request: httpx2.Request) -> httpx2.Response | None:
        if "EntityDefinitions?" not in str(request.url):
            return None
        reply = environment.api.carry("GET", request.url.raw_path.decode(), dict(request.headers.items()), b"")
        kept = [item for item in reply.body["value"] if item["LogicalName"] != "bcbi_company"]
        return httpx2.Response(200, json={"value": kept})

    environment.override = override
    check = last(environment)
    assert (check.name, check.passed) == ("Company table", False)
    assert "bcbi_CdsBaseIntegration" in check.remedy


@pytest.mark.parametrize("content", [b"<html>A proxy says hello.</html>", b'{"UserId": 7}'])
def test_an_answer_from_something_else(environment: Environment, content: bytes) -> None:
    environment.override = lambda _: httpx2.Response(200, content=content)
    check = last(environment)
    assert not check.passed
    assert "cannot be read" in check.found


def test_who_and_where_we_are(environment: Environment) -> None:
    identity = environment.connector.identify()
    who = environment.api.row("WhoAmI")
    assert identity.environment == f"dataverse:{who['OrganizationId']}"
    assert identity.caller == who["UserId"]
    assert identity.details["address"] == "https://contoso.crm4.dynamics.com"
