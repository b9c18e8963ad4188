"""Collections that real clients made, each in its own way, become manifests and back again."""

import os
import subprocess
from pathlib import Path

from tests.e2e.importing.conftest import rebuilt

PYTHON = Path(__file__).parents[3] / ".venv" / "clients" / "bin" / "python"
CREATE = Path(__file__).with_name("clients.py")


def test_what_clients_made_is_imported_adopted_and_rebuilt(
    empty_qdrant, fresh_qdrant, project, tmp_path
):
    assert PYTHON.exists(), "make clients installs them"
    done = subprocess.run(
        [PYTHON, CREATE, empty_qdrant.url],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = project.run(empty_qdrant, "import", "--all")
    assert told.code == 0, told.err
    assert told.out.endswith("11 to adopt, 0 to change. Adopting writes only the ledger.\n")
    files = {path.name: path.read_text() for path in (project.folder / "manifests").iterdir()}
    assert len(files) == 10
    assert "skipped" not in told.out
    assert "ef_construct" not in "".join(files.values())
    assert "kind: Alias\nmetadata: {name: client_live}" in files["client_multi.yaml"]
    before, after = rebuilt(project, empty_qdrant, fresh_qdrant())
    assert before == after
