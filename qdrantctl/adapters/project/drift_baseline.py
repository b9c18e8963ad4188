"""The baseline file: known drift. It holds addresses, paths and digests, never a value."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.model.drift import DRIFT_FORMAT, Baseline
from qdrantctl.model.errors import SettingsError


def read_baseline(path: Path, owner: str) -> Baseline:
    """The baseline of an owner. Raises SettingsError for another file or another owner's."""
    hint = "drift --baseline FILE --update-baseline writes it."
    try:
        result = Baseline.model_validate_json(path.read_bytes())
    except OSError as error:
        why = error.strerror or ""
        raise SettingsError(f"the baseline {path} cannot be read", why=why, hint=hint) from None
    except ValidationError as error:
        first_error = error.errors()[0]
        where = ".".join(str(word) for word in first_error["loc"])
        why = f"{where}: {first_error['msg']}" if where else first_error["msg"]
        raise SettingsError(f"{path} is not a baseline", why=why, hint=hint) from None
    if result.format_version.partition(".")[0] != DRIFT_FORMAT.partition(".")[0]:
        why = f"Its format is {result.format_version}, this version reads {DRIFT_FORMAT}."
        raise SettingsError(f"the baseline {path} cannot be read", why=why, hint=hint)
    if result.owner != owner:
        raise SettingsError(
            f"the baseline {path} belongs to {result.owner}, not to {owner}",
            hint="Keep one file for each project and environment.",
        )
    return result


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline atomically: the same drift gives the same bytes. Raises SettingsError."""
    text = json.dumps(baseline.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    try:
        replace_file(path, text.encode())
    except OSError as error:
        why = error.strerror or ""
        raise SettingsError(f"the baseline {path} cannot be written", why=why) from None
