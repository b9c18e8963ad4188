"""Where this program was installed from, and the hashes of its files in the package registry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

_SECONDS = 60.0
"""How long the package registry may take."""


def installed_source() -> str:
    """`git+URL@COMMIT` or `URL#sha256=HASH` where pip recorded it; empty for the registry."""
    with suppress(PackageNotFoundError, ValueError, KeyError, TypeError):
        recorded = json.loads(distribution("qdrantctl").read_text("direct_url.json") or "{}")
        url = str(recorded.get("url", ""))
        if "vcs_info" in recorded:
            return f"git+{url}@{recorded['vcs_info']['commit_id']}"
        hashes = recorded.get("archive_info", {}).get("hashes", {})
        if url.startswith("https://") and "sha256" in hashes:
            return f"{url}#sha256={hashes['sha256']}"
    return ""


def fetch_registry_hash(requirement: str) -> str:
    """The sha256 of the wheel of `NAME==VERSION`, by pip with its own settings; empty for none."""
    with (
        TemporaryDirectory(prefix="qdrantctl-") as folder,
        suppress(OSError, subprocess.SubprocessError),
    ):
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0",
             "--disable-pip-version-check", "--only-binary", ":all:", "--dest", folder,
             requirement],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )  # fmt: skip
        for path in Path(folder).iterdir():
            return hash_file(path)
    return ""


def hash_file(path: Path) -> str:
    """The sha256 of a file. Raises OSError."""
    return sha256(path.read_bytes()).hexdigest()


def is_pinned_repository(source: str) -> bool:
    """Whether `source` names a repository at a full commit."""
    return bool(re.fullmatch(r"git\+(https|ssh)://[\w.@:/~+-]+@[0-9a-f]{40}", source, re.ASCII))
