"""Since which version Qdrant's API has a field: `python -m tools.field_versions` reads the clients.

It downloads every qdrant-client from 1.16.0 on from the package index, and writes
`tests/conformance/field_since.json` and `field_removed.json` anew. What is older comes from the API
descriptions of the server's tags, and stays. So does a version between two clients, which is the
more exact one: clients follow the minor versions of the server, and their patches are their own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from qdrantctl.model.server import UNKNOWN, Version
from tools.client_models import ClientModels, read_wheel

TABLES = Path(__file__).parents[1] / "tests" / "conformance"
SINCE, REMOVED = TABLES / "field_since.json", TABLES / "field_removed.json"
PACKAGE = "qdrant-client"
OLDEST = Version(1, 16, 0)
"""The first client that is read."""


@dataclass(frozen=True)
class FieldVersions:
    """The first version of each path that still exists, and the first and last of those gone."""

    since: dict[str, str]
    removed: dict[str, dict[str, str]]

    @classmethod
    def read(cls) -> FieldVersions:
        """The tables as they are in the repository."""
        return cls(json.loads(SINCE.read_text()), json.loads(REMOVED.read_text()))

    def write(self) -> None:
        """Write the tables, sorted by path."""
        for file, table in ((SINCE, self.since), (REMOVED, self.removed)):
            file.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")

    def first_version(self, path: str) -> Version | None:
        """The first version that has a path; None if the tables do not know it."""
        stated = self.since.get(path) or self.removed.get(path, {}).get("first")
        return Version.parse(stated) if stated else None


def merge_clients(known: FieldVersions, clients: Sequence[ClientModels]) -> FieldVersions:
    """The tables with what these clients, oldest first, have and no longer have."""
    since, removed = dict(known.since), dict(known.removed)
    for path in sorted(set().union(*(client.paths for client in clients))):
        holders = [number for number, client in enumerate(clients) if path in client.paths]
        first, stated = clients[holders[0]].version, known.first_version(path)
        before = Version.parse(clients[holders[0] - 1].version) if holders[0] else UNKNOWN
        if stated and before[:2] <= stated[:2] and stated <= Version.parse(first):
            first = str(stated)
        if holders[-1] == len(clients) - 1:
            since[path] = first
            removed.pop(path, None)
        else:
            since.pop(path, None)
            last = clients[holders[-1]].version
            removed[path] = {"first": first, "last": last} | known.removed.get(path, {})
    return FieldVersions(since, removed)


def list_client_versions() -> list[str]:
    """The versions on the package index, from 1.16.0 on, oldest first.

    Raises CalledProcessError when the index cannot be reached.
    """
    answer = _run_pip("index", "versions", PACKAGE)
    line = next(line for line in answer.splitlines() if line.startswith("Available versions:"))
    versions = {text for text in re.findall(r"[\d.]+", line) if Version.parse(text) >= OLDEST}
    return sorted(versions, key=Version.parse)


def read_clients(versions: Sequence[str]) -> list[ClientModels]:
    """Download these clients and read them. Raises CalledProcessError."""
    with TemporaryDirectory() as folder:
        for version in versions:
            package = f"{PACKAGE}=={version}"
            _run_pip("download", "--no-deps", "--only-binary=:all:", "--dest", folder, package)
        wheels = {wheel.name.split("-")[1]: wheel for wheel in Path(folder).glob("*.whl")}
        return [read_wheel(wheels[version]) for version in versions]


def _run_pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Write both tables anew, and say what is new."""
    before = FieldVersions.read()
    clients = read_clients(list_client_versions())
    after = merge_clients(before, clients)
    after.write()
    print(f"read {PACKAGE} {', '.join(client.version for client in clients)}")
    for path in sorted(after.since.keys() | after.removed.keys()):
        was, now = before.first_version(path), after.first_version(path)
        if was != now or (path in before.since) != (path in after.since):
            gone = after.removed.get(path, {}).get("last")
            print(f"{path}: {now}" + (f", gone after {gone}" if gone else ""))


if __name__ == "__main__":
    main()
