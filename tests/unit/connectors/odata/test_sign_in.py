"""Signing in with Microsoft's library at a sandbox server, over HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.tiny import Running, running

from twinrow.connectors.odata.settings import ODataSettings
from twinrow.connectors.odata.sign_in import SignIn
from twinrow.model.errors import ConfigurationError, SignInFailed, Unreachable
from twinrow.testing.clock import SettableClock

SCOPE = "https://system.example/.default"


class Secrets:
    def resolve(self, reference: str) -> str:
        return {"env:RIGHT": "sandbox-secret", "env:WRONG": "hunter2"}[reference]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory: Path = tmp_path_factory.mktemp("authority")
    with running(directory) as started:
        yield started


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


def signing_in(server: Running, clock: SettableClock, **changed: Any) -> SignIn:
    options = {
        "tenant": "contoso.example",
        "client_id": "twinrow",
        "secret": "env:RIGHT",
        "authority": server.url,
        "ca_file": server.files.ca_file,
        **changed,
    }
    return SignIn("the system", ODataSettings(**options), SCOPE, Secrets(), clock)


def test_a_token_is_kept_and_renewed_before_it_ends(server: Running, clock: SettableClock) -> None:
    sign_in = signing_in(server, clock)
    first = sign_in.token()
    assert server.send("GET", "/api/notes", None, {"Authorization": f"Bearer {first}"})[0] == 200
    clock.advance(timedelta(minutes=50))
    assert sign_in.token() == first
    # Known to be refused: the next one is new, although the library has the old one still.
    sign_in.renew(first)
    second = sign_in.token()
    assert second != first
    sign_in.renew(first)
    assert sign_in.token() == second, "another thread has renewed it already"
    sign_in.close()
    sign_in.close()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"secret": "env:WRONG"}, "the secret is wrong.*AADSTS7000215.*value"),
        ({"client_id": "stranger"}, "the client id is wrong.*AADSTS700016.*registered"),
    ],
)
def test_it_says_what_is_wrong(server: Running, clock: SettableClock, changed: dict[str, str], message: str) -> None:
    sign_in = signing_in(server, clock, **changed)
    with pytest.raises(SignInFailed, match=message) as raised:
        sign_in.token()
    assert "hunter2" not in str(raised.value)
    assert "Trace ID" not in str(raised.value)
    sign_in.close()


def test_a_certificate_file_that_is_not_there(server: Running, clock: SettableClock) -> None:
    with pytest.raises(ConfigurationError, match=r"certificate of the system cannot be read.*nowhere\.pem"):
        signing_in(server, clock, secret=None, certificate="nowhere.pem").token()


def test_a_certificate_file_that_is_none(server: Running, clock: SettableClock, tmp_path: Path) -> None:
    file = tmp_path / "app.pem"
    file.write_text("no certificate")
    with pytest.raises(ConfigurationError, match="sign-in settings of the system"):
        signing_in(server, clock, secret=None, certificate=str(file)).token()


def test_an_authority_that_is_not_trusted(server: Running, clock: SettableClock) -> None:
    sign_in = signing_in(server, clock, ca_file=None)
    with pytest.raises(Unreachable, match=r"certificate of the sign-in service https://localhost:\d+ is not trusted"):
        sign_in.token()
    sign_in.close()
