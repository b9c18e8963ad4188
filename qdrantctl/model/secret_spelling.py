"""Every spelling that a key or token can take in quoted text: JSON, percent, HTML, base64."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache

_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


@lru_cache(maxsize=8)
def spelling_pattern(secret: str) -> re.Pattern[str]:
    """A pattern for a secret that is not empty, in any spelling, also in one within another."""
    return re.compile("|".join([_spell(secret), *_spell_base64(secret)]))


def hide_secret(text: str, secret: str | None, instead: str) -> str:
    """The text with `instead` in place of the secret; unchanged without a secret."""
    return spelling_pattern(secret).sub(instead, text) if secret else text


def _spell(text: str) -> str:
    return "".join(map(_spell_character, text))


def _spell_character(char: str) -> str:
    """A pattern for one character: itself, or escaped, maybe more than once."""
    code, octets = ord(char), char.encode("utf-8", "replace")
    escapes = [
        r"\\+u" + f"{code:04x}",
        r"\\+x" + f"{code:02x}",
        "".join(f"%(?:25)*{octet:02x}" for octet in octets),
        rf"&(?:amp;)*\#0*{code};?",
        rf"&(?:amp;)*\#x0*{code:x};?",
    ]
    if char in _ENTITIES:
        escapes.append(f"&(?:amp;)*{_ENTITIES[char]};")
    if not char.isalnum():
        escapes.append(r"\\+" + re.escape(char))
    return f"(?:(?i:{'|'.join(escapes)})|{re.escape(char)})"


def _spell_base64(secret: str) -> list[str]:
    """Patterns for the secret anywhere in base64 text: it can begin at three places of a group."""
    patterns = []
    for before in range(3):
        data = bytes(before) + secret.encode("utf-8", "replace")
        # The characters at both ends also depend on what is beside the secret.
        first, end = (before * 8 + 5) // 6, len(data) * 8 // 6
        whole = b64encode(data).decode()[first:end]
        either = {"+": f"(?:{_spell('+')}|-)", "/": f"(?:{_spell('/')}|_)"}
        patterns.append("".join(either.get(char, char) for char in whole))
    return [pattern for pattern in patterns if pattern]
