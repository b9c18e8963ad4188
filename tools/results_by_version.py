"""Pages of test results by version of Qdrant: a JSON file keeps them, and the page follows it."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qdrantctl.model.server import Version
from tests.support.servers import server_version

Results = Mapping[str, Any]


def write_results(
    description: str | None,
    data_file: Path,
    run_tests: Callable[[Path], None],
    collect: Callable[[Sequence[Path]], Results],
    make_page: Callable[[Results], str],
) -> None:
    """The command line of such a page: run the tests or read `--junit FILE…`, and write both files.

    Results of other versions stay.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--junit", nargs="+", type=Path, metavar="FILE")
    files = parser.parse_args().junit
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            files = [Path(folder) / "results.xml"]
            run_tests(files[0])
        entry = collect(files)
    data = json.loads(data_file.read_text()) if data_file.exists() else {}
    today = datetime.now(UTC).date().isoformat()
    data[str(server_version())] = {"date": today, **entry}
    data = {version: data[version] for version in sorted(data, key=Version.parse)}
    data_file.write_text(json.dumps(data, indent=2) + "\n")
    data_file.with_suffix(".md").write_text(make_page(data))
