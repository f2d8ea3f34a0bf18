"""The text of an API key: `rtk_<id>_<secret><checksum>`.

The prefix lets scanners of repositories find leaked keys, and the checksum lets them tell a key from a similar text
without asking the service (https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/).
The secret has 256 random bits. The database therefore stores the plain SHA-256 of a key: nobody can guess so many bits,
so the hash need not be slow.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

PREFIX = "rtk"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_DIGITS = 43  # 62**43 > 2**256
_CHECKSUM_DIGITS = 6  # 62**6 > 2**32
_PATTERN = re.compile(rf"{PREFIX}_([0-9A-HJKMNP-TV-Z]{{26}})_[0-9A-Za-z]{{{_SECRET_DIGITS + _CHECKSUM_DIGITS}}}")
# Both sign-in links and cookies of sessions.
_SESSION_BYTES = 32


def new_key(key_id: str) -> str:
    """The text of a new key; `key_id` is key_<ULID>."""
    secret = _in_digits(secrets.randbits(256), _SECRET_DIGITS)
    start = f"{PREFIX}_{key_id.removeprefix('key_')}_{secret}"
    return start + _checksum(start)


def key_id_of(text: str) -> str | None:
    """The id of the key with this text; None where the text is no key or its checksum is wrong."""
    match = _PATTERN.fullmatch(text)
    start = text[:-_CHECKSUM_DIGITS]
    return f"key_{match[1]}" if match and text == start + _checksum(start) else None


def new_session() -> str:
    """The secret of a session or of a sign-in link."""
    return secrets.token_urlsafe(_SESSION_BYTES)


def digest(text: str) -> str:
    """What the database stores of a secret: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def same(first: str, second: str) -> bool:
    """Whether two digests are equal, compared in constant time."""
    return hmac.compare_digest(first, second)


def _checksum(text: str) -> str:
    return _in_digits(zlib.crc32(text.encode()), _CHECKSUM_DIGITS)


def _in_digits(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
