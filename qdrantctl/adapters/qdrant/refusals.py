"""Why a request was refused: whose words the response holds, and the cause if they establish one.

A status alone establishes little: proxies, ingresses and firewalls use the same numbers as Qdrant.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote

from qdrantctl.model.errors import FORBIDDEN, NOT_FOUND, UNAUTHORIZED
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.step import Call

TIMED_OUT, TOO_LARGE, MISDIRECTED, TOO_MANY, NO_STORAGE = 408, 413, 421, 429, 507
BAD_GATEWAY, UNAVAILABLE, GATEWAY_TIMEOUT = 502, 503, 504

REVOKED, EXPIRED, WRONG_SIGNATURE = "stateful validation failed", "Expired", "InvalidSignature"
"""Fragments of Qdrant's words for a token that it does not accept."""
SIGNED_WITH_ANOTHER_KEY = (
    "it was signed with another API key: that of another cluster, or one that has been replaced"
)
NOT_ALL_VISIBLE = "Global access is required"
"""Qdrant's words to a token that is limited to some collections."""
COLLECTION_LIMIT = "Max collections limit reached"
"""Qdrant's words when it may hold no further collection."""

STANDALONE = "running in standalone mode"
"""A fragment of Qdrant's words for a request that needs a cluster (405, since 1.19)."""

