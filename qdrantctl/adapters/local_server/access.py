"""The embedded server's API key: made once, and kept beside its data for its owner only."""

from __future__ import annotations

import dataclasses
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.model.errors import ServerError

ACCESS_FILE = "access.json"
KEY_BYTES = 32
"""Of randomness in a key. Qdrant signs tokens with it, and HS256 needs at least as many."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a server requires of its clients; by default nothing."""

    api_key: str = field(default="", repr=False)
    """Empty if it takes requests without a key."""
    takes_tokens: bool = False
    """Whether it also accepts tokens that are signed with the key (`service.jwt_rbac`)."""

    def __str__(self) -> str:
        if not self.api_key:
            return "without an API key"
        return "with an API key and tokens" if self.takes_tokens else "with an API key"

    def change(self, *, api_key: bool | None, takes_tokens: bool | None) -> Access:
        """The access with and without these; None keeps what it has. A new key is random."""
        tokens = self.takes_tokens if takes_tokens is None else takes_tokens
        has_key = bool(self.api_key) if api_key is None else api_key
        if takes_tokens:  # without a key there is nothing that could sign them
            has_key = True
        if not has_key:
            return Access()
        return Access(self.api_key or secrets.token_urlsafe(KEY_BYTES), tokens)


def read_access(folder: Path) -> Access:
    """The access that the server in `folder` is started with. Raises ServerError."""
    try:
        return Access(**json.loads((folder / ACCESS_FILE).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return Access()
    except (OSError, ValueError, TypeError):
        # Taken for none, a server that holds a key would be started without it.
        raise ServerError(
            f"the embedded server's API key cannot be read from {folder / ACCESS_FILE}",
            hint="Delete the file, run qdrantctl dev down, and then dev up --api-key.",
        ) from None


def write_access(folder: Path, access: Access) -> None:
    """Keep the access for later starts. Raises ServerError."""
    text = json.dumps(dataclasses.asdict(access), indent=2) + "\n"
    try:
        replace_file(folder / ACCESS_FILE, text.encode(), mode=0o600)
    except OSError as error:
        raise ServerError(
            f"the embedded server's API key cannot be kept in {folder / ACCESS_FILE}",
            why=str(error.strerror or error),
        ) from None
