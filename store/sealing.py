"""Encryption of secrets at rest: AES-256-GCM, bound to the tenant and name, so that no row can pass for another."""

import base64
import binascii
import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.errors import SecretsUnusable

KEY_BYTES = 32
_NONCE_BYTES = 12
HOW = "32 random bytes in base64, such as `openssl rand -base64 32` prints"


class Sealer:
    """Seals with the first key and opens with any, so that a key can be replaced."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    @classmethod
    def of(cls, configured: str, data_dir: Path) -> Self:
        """With the keys of the settings, separated by commas; without any, with that of `secrets.key` in the data
        folder, which only its owner can read and which is made when it is missing. Raises SecretsUnusable."""
        if configured.strip():
            return cls([_decoded(one, "RETORT_SECRETS_KEY") for one in configured.split(",") if one.strip()])
        return cls([_of_file(data_dir / "secrets.key")])

    def seal(self, value: str, *, tenant: str, name: str) -> bytes:
        """The value, encrypted."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, value.encode(), _bound_to(tenant, name))

    def open(self, sealed: bytes, *, tenant: str, name: str) -> str:
        """The value; raises SecretsUnusable where none of the keys opens it."""
        for cipher in self._ciphers:
            try:
                opened = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(tenant, name))
                return opened.decode()
            except InvalidTag:
                continue
        raise SecretsUnusable(
            f"the secret {name!r} was stored with another key",
            hint="give API and workers the same RETORT_SECRETS_KEY, or store the secret again",
        )


def _bound_to(tenant: str, name: str) -> bytes:
    return f"{tenant}\0{name}".encode()


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip().encode("ascii", "strict"), altchars=b"-_", validate=False)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SecretsUnusable(f"{where} is no key: it must be {HOW}")
    return key


def _of_file(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if not path.exists():
            with open(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(base64.b64encode(os.urandom(KEY_BYTES)))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was faster: its key is everybody's
                os.link(mine, path)
        return _decoded(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SecretsUnusable(f"{path} cannot be used: {error}") from None
    finally:
        mine.unlink(missing_ok=True)
