"""Signing in to Microsoft Entra ID as an application: tokens, renewed before they expire and when they are refused.

Source: protocol pages of both services, section 2. The work is done by azure-identity; this module says which credential,
keeps the token at hand (asking the library each time costs more than sending a request), and tells in words which of
tenant, client id, secret or certificate is wrong.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twinrow.connectors.odata.settings import ODataSettings
from twinrow.model.errors import ConfigurationError, SignInFailed, SystemUnavailable, TwinrowError, Unreachable
from twinrow.model.protocols import Clock, Secrets

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

RENEWED_BEFORE = 300.0
"""Seconds before its end at which a token is renewed."""

_CODE = re.compile(r"AADSTS(\d+)")

# What the numbers of Entra ID's refusals are about, and what to do.
_CAUSES: dict[str, tuple[str, str]] = {
    "90002": ("tenant", "Check the tenant: its id, or one of its domains."),
    "900023": ("tenant", "Check the tenant: its id, or one of its domains."),
    "700016": ("client id", "Check the client id, and that the application is registered in this tenant."),
    "7000215": ("secret", "Check that the secret's value is given, not its id."),
    "7000222": ("secret", "The secret has expired: make a new one for the application."),
    "7000216": ("secret", "Give a secret or a certificate for the application."),
    "700027": ("certificate", "Check that this certificate is registered for the application and has not expired."),
    "7000112": ("client id", "The application is disabled in the tenant: enable it."),
    "500011": ("address", "The tenant does not know the system that is asked for: check the address."),
    "1002012": ("address", "The tenant does not know the system that is asked for: check the address."),
}


# Numbers that say: not now.
_PASSING = frozenset({"90006", "90012", "90033", "90055"})

# What a failed connection says of itself when waiting does not mend it.
_LASTING = ("NameResolutionError", "Failed to resolve", "getaddrinfo", "refused")


class SignIn:
    """Gets tokens for one system. May be used by several threads at once."""

    def __init__(self, system: str, settings: ODataSettings, scope: str, secrets: Secrets, clock: Clock) -> None:
        self._system = system
        self._settings = settings
        self._scope = scope
        self._secrets = secrets
        self._clock = clock
        self._lock = threading.Lock()
        self._credential: TokenCredential | None = None
        self._token = ""
        self._renew_at = 0.0

    def token(self) -> str:
        """Return a token that is good for some minutes. Raises `SignInFailed`, `Unreachable` or `SystemUnavailable`."""
        with self._lock:
            if not self._token or self._clock.monotonic() >= self._renew_at:
                self._acquire()
            return self._token

    def renew(self, refused: str) -> None:
        """Forget a token that the system has refused, so that the next one is new."""
        with self._lock:
            if self._token == refused:
                self._token = ""
                # The library keeps tokens of its own, and would hand the same one out again.
                self._let_go()

    def close(self) -> None:
        """Let go of connections to the sign-in service."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._credential is not None:
            close: Callable[[], None] = getattr(self._credential, "close", lambda: None)
            close()
            self._credential = None

    def _acquire(self) -> None:
        from azure.core.exceptions import AzureError

        if self._credential is None:
            self._credential = self._new_credential()
        try:
            told = self._credential.get_token(self._scope)
        except AzureError as error:
            self._token = ""
            raise self._failure(error) from None
        self._token = told.token
        # The library reckons the end of a token by the machine's time of day.
        lasts = told.expires_on - time.time()
        self._renew_at = self._clock.monotonic() + max(lasts - RENEWED_BEFORE, lasts / 2)

    def _new_credential(self) -> TokenCredential:
        from azure.identity import CertificateCredential, ClientSecretCredential, ManagedIdentityCredential

        settings = self._settings
        if settings.managed_identity:
            return ManagedIdentityCredential(client_id=settings.client_id or None)
        # The client waits and tries again, patiently and for all requests at once; the library only bridges a hiccup.
        place: dict[str, Any] = {"retry_total": 1, "retry_backoff_factor": 0.2}
        if settings.authority is not None:
            place |= {"authority": settings.authority, "disable_instance_discovery": True}
            if settings.ca_file is not None:
                place["connection_verify"] = str(settings.ca_file)
        try:
            if settings.certificate is not None:
                password = settings.certificate_password
                return CertificateCredential(
                    settings.tenant,
                    settings.client_id,
                    certificate_path=str(settings.certificate),
                    password=self._secrets.resolve(password) if password is not None else None,
                    **place,
                )
            secret = self._secrets.resolve(settings.secret or "")
            return ClientSecretCredential(settings.tenant, settings.client_id, secret, **place)
        except TwinrowError:
            raise
        except OSError as error:
            raise ConfigurationError(
                f"The certificate of {self._system} cannot be read: {error.strerror}",
                remedy=f"Check the file {settings.certificate}.",
            ) from None
        except ValueError as error:
            raise ConfigurationError(
                f"The sign-in settings of {self._system} cannot be used",
                cause=str(error),
                remedy="Check tenant, client id, secret and certificate.",
            ) from None

    def _failure(self, error: Exception) -> TwinrowError:
        from azure.core.exceptions import HttpResponseError
        from azure.identity import CredentialUnavailableError

        authority = self._settings.authority or "https://login.microsoftonline.com"
        said = " ".join(str(error).split(" Trace ID:")[0].split())[:400]
        if isinstance(error, CredentialUnavailableError):
            return SignInFailed(
                f"There is no managed identity to sign in to {self._system} with",
                cause=said,
                remedy="Run where a managed identity is assigned, or give a secret or a certificate.",
            )
        found = _CODE.search(said)
        number = found[1] if found is not None else ""
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if number not in _PASSING and (number or (status is not None and status < 500)):
            wrong, remedy = _CAUSES.get(number, ("", ""))
            return SignInFailed(
                f"Signing in to {self._system} failed: the {wrong or 'tenant, client id or secret'} is wrong",
                cause=said,
                remedy=remedy or "Check tenant, client id and secret.",
            )
        # Without an answer of its own it is the way to the sign-in service that does not work.
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return Unreachable(
                f"The certificate of the sign-in service {authority} is not trusted",
                cause=said,
                remedy="Check the authority, or name its certificate authority with ca_file.",
            )
        if any(word in said for word in _LASTING):
            return Unreachable(
                f"The sign-in service {authority} cannot be reached", cause=said, remedy="Check the authority."
            )
        return SystemUnavailable(
            f"The sign-in service {authority} does not answer", cause=said, remedy="Try again later."
        )
