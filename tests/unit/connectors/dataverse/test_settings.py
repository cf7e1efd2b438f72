"""Settings of a Dataverse system, and what is wrong with some."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from twinrow.connectors.dataverse import DataverseSettings, open_system
from twinrow.connectors.odata.settings import read_settings
from twinrow.connectors.opening import open_connector
from twinrow.model.errors import ConfigurationError
from twinrow.testing.clock import SettableClock

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "dataverse-system.md"
GOOD = {"address": "https://contoso.crm4.dynamics.com", "tenant": "t", "client_id": "c", "secret": "env:S"}


class Secrets:
    def resolve(self, reference: str) -> str:
        raise AssertionError("no secret is needed yet")


def settings(**changes: Any) -> DataverseSettings:
    return read_settings(DataverseSettings, "the CRM", GOOD | changes)


def test_the_environment_gives_addresses_and_scope() -> None:
    read = settings(address="https://Contoso.CRM4.dynamics.com:443/")
    assert read.address == "https://contoso.crm4.dynamics.com"
    assert read.api_root == "https://contoso.crm4.dynamics.com/api/data/v9.2"
    assert read.scope == "https://contoso.crm4.dynamics.com/.default"
    assert (read.page_rows, read.batch_parts, read.parallel_requests) == (5_000, 100, 4)
    assert settings(address="https://localhost:8443").address == "https://localhost:8443"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"address": "contoso.crm4.dynamics.com"}, "must begin with https://"),
        ({"address": "http://contoso.crm4.dynamics.com"}, "must begin with https://"),
        ({"address": "https://contoso.crm4.dynamics.com/main.aspx?appid=1"}, "environment's address alone"),
        ({"address": "https://contoso.crm4.dynamics.com/api/data/v9.2"}, "environment's address alone"),
        ({"address": "https://me@contoso.crm4.dynamics.com"}, "environment's address alone"),
        ({"page_rows": 5_001}, "page_rows"),
        ({"batch_parts": 1_001}, "batch_parts"),
        ({"parallel_requests": 52}, "parallel_requests"),
        ({"certificate": "key.pem"}, "exactly one of secret, certificate and managed_identity"),
        ({"environment": "Production"}, "environment"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        settings(**changes)
    assert "Known settings: tenant" in str(caught.value)


def test_an_address_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="address"):
        read_settings(DataverseSettings, "the CRM", {name: GOOD[name] for name in GOOD if name != "address"})


def test_opening_sends_nothing_and_asks_for_no_secret() -> None:
    connector = open_connector("dataverse", "the CRM", GOOD, Secrets(), SettableClock())
    connector.close()
    open_system("the CRM", GOOD, Secrets(), SettableClock()).close()


def test_every_setting_is_on_the_page_and_every_one_there_exists() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(DataverseSettings.model_fields)
