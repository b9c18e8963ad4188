"""A secret is found in every spelling that quoted text can give it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdrantctl.model.secret_spelling import hide_secret

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)
SPELLINGS = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON escapes alone": lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote_plus(text, safe=""), safe=""),
    "HTML": html.escape,
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML numbers": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML hexadecimal": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "bytes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@settings(deadline=None)
@given(SECRETS)
def test_hidden_as_a_whole(spell, secret):
    assert hide_secret(f"before {spell(secret)} after", secret, "…") == "before … after"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@settings(deadline=None)
@given(SECRETS, st.text("abc:", max_size=4), st.text("abc:", max_size=4))
def test_in_base64_no_more_than_an_edge_is_left(encode, secret, before, after):
    encoded = encode(f"{before}{secret}{after}".encode()).decode()
    shown = hide_secret(encoded, secret, "…")
    assert "…" in shown
    assert len(shown) <= len(encode(before.encode())) + len(encode(after.encode())) + 5
    assert hide_secret(quote(encoded, safe=""), secret, "…") != quote(encoded, safe="")


def test_another_text_stays():
    text = 'no %65 key &amp; no \\u0065 token: "canary-key-3f9b"'
    assert hide_secret(text, "canary-key-3f9a", "…") == text
    assert hide_secret(text, None, "…") == text