_PLAIN_KEY = re.compile(
    r"Must provide an API key or an|Invalid API key or JWT|Invalid JWT|\w+Signature$|access\[\d"
)
_PLAIN_ABSENCE = ("Not found: Snapshot", "Not found: Collection `")
"""How Qdrant's own refusals begin that are not JSON: those of keys, and of snapshot downloads."""
_OTHER_COLLECTION = re.compile(r"Collection `(.*)` doesn't exist")
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype|html|head|body|title|h1)\b", re.I | re.S)
_UNSEEN = re.compile(rb"<(script|style|svg)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.I | re.S)


@frozen
class Refusal:
    """What an error says of a response with an error status."""

    what: str
    hint: str = ""
    maybe_applied: bool = False
    """Whether a write may have taken effect nevertheless."""


@frozen
class RefusedRequest:
    """A request, and what is known of its response."""

    call: Call
    size: int
    """Bytes of its body."""
    status: int
    words: str
    """What the response says, as one line."""
    from_qdrant: bool
    is_html: bool
    is_foreign: bool
    """Whether its form shows that it is not Qdrant's; plain text and no text show nothing."""
    retry_after: float
    """Seconds to wait, 0 if the response states none."""
    has_key: bool
    key_hint: str
    """Where the key comes from, or could be set."""
    expires: datetime | None = None
    """When the key expires, if it is a token with an end."""
    is_token: bool = False


def is_html(body: bytes) -> bool:
    """Whether a response is an HTML page."""
    return _HTML.match(body) is not None


def readable_words(body: bytes) -> bytes:
    """The body of a response, without the markup if it is an HTML page."""
    return _UNSEEN.sub(b" ", body) if is_html(body) else body


def is_qdrants_answer(body: bytes, parsed: Json, call: Call) -> bool:
    """Whether a response with an error status is Qdrant's own, and about the path of the request.

    Qdrant refuses in JSON with `status` and `time`, and a few times in plain text of a known form.
    """
    if isinstance(parsed, dict):
        status, time = parsed.get("status"), parsed.get("time")
        said = status.get("error") if isinstance(status, dict) else None
        if not isinstance(said, str) or not isinstance(time, int | float):
            return False
        return not _names_other_collection(said, call)
    text = body.decode("utf-8", "replace")
    is_download = "/snapshots/" in call.path and text.startswith(_PLAIN_ABSENCE)
    own = _PLAIN_KEY.match(text) is not None or is_download
    return parsed is None and own and not _names_other_collection(text, call)


def _names_other_collection(said: str, call: Call) -> bool:
    """Whether a 404 is about another collection than that of the path: something rewrote it."""
    named, parts = _OTHER_COLLECTION.search(said), call.path.split("/")
    if not named or len(parts) < 3 or parts[1] != "collections" or parts[2] == "aliases":
        return False
    return named[1] != unquote(parts[2])


def explain_refusal(request: RefusedRequest) -> Refusal:
    """What failed, the next step, and whether a write may have taken effect."""
    explain = _explain_qdrant if request.from_qdrant else _explain_other
    return explain(request)


def _explain_qdrant(request: RefusedRequest) -> Refusal:
    """The causes that Qdrant's own words establish."""
    call, status, words = request.call, request.status, request.words
    answered = f"{call.method} {call.path} answered {status}"
    if status in (UNAUTHORIZED, FORBIDDEN):
        return _explain_key(request, answered)
    if status == TOO_MANY:
        return Refusal(
            answered, _rate_hint("A rate limit is exhausted", request) + ".", call.writes
        )
    if status == NO_STORAGE:
        return Refusal(answered, _quota_hint(call))
    if STANDALONE in words:
        hint = "Nothing was done: shard keys, replicas and peers need a server in cluster mode."
        return Refusal(answered, hint)
    if status == TIMED_OUT or status >= 500:
        hint = "Check the server's log, and whether every node is up."
        return Refusal(answered, hint, call.writes)
    if COLLECTION_LIMIT in words:
        hint = (
            "Raise storage.max_collections of the server, or delete a collection. qdrantctl needs "
            "two collections of its own: the ledger, and a lease while it applies."
        )
        return Refusal(answered, hint)
    if "larger than allowed" in words:
        return Refusal(answered, "Raise service.max_request_size_mb of the server.")
    return Refusal(answered)


def _quota_hint(call: Call) -> str:
    """Why there is no room. Of points, a replica on another node may have taken a part."""
    outcome = "" if "/points" in call.path else "Nothing was done: a"
    return (
        f"{outcome or 'A'} quota of the server's memory or disk is exceeded, as GET /quotas shows. "
        "Delete what is not needed, or raise the quota. Meanwhile points, payload indexes and "
        "vector names are refused, while collections and aliases are created and changed."
    )


def _explain_key(request: RefusedRequest, answered: str) -> Refusal:
    """Why Qdrant does not accept the key or token, or what it does not allow."""
    words, hint = request.words, request.key_hint
    if words.startswith("Must provide"):
        if not request.has_key:
            return Refusal("the server requires an API key", hint)
        return Refusal(
            "the API key does not reach the server",
            "Something between removes the header api-key.",
        )
    if REVOKED in words and request.status == FORBIDDEN:
        return Refusal("the registry that the token depends on is missing", hint)
    if REVOKED in words:
        what = "the token was revoked: it is no longer in the registry"
        return Refusal(what, hint)
    if EXPIRED in words:
        when = f", at {request.expires:%Y-%m-%dT%H:%M:%SZ}" if request.expires else ""
        return Refusal(f"the token has expired{when}", hint)
    if words == WRONG_SIGNATURE:
        told = SIGNED_WITH_ANOTHER_KEY.removeprefix("it ")
        return Refusal(f"the server rejects the token: {told}", hint)
    if request.status == UNAUTHORIZED:
        name = "token" if request.is_token else "API key"
        jwt = "Is service.jwt_rbac enabled there? " if request.is_token else ""
        return Refusal(f"the server rejects the {name}", jwt + hint)
    if "Global manage access" in words:
        hint = "The key is read-only, or limited to some collections; use one with manage access."
    elif NOT_ALL_VISIBLE in words:
        hint = "The key has access to a part of the cluster only; use a cluster-wide one."
    elif "Access to collection" in words:
        hint = "The scope of the key does not include that; use a cluster-wide one."
    else:
        hint = ""
    return Refusal(answered, hint)


def _explain_other(request: RefusedRequest) -> Refusal:
    """What a status means that is not in Qdrant's own words. No cause is named but its own."""
    call, status = request.call, request.status
    answered = f"{call.method} {call.path} answered {status}"
    answered += ", with an HTML page" if request.is_html else ", without Qdrant's JSON"
    source = "Something other than Qdrant answered (a proxy, an ingress, a firewall)"
    if not request.is_foreign:
        source = "Something in between probably answered (a proxy, an ingress, a firewall)"
    advice = {
        UNAUTHORIZED: "it wants credentials of its own",
        FORBIDDEN: "it does not let this request pass; allow every path of Qdrant",
        NOT_FOUND: "it does not know this path; allow every path of Qdrant, and check the path in "
        "the URL. Whether the resource exists is not known",
        TIMED_OUT: "it waited too long for the request",
        TOO_LARGE: f"it takes no body of {request.size:,} bytes; raise its limit "
        "(client_max_body_size in nginx)",
        MISDIRECTED: "it does not serve this host name; check the name in the URL",
        TOO_MANY: _rate_hint("it limits the rate", request),
        BAD_GATEWAY: "it does not reach the server",
        UNAVAILABLE: "it has no server to pass the request to",
        GATEWAY_TIMEOUT: "it does not wait longer for the server; raise its timeout",
        NO_STORAGE: "it has no room for the body of the request",
    }.get(status, "")
    hint = f"{source}: {advice}." if advice else f"{source}."
    maybe = status in (TIMED_OUT, TOO_MANY) or (status >= 500 and status != NO_STORAGE)
    return Refusal(answered, hint, call.writes and maybe)


def _rate_hint(told: str, request: RefusedRequest) -> str:
    seconds = request.retry_after
    wait = f"in {seconds:.0f} seconds" if 0 < seconds < 1e6 else "in a minute"
    return f"{told}; try again {wait}"


def token_end(claims: Json) -> datetime | None:
    """When a token expires, by its claims; None if it never does or says nothing usable."""
    seconds = claims.get("exp") if isinstance(claims, dict) else None
    if type(seconds) is not int or not 0 < seconds < 2**37:
        return None
    return datetime.fromtimestamp(seconds, UTC)
