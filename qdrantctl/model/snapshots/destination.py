"""Where snapshots are put: `cluster`, or a URL of a folder or a bucket."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

CLUSTER = "cluster"
"""Left on the server."""
BUCKETS = ("s3", "gs", "az")
FOLDER_SCHEME = "file"


def unusable_destination_reason(text: str) -> str:
    """Why snapshots cannot be put there; empty when they can. Quotes nothing secret."""
    if text == CLUSTER:
        return ""
    try:
        parts = urlsplit(text)
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        return "this is not a URL"
    if secret or parts.query or parts.fragment:
        return "a destination holds no credentials, no query and no fragment"
    if parts.scheme == FOLDER_SCHEME:
        if parts.netloc or not parts.path.startswith("/"):
            return "a folder is named by its whole path, as in file:///var/backups"
    elif parts.scheme not in BUCKETS:
        return f"{parts.scheme or 'this'} is no kind of destination"
    elif not parts.netloc or ":" in parts.netloc:
        return "the bucket is missing, as in s3://backups/qdrant"
    if any(word in (".", "..") for word in unquote(parts.path).split("/")):
        return "a destination does not lead upwards"
    return ""
