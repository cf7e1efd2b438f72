"""Signing in with Microsoft's own client library, and with the plain protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from tests.sandbox.tiny import Running, running


@pytest.fixture(scope="module")
def server(authority_directory: Path) -> Iterator[Running]:
    with running(authority_directory) as started:
        yield started


def credential(server: Running, client: str, secret: str) -> ClientSecretCredential:
    return ClientSecretCredential(
        "11111111-2222-3333-4444-555555555555",
        client,
        secret,
        authority=server.url,
        disable_instance_discovery=True,
        connection_verify=str(server.files.ca_file),
    )


def whoami(server: Running, token: str) -> tuple[int, dict[str, str], object]:
    return server.send("GET", "/api/notes", None, {"Authorization": f"Bearer {token}"})


def test_azure_identity_signs_in(server: Running) -> None:
    with (
        credential(server, "twinrow", "sandbox-secret") as signed_in,
        credential(server, "person", "person-secret") as person,
    ):
        token = signed_in.get_token(f"{server.url}/.default").token
        assert whoami(server, token)[2] == {"notes": [], "caller": "Twinrow Integration"}
        token = person.get_token(f"{server.url}/.default").token
        assert whoami(server, token)[2] == {"notes": [], "caller": "Paula Person"}


@pytest.mark.parametrize(
    ("client", "secret", "error"),
    [("twinrow", "wrong", "AADSTS7000215"), ("stranger", "sandbox-secret", "AADSTS700016")],
)
def test_azure_identity_is_told_what_is_wrong(server: Running, client: str, secret: str, error: str) -> None:
    with credential(server, client, secret) as signing_in, pytest.raises(ClientAuthenticationError, match=error):
        signing_in.get_token(f"{server.url}/.default")


def test_a_missing_or_foreign_token_is_refused_with_the_address_to_sign_in(server: Running) -> None:
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": f"Bearer {server.token}x"}):
        status, answer_headers, _ = server.send("GET", "/api/notes", None, headers)
        assert status == 401
        assert answer_headers["www-authenticate"].startswith(f"Bearer authorization_uri={server.url}/")


def test_tokens_expire_by_the_sandbox_clock(server: Running) -> None:
    server.clock.freeze()
    token = server.sign_in.issue("twinrow")
    server.clock.advance(3598)
    assert whoami(server, token)[0] == 200
    server.clock.advance(1)
    assert whoami(server, token)[0] == 401
    server.clock.set(None)
    server.clock.run()


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ("grant_type=password", 400, "unsupported_grant_type"),
        ("grant_type=client_credentials&client_id=twinrow", 400, "invalid_request"),
        ("grant_type=client_credentials&client_id=twinrow&scope=https://x/read", 400, "invalid_scope"),
        ("grant_type=client_credentials&client_id=a&scope=x/.default", 400, "unauthorized_client"),
        ("grant_type=client_credentials&client_id=twinrow&scope=x/.default", 401, "invalid_client"),
    ],
)
def test_errors_have_the_shape_of_entra(server: Running, form: str, status: int, error: str) -> None:
    answered, _, value = server.send("POST", "/tenant/oauth2/v2.0/token", form.encode(), {"x": "y"})
    assert (answered, value["error"]) == (status, error)
    assert value["error_description"].startswith(f"AADSTS{value['error_codes'][0]}: ")
    assert {"timestamp", "trace_id", "correlation_id"} <= value.keys()


def test_a_token_is_good_on_every_server_of_the_directory(server: Running, authority_directory: Path) -> None:
    with running(authority_directory) as other:
        assert whoami(other, server.token)[0] == 200
