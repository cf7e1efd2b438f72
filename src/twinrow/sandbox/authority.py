"""A certificate authority of the sandbox's own, and what both servers share on disk beside it.

Clients of the real services insist on HTTPS with a certificate that they can check, so the sandbox has one for
`localhost` and `127.0.0.1`, signed by an authority whose certificate lies in a file to be handed to the client.
Servers that are started on the same directory share the authority and the key that signs access tokens.
"""

from __future__ import annotations

import os
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path

CA_FILE = "ca.pem"
_SERVER_FILE = "server.pem"
_SIGNING_FILE = "signing.key"


@dataclass(frozen=True)
class Authority:
    """The files of one authority. `ca_file` is what clients need; `token_key` signs access tokens."""

    ca_file: Path
    server_file: Path
    token_key: bytes

    def server_context(self) -> ssl.SSLContext:
        """The TLS settings of a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_file)
        return context

    def client_context(self) -> ssl.SSLContext:
        """The TLS settings of a client that trusts this authority."""
        return ssl.create_default_context(cafile=str(self.ca_file))


def authority(directory: Path) -> Authority:
    """The authority kept in `directory`; it is made there when there is none yet."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_file, server_file, key_file = (directory / name for name in (CA_FILE, _SERVER_FILE, _SIGNING_FILE))
    if not (ca_file.exists() and server_file.exists() and key_file.exists()):
        # Two servers may be started at once: whoever takes the lock file first makes the files.
        lock = directory / "authority.lock"
        with lock.open("w") as handle:
            _lock(handle.fileno())
            if not (ca_file.exists() and server_file.exists() and key_file.exists()):
                _make(ca_file, server_file, key_file)
    return Authority(ca_file, server_file, key_file.read_bytes())


def _make(ca_file: Path, server_file: Path, key_file: Path) -> None:
    import trustme

    issuer = trustme.CA(organization_name="twinrow sandbox")
    certificate = issuer.issue_cert("localhost", "127.0.0.1")
    _write(key_file, secrets.token_bytes(32))
    _write(server_file, certificate.private_key_and_cert_chain_pem.bytes())
    _write(ca_file, issuer.cert_pem.bytes())


def _write(file: Path, content: bytes) -> None:
    unfinished = file.with_suffix(f".{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(file)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # a platform without file locks: the last writer wins, each file is whole
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
