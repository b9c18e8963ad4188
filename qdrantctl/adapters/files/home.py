"""Paths that begin with `~`. A container's user may have no home folder."""

from __future__ import annotations

from pathlib import Path

from qdrantctl.model.errors import SettingsError


def expand_path(folder: Path, text: str, place: str) -> Path:
    """The path `text`, relative to `folder`, with `~` resolved. Raises SettingsError.

    `place` (`qdrantctl.yaml:12`) is named in the error.
    """
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:
        raise SettingsError(
            f"{text} cannot be found: this user has no home folder",
            why=f"It is named in {place}; HOME is not set, and the system knows no folder either.",
            hint="Set HOME, or state a path that does not begin with ~.",
        ) from None
