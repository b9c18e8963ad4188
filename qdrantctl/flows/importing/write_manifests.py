"""The flow of `import`: create manifests of live resources and write them to files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qdrantctl.adapters.manifests import write as manifest_files
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.importing.import_resources import (
    ImportResult,
    ImportSelection,
    import_folder,
    import_resources,
)
from qdrantctl.flows.importing.update_manifests import update_manifests
from qdrantctl.flows.state.live import Progress
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import."""

    addresses: tuple[Address, ...] = ()
    """Resources by name; empty for all."""
    exclude: tuple[str, ...] = ()
    folder: Path | None = None
    """Where files are written; None is the project's first folder of manifests."""
    force: bool = False
    """Whether files that exist are overwritten."""
    update: bool = False
    """Whether the manifests that declare the addresses are updated."""
    printed: bool = False
    """Whether the caller prints the texts, so that no file is written."""


def import_manifests(
    settings: Settings, options: ImportOptions, client: Client, today: date, progress: Progress
) -> ImportResult:
    """The manifests of live resources, written unless they are printed.

    Raises ClusterError, ManifestError, UsageError, QdrantctlError.
    """
    if options.update:
        result = update_manifests(settings, options.addresses, client, today, progress)
    else:
        result = import_resources(
            settings, _import_selection(settings, options), client, today, progress
        )
    if not options.printed:
        manifest_files.write_files(result.texts, result.before)
    return result


def _import_selection(settings: Settings, options: ImportOptions) -> ImportSelection:
    if options.printed:
        folder = settings.root
    elif options.folder is None:
        folder = import_folder(settings)
    else:
        folder = Path(os.path.abspath(options.folder))  # noqa: PTH100  # links stay as written
    return ImportSelection(
        folder, options.addresses, options.exclude, options.force, printed=options.printed
    )
