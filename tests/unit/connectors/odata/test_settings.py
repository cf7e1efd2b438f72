from __future__ import annotations

from typing import Any

import pytest

from twinrow.connectors.odata.settings import ODataSettings, read_settings
from twinrow.model.errors import ConfigurationError

GOOD: dict[str, Any] = {"tenant": "contoso.example", "client_id": "app", "secret": "env:APP"}


def test_settings_with_their_defaults() -> None:
    settings = read_settings(ODataSettings, "erp", GOOD)
    assert (settings.parallel_requests, settings.authority, settings.managed_identity) == (5, None, False)
    assert read_settings(ODataSettings, "erp", {"tenant": "t", "managed_identity": True}).client_id == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"secret": None}, "exactly one of secret, certificate and managed_identity"),
        ({"certificate": "app.pem"}, "exactly one of secret, certificate and managed_identity"),
        ({"client_id": ""}, "client_id is needed"),
        ({"tenant": ""}, "tenant: "),
        ({"authority": "http://login.example"}, "authority must begin with https://"),
        ({"parallel_requests": 0}, "parallel_requests: "),
        ({"patience": 3}, "patience: "),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        read_settings(ODataSettings, "erp", GOOD | changed)
    assert "erp" in str(raised.value)


def test_a_secret_that_was_pasted_in_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_settings(ODataSettings, "erp", GOOD | {"secret": ["hunter2"], "tenant": 7})
    assert "hunter2" not in str(raised.value)
