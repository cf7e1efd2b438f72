"""The settings that systems behind OData have in common: where to sign in, and how hard to push.

Settings come from the store as plain values and are checked here; secrets are references (`env:NAME`, `file:PATH`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinrow.model.errors import ConfigurationError


class ODataSettings(BaseModel):
    """Sign-in and manners of a system.

    One of `secret`, `certificate` (a PEM or PFX file; `certificate_password` where it has one) and `managed_identity`
    says how we prove who we are. `authority` is another sign-in service than Microsoft's public one; `ca_file` names
    certificate authorities to be trusted besides the usual ones, by the system and by a named authority.
    `patience_seconds` is how long one request may be tried in all while a system says "not now", `timeout_seconds` how
    long a system may be silent before a request counts as unanswered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    tenant: str = Field(min_length=1)
    client_id: str = ""
    secret: str | None = None
    certificate: Path | None = None
    certificate_password: str | None = None
    managed_identity: bool = False
    authority: str | None = None
    ca_file: Path | None = None
    parallel_requests: int = Field(default=5, ge=1, le=64)
    patience_seconds: float = Field(default=300, ge=0)
    timeout_seconds: float = Field(default=600, gt=0)

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        proofs = [self.secret is not None, self.certificate is not None, self.managed_identity]
        if sum(proofs) != 1:
            raise ValueError("give exactly one of secret, certificate and managed_identity")
        if not self.managed_identity and not self.client_id:
            raise ValueError("client_id is needed with a secret or a certificate")
        if self.authority is not None and not self.authority.startswith("https://"):
            raise ValueError("authority must begin with https://")
        return self


Settings = TypeVar("Settings", bound=ODataSettings)


def read_settings(kind: type[Settings], system: str, options: Mapping[str, Any]) -> Settings:
    """Return the settings of a system. Raises `ConfigurationError` that names every setting that is wrong, and no value."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        problems = [
            ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, "))))
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(
            f"The settings of {system} cannot be used: {'; '.join(problems)}",
            remedy=f"Known settings: {', '.join(kind.model_fields)}.",
        ) from None
