"""What is generated is read by those who will: shell, systemd's format, schemas."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.kinds.cron_schedule import check_schedule, latest_due
from tests.support.snapshot_policies import Shop

CHECK = Path(sys.executable).parent / "check-jsonschema"
WAITS = {"run": "", "verify": " --lease-timeout 3600"}
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def made(shop, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "canary-key")

    def make(kind: str) -> str:
        told = shop.run(NOWHERE, "generate", kind, "-e", "dev")
        assert told.code == 0, told.err
        assert "canary" not in told.out
        return told.out

    return make


def test_cron(made, shop):
    lines = [line for line in made("cron").splitlines() if not line.startswith("#")]
    assert len(lines) == 2
    for line, verb in zip(lines, ("run", "verify"), strict=True):
        words = line.split(" ", 5)
        check_schedule(" ".join(words[:5]))
        subprocess.run(["sh", "-nc", words[5]], check=True)
        said = f"qdrantctl snapshots {verb} -e dev{WAITS[verb]} -C {shop.folder}"
        assert words[5].endswith(said)
    assert not set(minutes(lines[0])) & set(minutes(lines[1]))


def minutes(line: str) -> list[int]:
    """In which of an hour it is called."""
    start = datetime(2026, 11, 29, 4, tzinfo=UTC)  # a Sunday
    times = (start + timedelta(minutes=n) for n in range(60))
    when = " ".join(line.split(" ", 5)[:5])
    return [time.minute for time in times if latest_due(when, UTC, time) == time]


def test_systemd(made, tmp_path):
    text = made("systemd")
    parts = [part for part in text.split("# /etc/systemd/system/") if part]
    names = [part.splitlines()[0] for part in parts]
    assert names == [f"qdrantctl-shop-dev-{verb}.{unit}" for verb in ("run", "verify")
                     for unit in ("service", "timer")]  # fmt: skip
    for part in parts:
        reader = configparser.ConfigParser(interpolation=None)
        reader.optionxform = str  # type: ignore[assignment,method-assign]
        reader.read_string(part.partition("\n")[2])
        assert reader["Unit"]["Description"]
        if "Service" in reader:
            verb = reader["Service"]["ExecStart"].split()[3]
            assert reader["Service"]["ExecStart"].endswith(f"snapshots {verb} -e dev{WAITS[verb]}")
            assert ("SuccessExitStatus" in reader["Service"]) == (verb == "run")
    if analyze := shutil.which("systemd-analyze"):
        for name in names:
            if name.endswith(".timer"):
                body = next(p for p in parts if p.startswith(name))
                when = body.partition("OnCalendar=")[2].splitlines()[0]
                subprocess.run([analyze, "calendar", when], check=True, capture_output=True)


@pytest.mark.parametrize("kind", ["systemd", "k8s-cronjob", "github-actions"])
def test_two_environments_never_share_a_name(kind, shop):
    """Of a project with a long name, and where a name is not written as it is."""
    project = shop.folder / "qdrantctl.yaml"
    text = project.read_text().replace("shop", "recommendation-engine-platform-" + "x" * 30)
    where = "{url: {env: FLOWS_URL}}"
    environments = ("prod-eu", "production", "prod_eu", "Prod-eu", "y" * 64)
    text = text.replace(f"dev: {where}", "\n    ".join(f"{e}: {where}" for e in environments))
    project.write_text(text)
    named = {
        "systemd": r"system/(\S+)\.service",
        "k8s-cronjob": r"  name: (qdrantctl\S+)",
        "github-actions": r"group: (\S+)",
    }
    names = [
        name
        for environment in environments
        for name in re.findall(
            named[kind], shop.run(NOWHERE, "generate", kind, "-e", environment).out
        )
    ]
    assert len(set(names)) == 2 * len(environments)
    for name in names:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
        assert len(name) <= 52 or kind == "github-actions"


def test_kubernetes(made):
    documents, problems = read_documents(SourceText("jobs.yaml", made("k8s-cronjob")))
    assert not problems
    assert [d.value["metadata"]["name"] for d in documents] == [
        "qdrantctl-shop-dev-run",
        "qdrantctl-shop-dev-verify",
    ]
    for document, verb in zip(documents, ("run", "verify"), strict=True):
        value = document.value
        assert (value["apiVersion"], value["kind"]) == ("batch/v1", "CronJob")
        check_schedule(value["spec"]["schedule"])
        pod = value["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        said = f"qdrantctl snapshots {verb} -e dev{WAITS[verb]}"
        command = pod["containers"][0]["command"]
        if verb == "verify":
            assert command == said.split()
            continue
        for code in (0, 5, 6):
            words = [command[0], command[1], command[2].replace(said, f"(exit {code})")]
            assert subprocess.run(words, check=False).returncode == (code == 6)


def test_github(made, tmp_path):
    path = tmp_path / "snapshots.yml"
    path.write_text(made("github-actions"))
    words = [CHECK, "--builtin-schema", "vendor.github-workflows", path]
    subprocess.run(words, check=True, capture_output=True)
    [document], _ = read_documents(SourceText("snapshots.yml", path.read_text()))
    run, verify = document.value["jobs"].values()
    assert run["concurrency"]["group"] != verify["concurrency"]["group"]
    assert "|| [ $? -eq 5 ]" in run["steps"][-1]["run"]
    assert verify["steps"][-1]["run"] == f"qdrantctl snapshots verify -e dev{WAITS['verify']}"


@pytest.mark.parametrize(
    ("stated", "server"),
    [
        ("url: {env: PROD_URL}, api_key: {env: PROD_KEY}",
         {"PROD_URL": "${{ vars.PROD_URL }}", "PROD_KEY": "${{ secrets.PROD_KEY }}"}),
        ('url: "https://q.example.com", api_key: {env: PROD_KEY}',
         {"PROD_KEY": "${{ secrets.PROD_KEY }}"}),
        ('url: "https://q.example.com", api_key: {file: key}', {}),
    ],
)  # fmt: skip
def test_github_hands_over_the_variables_that_the_environment_names(made, shop, stated, server):
    project = shop.folder / "qdrantctl.yaml"
    project.write_text(project.read_text().replace("url: {env: FLOWS_URL}", stated))
    [document], _ = read_documents(SourceText("snapshots.yml", made("github-actions")))
    for job in document.value["jobs"].values():
        env = job["env"].items()
        assert {k: v for k, v in env if not k.startswith("AWS_")} == server


ALL = ("cron", "systemd", "k8s-cronjob", "github-actions")


@pytest.mark.parametrize("kind", ALL)
def test_a_folder_on_a_disk_that_does_not_stay_is_warned_of(kind, shop):
    told = shop.run(NOWHERE, "generate", kind, "-e", "dev")
    assert told.code == 0
    alone = {"k8s-cronjob": "the pod's own disk", "github-actions": "the runner's own disk"}
    assert (alone.get(kind, "Warning") in told.err) == (kind in alone)


@pytest.mark.parametrize("kind", ALL)
def test_a_server_without_an_environment(kind, shop):
    told = shop.run(NOWHERE, "generate", kind, "--url", "https://q.example.com")
    assert told.code == 0, told.err
    assert "-e dev" not in told.out
    if kind == "k8s-cronjob":
        assert '"verify", "--url", "https://q.example.com:6333", "--lease-timeout"' in told.out
    for verb in ("run", "verify") if kind != "k8s-cronjob" else ("run",):
        assert f"qdrantctl snapshots {verb} --url https://q.example.com:6333" in told.out
    assert "QDRANT_URL" not in told.out
    other = shop.run(NOWHERE, "generate", kind, "--url", "https://r.example.com").out
    assert not {*jobs(kind, told.out)} & {*jobs(kind, other)}


def jobs(kind: str, text: str) -> list[str]:
    """The names of the jobs, where they have some."""
    return [] if kind == "cron" else re.findall(r"qdrantctl-shop[a-z0-9-]*", text)


@pytest.mark.parametrize("kind", ALL)
def test_what_no_job_is_for_is_refused(kind, shop, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    shop.folder.joinpath("qdrantctl.yaml").rename(kept := shop.folder / "kept")
    told = shop.run(NOWHERE, "generate", kind)
    assert (told.code, told.out) == (64, "")
    assert "no environment is chosen and no server is named" in told.err
    text = kept.read_text().replace("url: {env: FLOWS_URL}", "url: embedded")
    (shop.folder / "qdrantctl.yaml").write_text(text)
    for words in (("-e", "dev"), ("--url", "embedded")):
        told = shop.run(NOWHERE, "generate", kind, *words)
        assert (told.code, told.out) == (64, "")
        assert "an embedded server is for development" in told.err


def test_systemd_reads_the_folder_as_it_is(tmp_path):
    shop = Shop(tmp_path / "x y%z$w")
    told = shop.run(NOWHERE, "generate", "systemd", "--url", "https://q.example.com/a%20$b")
    assert told.code == 0, told.err
    assert f"\nWorkingDirectory={tmp_path}/x y%%z$w\n" in told.out
    assert " --url 'https://q.example.com:6333/a%%20$$b'\n" in told.out
    if analyze := shutil.which("systemd-analyze"):
        unit = tmp_path / "run.service"
        unit.write_text(told.out.split("# /etc")[1].partition("\n")[2])
        done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True)
        assert "specifiers" not in done.stderr, done.stderr


def test_where_a_project_ends_and_an_environment_begins(tmp_path):
    found = []
    for project, environment in (("a", "b-c"), ("a-b", "c")):
        shop = Shop(tmp_path / project)
        file = shop.folder / "qdrantctl.yaml"
        text = file.read_text().replace("shop", project).replace("dev:", f"{environment}:")
        file.write_text(text)
        told = shop.run(NOWHERE, "generate", "k8s-cronjob", "-e", environment)
        found += re.findall(r"  name: (qdrantctl-a-b-c\S+)", told.out)
    assert len(set(found)) == 4
