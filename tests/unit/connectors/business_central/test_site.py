"""Getting there: company, environment, routes, and what a connection test says when something is wrong."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.unit.connectors.business_central.company import HOST, Company, refused, said

from twinrow.connectors.base import Check
from twinrow.connectors.business_central import BusinessCentralSettings, open_system
from twinrow.connectors.opening import KINDS
from twinrow.model.errors import ConfigurationError, SystemUnavailable
from twinrow.testing.clock import SettableClock

NO_ENVIRONMENT = (
    b'<error xmlns="http://docs.oasis-open.org/odata/ns/metadata"><code>NoEnvironment</code>'
    b"<message>Environment does not exist.</message></error>"
)


class Secrets:
    def resolve(self, reference: str) -> str:
        raise AssertionError("nobody asked for a secret yet")


def wrong(checks: list[Check]) -> list[Check]:
    return [check for check in checks if not check.passed]


def test_opening_sends_nothing_and_asks_for_no_secret() -> None:
    options = {"tenant": "t", "environment": "e", "company": "c", "client_id": "a", "secret": "env:NOT_SET"}
    connector = open_system("erp", options, Secrets(), SettableClock())
    connector.close()
    assert KINDS["business-central"] == "twinrow.connectors.business_central"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"address": "http://erp.example"}, "address: must begin with https://"),
        ({"company": ""}, "company: "),
        ({"routes": []}, "routes: "),
        ({"batch_parts": 101}, "batch_parts: "),
        ({"page_rows": 20_001}, "page_rows: "),
        ({"chosen": True}, "chosen: "),
    ],
)
def test_settings_that_are_wrong(changed: dict[str, Any], message: str) -> None:
    options = {"tenant": "t", "environment": "e", "company": "c", "client_id": "a", "secret": "env:S"} | changed
    with pytest.raises(ConfigurationError, match=message):
        open_system("erp", options, Secrets(), SettableClock())


def test_addresses_on_line_and_on_premises() -> None:
    common = {"tenant": "contoso.example", "company": "c", "client_id": "a", "secret": "env:S"}
    on_line = BusinessCentralSettings(environment="Production", **common)  # type: ignore[arg-type]
    assert on_line.api_root == "https://api.businesscentral.dynamics.com/v2.0/contoso.example/Production/api"
    at_home = BusinessCentralSettings(address="https://erp.example:7048/BC/", **common)  # type: ignore[arg-type]
    assert at_home.api_root == "https://erp.example:7048/BC/api"


def test_every_setting_is_explained() -> None:
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "business-central-system.md").read_text(encoding="utf-8")
    told = {
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert told == set(BusinessCentralSettings.model_fields)


@pytest.mark.parametrize("named", ["Wieland Werke GmbH", "wieland werke gmbh", "6F1A2C58-0D3B-4B7E-9A41-2F9E3C5D7B10"])
def test_a_company_is_found_by_name_or_id(named: str) -> None:
    identity = Company(company=named).connector.identify()
    assert identity.environment == "business-central:tenant/sandbox/6f1a2c58-0d3b-4b7e-9a41-2f9e3c5d7b10"
    assert identity.caller == "twinrow"
    assert identity.details["company_name"] == "Wieland Werke GmbH"


def test_a_company_that_does_not_exist() -> None:
    company = Company(company="Nobody Ltd.")
    with pytest.raises(ConfigurationError, match=r"no company 'Nobody Ltd\.'.*Wieland Werke GmbH.*Set company"):
        company.connector.identify()
    (check,) = wrong(company.connector.test())
    assert check.name == "Company"
    assert "Wieland Werke GmbH" in check.found


def test_a_company_that_is_not_the_first() -> None:
    company = Company(company="Second Ltd.")
    company.site.switch(companies=["Wieland Werke GmbH", "Second Ltd."])
    (answer,) = company.create({"displayName": "A"})
    assert answer["@status"] == "written"
    assert company.site.table("Second Ltd.$Customer") != []
    assert company.site.table("Customer") == []


def test_a_connection_that_works() -> None:
    company = Company()
    checks = company.connector.test()
    assert wrong(checks) == []
    assert [check.name for check in checks] == [
        "Address",
        "Certificate",
        "Sign-in",
        "Environment",
        "Route twinrow/sync/v1.0",
        "Route v2.0",
        "Company",
        "Permissions",
    ]


def test_without_the_extension_all_is_well_and_there_is_something_to_gain() -> None:
    checks = Company(own=False).connector.test()
    assert wrong(checks) == []
    (route,) = [check for check in checks if check.name == "Route twinrow/sync/v1.0"]
    assert "standard API" in route.found
    assert "Install twinrow's extension" in route.remedy


def test_a_site_with_none_of_the_routes() -> None:
    company = Company(own=False, routes=("twinrow/sync/v1.0", "contoso/app/v1.0"))
    (check,) = wrong(company.connector.test())
    assert (check.name, "none of the routes" in check.found) == ("Routes", True)


def certificate(_: httpx2.Request) -> Exception:
    error = httpx2.ConnectError("no", request=httpx2.Request("GET", HOST))
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.__cause__.verify_message = "self-signed certificate"
    return error


def refusing(_: httpx2.Request) -> Exception:
    error = httpx2.ConnectError("no", request=httpx2.Request("GET", HOST))
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


@pytest.mark.parametrize(
    ("answer", "name", "found", "remedy"),
    [
        (refusing, "Address", "Nothing answers at bc.example", "Check host and port"),
        (certificate, "Certificate", "self-signed certificate", "ca_file"),
        (
            lambda _: refused(401, "Authentication_InvalidCredentials", "No."),
            "Sign-in",
            "Authentication_InvalidCredentials",
            "Microsoft Entra Applications",
        ),
        (lambda _: said(404, NO_ENVIRONMENT), "Environment", "no environment 'sandbox'", "Check environment"),
        (lambda _: refused(403, "Authorization_RequestDenied", "No."), "Routes", "privilege", "permission set"),
        (
            lambda r: refused(403, "Authorization_RequestDenied", "No.") if "vendors" in str(r.url) else None,
            "Permissions",
            "privilege",
            "permission set",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(answer: Any, name: str, found: str, remedy: str) -> None:
    company = Company()
    company.override = answer
    (check,) = wrong(company.connector.test())
    assert check.name == name
    assert found in check.found
    assert remedy in check.remedy


def test_a_connection_test_does_not_wait_long() -> None:
    company = Company(patience_seconds=300)
    company.override = lambda _: refused(503, "Busy", "Later.")
    (check,) = company.connector.test()
    assert not check.passed
    assert company.clock.monotonic() <= 10
    with pytest.raises(SystemUnavailable):
        company.connector.tables()
    assert company.clock.monotonic() > 100


def test_metadata_that_cannot_be_read() -> None:
    company = Company()
    company.override = lambda request: said(200, b"<html>") if request.url.path.endswith("$metadata") else None
    with pytest.raises(SystemUnavailable, match="cannot be read"):
        company.connector.tables()


def test_the_services_time_is_asked_for_when_nothing_was_said_yet() -> None:
    company = Company()
    assert abs((company.connector.now() - company.site.clock.now()).total_seconds()) < 2


def test_a_fetch_of_one_record_is_one_request_and_of_many_few() -> None:
    company = Company()
    ids = [company.create({"displayName": f"N{n}"})[0]["@id"] for n in range(45)]
    company.requests.clear()
    assert company.connector.fetch("customers", ("number",), ids[:1]).height == 1
    assert len(company.requests) == 1
    company.requests.clear()
    assert company.connector.fetch("customers", ("number",), ids).height == 45
    assert len(company.requests) == 1


def test_more_pages_behind_a_part_of_a_batch_are_followed() -> None:
    company = Company()
    company.site.switch(page_size=4)
    ids = [company.create({"displayName": f"N{n}"})[0]["@id"] for n in range(30)]
    assert set(company.connector.fetch("customers", (), ids)["@id"]) == set(ids)
