"""The Dockerfile, and the Kubernetes example that uses its image."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents
from tests.support.cli import run_cli
from tests.support.forge import BIN, ROOT, read_pipeline

EXAMPLE = ROOT / "examples" / "kubernetes"
ARGO_CD = "@kubernetes-models/argo-cd@4.0.0"
CHECK_APPLICATION = """\
import { Application } from "@kubernetes-models/argo-cd/argoproj.io/v1alpha1/Application";
import { readFileSync } from "node:fs";
new Application(JSON.parse(readFileSync(0, "utf8"))).validate();
"""


def docker_runs() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def test_the_dockerfile_is_linted():
    subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], check=True)
    text = (ROOT / "Dockerfile").read_text()
    assert text.index("USER 65532:65532") < text.index('ENTRYPOINT ["qdrantctl"]')
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert all((ROOT / name).exists() for name in line.split()[1:-1])


@pytest.mark.slow
@pytest.mark.skipif(not docker_runs(), reason="no docker daemon answers")
def test_the_image_works_on_a_read_only_file_system(tmp_path):
    subprocess.run(["docker", "build", "-q", "-t", "qdrantctl-test", ROOT], check=True)
    assert run_cli("init", tmp_path).code == 0
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", "-v", f"{tmp_path}:/work:ro",
         "qdrantctl-test", "validate"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "2 resources are valid.\n"), done.stderr
    user = ["docker", "run", "--rm", "--entrypoint", "id", "qdrantctl-test", "-u"]
    assert subprocess.run(user, capture_output=True, text=True).stdout == "65532\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """What Kustomize makes of the example for Argo CD."""
    done = subprocess.run(
        [BIN / "kubectl", "kustomize", EXAMPLE / "argocd"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("kubernetes") / "built.yaml"
    path.write_text(done.stdout)
    documents, problems = read_documents(SourceText(path.name, done.stdout))
    assert not problems
    return path, [document.value for document in documents]


def test_kubernetes_accepts_what_kustomize_builds(built):
    done = subprocess.run(
        [BIN / "kubernetes-validate", "--strict", built[0]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hooks = {
        (document["kind"], document["metadata"]["name"]): document["metadata"]["annotations"][
            "argocd.argoproj.io/hook"
        ]
        for document in built[1]
        if document["kind"] == "Job"
    }
    assert hooks == {
        ("Job", "qdrantctl-plan"): "PreSync",
        ("Job", "qdrantctl-apply"): "Sync",
        ("Job", "qdrantctl-drift"): "PostSync",
    }


def test_argo_cd_accepts_the_application(tmp_path):
    """By the schema of Argo CD's own resource definitions, as a package for node has it."""
    if shutil.which("npm") is None:
        pytest.skip(f"npm downloads {ARGO_CD}")
    done = subprocess.run(
        ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--prefix", tmp_path,
         ARGO_CD],
        capture_output=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot download {ARGO_CD}")
    program = tmp_path / "check.mjs"
    program.write_text(CHECK_APPLICATION)
    good = read_pipeline(EXAMPLE / "argocd" / "application.yaml")
    wrong = {**good, "spec": {**good["spec"], "source": {"path": "argocd"}}}
    found = [
        subprocess.run(["node", program], input=json.dumps(each), capture_output=True, text=True)
        for each in (good, wrong)
    ]
    assert found[0].returncode == 0, found[0].stderr
    assert "data/spec/source must have required property repoURL" in found[1].stderr


def test_the_jobs_do_what_their_hooks_promise(built, empty_token_qdrant, tmp_path):
    """The command of each Job, in a folder with what it mounts, on a real server."""
    from tests.support.servers import API_KEY, READ_ONLY_KEY

    keys = {"qdrant-read-only-key": READ_ONLY_KEY, "qdrant-key": API_KEY}
    documents = {document["metadata"]["name"]: document for document in built[1]}
    config = next(d for d in built[1] if d["kind"] == "ConfigMap")

    def run_job(name: str) -> int:
        pod = documents[f"qdrantctl-{name}"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        project = tmp_path / name
        assert volumes["project"]["configMap"]["name"] == config["metadata"]["name"]
        for item in volumes["project"]["configMap"]["items"]:
            path = project / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            text = config["data"][item["key"]]
            path.write_text(text.replace("/run/secrets/qdrant/api-key", str(project / "key")))
        (project / "key").write_text(keys[volumes["key"]["secret"]["secretName"]])
        result = run_cli(*container["args"], project=project, env={
            **{each["name"]: each["value"] for each in container["env"]},
            "QDRANT_URL": empty_token_qdrant.url,
        })  # fmt: skip
        return result.code

    assert [run_job(name) for name in ("plan", "apply", "drift", "plan")] == [0, 0, 0, 0]
    change = {"strict_mode_config": {"enabled": True, "max_query_limit": 7}}
    assert empty_token_qdrant.request("PATCH", "/collections/products", change)[0] == 200
    assert run_job("drift") == 2
