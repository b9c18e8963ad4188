"""Destinations of snapshots: `cluster`, or the URL of a folder or bucket."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

CLUSTER = "cluster"
"""Snapshots stay on the server."""
BUCKETS = ("s3", "gs", "az")
FOLDER_SCHEME = "file"


def unusable_destination_reason(text: str) -> str:
    """Why `text` is not a valid destination; empty if it is. Never quotes a secret."""
    if text == CLUSTER:
        return ""
    try:
        parts = urlsplit(text)
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        return "this is not a URL"
    if secret or parts.query or parts.fragment:
        return "a destination must not contain credentials, a query or a fragment"
    if parts.scheme == FOLDER_SCHEME:
        if parts.netloc or not parts.path.startswith("/"):
            return "a folder needs its absolute path, as in file:///var/backups"
    elif parts.scheme not in BUCKETS:
        return f"{parts.scheme or 'this'} is not a type of destination"
    elif not parts.netloc or ":" in parts.netloc:
        return "the bucket is missing, as in s3://backups/qdrant"
    if any(word in (".", "..") for word in unquote(parts.path).split("/")):
        return "a destination must not contain . or .. in its path"
    return ""
