"""Signing in as Microsoft Entra ID offers it to applications: OpenID discovery, client credentials, bearer tokens.

Every tenant name is known. A token carries who it was given to and until when, signed with the key that servers on
the same directory share; so it outlives a restart, and a token from one server is good on the other. Expiry follows
the sandbox's clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.http import Answer, Request, decode_query, json_answer

LIFETIME_SECONDS = 3599
_REMEMBERED_TOKENS = 1000
_DISCOVERY_PATH = "v2.0/.well-known/openid-configuration"
_TOKEN_PATH = "oauth2/v2.0/token"  # noqa: S105 -- a path
_TOKEN_HEADER = b'{"alg":"HS256","typ":"JWT"}'


@dataclass(frozen=True)
class Client:
    """An application that may sign in. `person` marks one that stands for a human being at the keyboard."""

    client_id: str
    secret: str
    name: str
    person: bool = False


@dataclass(frozen=True)
class Caller:
    """Who sent a request."""

    client_id: str
    name: str
    tenant: str


DEFAULT_CLIENTS = (
    Client("twinrow", "sandbox-secret", "Twinrow Integration"),
    Client("person", "person-secret", "Paula Person", person=True),
)


class SignIn:
    """The sign-in service of one server; `clients` are the applications that it knows, by id."""

    def __init__(self, clock: SandboxClock, key: bytes, clients: Iterable[Client] = DEFAULT_CLIENTS) -> None:
        self.clients = {client.client_id: client for client in clients}
        self._clock = clock
        self._key = key
        self._seen: dict[str, tuple[Caller, float]] = {}

    def serves(self, path: str) -> bool:
        """Whether the path is one of signing in: `/{tenant}/...`, the tenant having any name."""
        return path.strip("/").partition("/")[2] in (_DISCOVERY_PATH, _TOKEN_PATH)

    def answer(self, request: Request) -> Answer | None:
        """Carry out a discovery or token request; None when the path is neither."""
        tenant, _, rest = request.path.strip("/").partition("/")
        if rest == _DISCOVERY_PATH and request.method == "GET":
            return json_answer(200, self._discovery(request.root, tenant))
        if rest == _TOKEN_PATH and request.method == "POST":
            return self._token(request, tenant)
        return None

    def caller(self, request: Request) -> Caller | None:
        """Who sent the request; None when it carries no token of ours, or one that has expired."""
        header = request.header("authorization") or ""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        known = self._seen.get(token) or self._read(token)
        if known is None or known[1] <= self._clock.now().timestamp():
            return None
        return known[0]

    def refusal(self, request: Request, body: Any = None) -> Answer:
        """The answer to a request without a valid token; `body` as the service words it."""
        headers = {
            "WWW-Authenticate": f"Bearer authorization_uri={request.root}/common/oauth2/authorize, "
            f"resource_id={request.root}/"
        }
        return Answer(401, headers) if body is None else json_answer(401, body, headers)

    def issue(self, client_id: str, tenant: str = "sandbox", seconds: float = LIFETIME_SECONDS) -> str:
        """A token for a known client, good for `seconds` from now."""
        now = self._clock.now().timestamp()
        claims = {"appid": client_id, "tid": tenant, "iat": now, "exp": now + seconds, "uti": uuid.uuid4().hex}
        signed = f"{_base64(_TOKEN_HEADER)}.{_base64(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def _read(self, token: str) -> tuple[Caller, float] | None:
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        try:
            claims = msgspec.json.decode(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        except (msgspec.DecodeError, binascii.Error):
            return None
        client = self.clients.get(claims["appid"])
        if client is None:
            return None
        if len(self._seen) >= _REMEMBERED_TOKENS:
            self._seen.clear()
        known = Caller(client.client_id, client.name, claims["tid"]), float(claims["exp"])
        self._seen[token] = known
        return known

    def _signature(self, text: str) -> str:
        return _base64(hmac.new(self._key, text.encode(), hashlib.sha256).digest())

    def _discovery(self, root: str, tenant: str) -> dict[str, Any]:
        return {
            "token_endpoint": f"{root}/{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"{root}/{tenant}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{root}/{tenant}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{root}/{tenant}/oauth2/v2.0/logout",
            "jwks_uri": f"{root}/{tenant}/discovery/v2.0/keys",
            "issuer": f"{root}/{tenant}/v2.0",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": None,
        }

    def _token(self, request: Request, tenant: str) -> Answer:
        form = decode_query(request.body.decode("utf-8", "replace"))
        client_id = form.get("client_id", "")
        if form.get("grant_type") != "client_credentials":
            return self._refuse(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type "
                f"'{form.get('grant_type', '')}'."
            )  # fmt: skip
        scope = form.get("scope", "")
        if not scope:
            return self._refuse(400, "invalid_request", 900144, "The request body must contain: 'scope'.")
        if not scope.split(" ")[0].endswith("/.default"):
            return self._refuse(
                400, "invalid_scope", 1002012, f"The provided value for scope {scope} is not valid. Client credential "
                "flows must have a scope value with /.default suffixed to the resource identifier."
            )  # fmt: skip
        client = self.clients.get(client_id)
        if client is None:
            return self._refuse(
                400, "unauthorized_client", 700016, f"Application with identifier '{client_id}' was not found in the "
                f"directory '{tenant}'."
            )  # fmt: skip
        if not hmac.compare_digest(form.get("client_secret", "").encode(), client.secret.encode()):
            return self._refuse(
                401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the "
                "request is the client secret value, not the client secret ID, for a secret added to app "
                f"'{client_id}'."
            )  # fmt: skip
        return json_answer(
            200,
            {
                "token_type": "Bearer",
                "expires_in": LIFETIME_SECONDS,
                "ext_expires_in": LIFETIME_SECONDS,
                "access_token": self.issue(client_id, tenant),
            },
            {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"},
        )

    def _refuse(self, status: int, error: str, number: int, text: str) -> Answer:
        timestamp = self._clock.now().strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        return json_answer(
            status,
            {
                "error": error,
                "error_description": f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} "
                f"Timestamp: {timestamp}",
                "error_codes": [number],
                "timestamp": timestamp,
                "trace_id": trace,
                "correlation_id": correlation,
            },
        )


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
