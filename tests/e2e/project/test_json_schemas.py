"""The schemas are current, valid, describe everything, and accept what the loader accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Template
from jsonschema import Draft202012Validator

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.flows.project.json_schemas import (
    build_schema,
    schema_names,
    schema_text,
    write_schemas,
)
from qdrantctl.kinds.catalog import BY_NAME, KINDS
from qdrantctl.model import committed_state as state
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.project import Project
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource import Lifecycle, Origin
from qdrantctl.model.step import Call, Step
from qdrantctl.model.violation import Severity, Violation
from tests.support.cli import run_cli
from tests.support.states import desired, live_collection, question, recorded

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "schemas"
FILES = ("manifest", "project", "plan", "report", "event", "drift", "state", "audit", "upgrade")
VECTOR = {"size": 4, "distance": "Dot"}


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(build_schema(name))


def errors(name: str, document: Any) -> list[str]:
    found = validator(name).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def manifest(kind: str = "Collection", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "products"}
    return {"apiVersion": "qdrantctl/v1", "kind": kind, "metadata": metadata, "spec": spec}


def project(**spec: Any) -> dict[str, Any]:
    head = {"apiVersion": "qdrantctl/v1", "kind": "Project", "metadata": {"name": "shop"}}
    return {**head, "spec": spec}


def documents(path: Path) -> Iterator[Any]:
    """The documents of a file as the loader reads them."""
    source = path.read_text()
    if path.suffix == ".j2":
        values = {
            "size": 4,
            "replicas": 2,
            "large_tenants": ["acme", "globex"],
            "max_query_limit": 10,
        }
        source = Template(source).render(env="prod", vars=values)
    found, problems = read_documents(SourceText(path.name, source))
    assert not problems
    for document in found:
        yield document.value


@pytest.mark.parametrize("name", FILES)
def test_files_are_current(name):
    written = (FOLDER / f"{name}.json").read_text()
    assert written == schema_text(build_schema(name)), "run `make schemas`"


def test_out_writes_every_file_and_nothing_else(tmp_path, capsys):
    assert run_cli("schema", "--out", str(tmp_path / "made")).code == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        path.name for path in FOLDER.iterdir()
    }
    assert capsys.readouterr().out.count("wrote ") == len(FILES)


def test_out_with_a_name_writes_one(tmp_path):
    assert [path.name for path in write_schemas(tmp_path, "plan")] == ["plan.json"]


def test_a_kind_is_printed_alone():
    result = run_cli("schema", "Alias")
    assert result.code == 0
    assert json.loads(result.out)["title"] == "AliasManifest"


def test_an_unknown_name_is_wrong_usage():
    result = run_cli("schema", "Colection")
    assert result.code == 64
    assert "Collection" in result.err


@pytest.mark.parametrize("name", schema_names())
def test_valid_under_the_metaschema(name):
    Draft202012Validator.check_schema(build_schema(name))


def described(root: dict[str, Any], node: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from described(root, inner, f"{path}/{index}")
    elif isinstance(node, dict):
        for name, inner in node.get("properties", {}).items():
            target = root["$defs"].get(inner.get("$ref", "").removeprefix("#/$defs/"), {})
            yield f"{path}/{name}", bool(inner.get("description") or target.get("description"))
        for key, inner in node.items():
            yield from described(root, inner, f"{path}/{key}")


@pytest.mark.parametrize("name", schema_names())
def test_every_property_has_a_description(name):
    whole = build_schema(name)
    found = list(described(whole, whole))
    assert len(found) > 5
    assert [path for path, told in found if not told] == []


def test_unknown_keys_are_refused_in_every_section():
    open_ones = [
        f"{name}: {title}"
        for name in FILES
        for title, node in build_schema(name)["$defs"].items()
        for part in node.get("anyOf", [node])
        if "properties" in part and part.get("additionalProperties") is not False
    ]
    assert open_ones == []


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for folder in (ROOT / "examples", ROOT / "tests" / "scenarios")
        for path in folder.rglob("*")
        if path.name.endswith((".yaml", ".yaml.j2")) and {"manifests", "before"} & {*path.parts}
    ),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_manifests_of_examples_and_scenarios_are_accepted(path):
    for document in documents(path):
        assert errors("manifest", document) == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*/qdrantctl.yaml")), ids=lambda path: path.parent.name
)
def test_project_files_are_accepted(path):
    (document,) = documents(path)
    assert errors("project", document) == []


ACCEPTED = {
    "unnamed vector": {"vectors": VECTOR},
    "named vectors": {"vectors": {"text": VECTOR, "image": {**VECTOR, "on_disk": True}}},
    "no vectors": {},
    "bare index type": {"payload_indexes": {"brand": "keyword"}},
    "index in full": {"payload_indexes": {"tenant": {"type": "keyword", "is_tenant": True}}},
    "one stop word language": {"payload_indexes": {"t": {"type": "text", "stopwords": "english"}}},
    "stop words in full": {
        "payload_indexes": {"t": {"type": "text", "stopwords": {"languages": ["en"]}}}
    },
    "bare shard keys": {"sharding_method": "custom", "shard_keys": ["eu", 7, {"key": "us"}]},
    "quantization": {"quantization": {"scalar": {"type": "int8"}}},
    "optimizer_config": {"optimizer_config": {"indexing_threshold_kb": 20000}},
    "threads": {"optimizers_config": {"max_optimization_threads": "auto"}},
    "stated nulls": {"hnsw_config": None, "strict_mode_config": {"max_timeout": None}},
    "Qdrant's metadata": {"metadata": {"owner": "search", "nested": {"deep": [1, None]}}},
    "unlimited": {"strict_mode_config": {"max_query_limit": 2**63 - 1}},
}

REFUSED = {
    "unknown key": {"shard_numbers": 2},
    "unknown key below": {"hnsw_config": {"ef": 100}},
    "unknown key of a vector": {"vectors": {**VECTOR, "on_disc": True}},
    "text for a number": {"shard_number": "2"},
    "number for text": {"vectors": {"size": 4, "distance": 1}},
    "other metric": {"vectors": {"size": 4, "distance": "cosine"}},
    "below the least": {"shard_number": 0},
    "unknown index type": {"payload_indexes": {"brand": "string"}},
    "parameter of another index": {"payload_indexes": {"n": {"type": "float", "lookup": True}}},
    "both names at once": {
        "optimizers_config": {"flush_interval_sec": 5},
        "optimizer_config": {"flush_interval_sec": 5},
    },
    "shard key of a wrong type": {"sharding_method": "custom", "shard_keys": [1.5]},
    "shard key with an unknown key": {"sharding_method": "custom", "shard_keys": [{"name": "a"}]},
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepts_what_the_loader_accepts(case):
    kind = BY_NAME["collection"]
    kind.canonical(kind.spec.model_validate(ACCEPTED[case]))
    assert errors("manifest", manifest(**ACCEPTED[case])) == []


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_the_loader_refuses(case):
    with pytest.raises(ValueError, match="validation error"):
        BY_NAME["collection"].spec.model_validate(REFUSED[case])
    assert errors("manifest", manifest(**REFUSED[case]))


def test_the_envelope_is_checked():
    good = manifest("Alias", collection="products")
    assert errors("manifest", good) == []
    lifecycle = {"protect": True, "ignore": [{"path": "collection", "reason": "moved by hand"}]}
    assert errors("manifest", good | {"lifecycle": lifecycle}) == []
    assert errors("manifest", good | {"kind": "Aliases"})
    assert errors("manifest", good | {"apiVersion": "v1"})
    assert errors("manifest", good | {"spce": {}})
    assert errors("manifest", good | {"lifecycle": {"replace": "always"}})
    assert errors("manifest", {**good, "metadata": {}})
    assert errors("manifest", manifest("Alias", vectors=VECTOR))


def test_a_list_holds_manifests():
    items = [manifest(vectors=VECTOR), manifest("Alias", collection="products")]
    whole = {"apiVersion": "v1", "kind": "List", "items": items}
    assert errors("manifest", whole) == []
    assert errors("manifest", whole | {"items": [manifest("Alias")]})


@pytest.mark.parametrize(
    "spec",
    [
        {"environments": {"dev": {"url": "embedded"}}},
        {"environments": {"prod": {"url": {"env": "URL"}, "api_key": {"env": "KEY"}}}},
        {"consents": [{"delete": "collection/old", "until": "2027-01-31"}]},
        {"rules": {"QC105": "off"}, "removed": [{"address": "collection/a"}]},
    ],
)
def test_projects_that_are_right(spec):
    Project.model_validate(project(**spec))
    assert errors("project", project(**spec)) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"enviroments": {}},
        {"environments": {"dev": {"url": 6333}}},
        {"environments": {"prod": {"url": "https://a.example.com", "api_key": "secret"}}},
        {"environments": {"prod": {"protected": "yes"}}},
        {"rules": {"QC105": "fatal"}},
        {"consents": [{"delete": "collection/old"}]},
    ],
)
def test_projects_that_are_wrong(spec):
    with pytest.raises(ValueError, match="validation error"):
        Project.model_validate(project(**spec))
    assert errors("project", project(**spec))


def made_plan() -> Plan:
    """A plan that holds creates, updates, replacements, deletes, and changes that are refused."""
    asked = question(
        [
            desired("collection/new", vectors=VECTOR, payload_indexes={"brand": "keyword"}),
            desired("collection/moved", vectors=VECTOR, hnsw_config={"m": 32}),
            desired("collection/grown", vectors={"size": 8, "distance": "Dot"}),
            desired("collection/refused", vectors=VECTOR, read_fan_out_delay_ms=5),
            desired("alias/live", collection="new"),
        ],
        [live_collection(name) for name in ("moved", "grown", "refused", "gone", "stranger")],
        [
            recorded("collection/moved", vectors=VECTOR),
            recorded("collection/grown", vectors=VECTOR),
            recorded("collection/refused", vectors=VECTOR),
            recorded("collection/gone", vectors=VECTOR),
        ],
    )  # fmt: skip
    broken = Violation(
        rule="QC201",
        severity=Severity.ERROR,
        address="collection/gone",
        message="holds points",
        origin=Origin(file="manifests/a.yaml", line=3),
    )
    return Plan(
        qdrantctl_version="0.1.0",
        project="shop",
        environment="dev",
        server=PlannedServer(version="1.16.3", url="http://localhost:6333", distributed=True),
        manifests_digest="sha256:0",
        prepare=(Step(call=Call(method="PUT", path="/collections/_qdrantctl", body={})),),
        changes=plan_changes(asked, {kind.name: kind for kind in KINDS}),
        violations=(broken,),
        unmanaged=("collection/stranger",),
    )


def test_a_real_plan_is_described():
    document = json.loads(json.dumps(made_plan().document()))
    assert {"create", "update", "replace", "delete", "refused"} <= {
        change["action"] for change in document["changes"]
    }
    assert errors("plan", document) == []
    assert errors("plan", {k: v for k, v in document.items() if k != "prepare"}) == []


def test_another_plan_is_not():
    document = json.loads(json.dumps(made_plan().document()))
    assert errors("plan", document | {"surprise": 1})
    assert errors("plan", document | {"applicable": "yes"})
    assert errors("plan", {k: v for k, v in document.items() if k != "digest"})
    document["changes"][0]["action"] = "destroy"
    assert errors("plan", document)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "scenarios").rglob("plan.json")), ids=lambda p: p.parent.name
)
def test_the_plans_of_scenarios_are_described(path):
    assert errors("plan", json.loads(path.read_text())) == []


def test_committed_state_is_described():
    made = desired(
        "collection/a", Lifecycle(protect=True, exclusive=(("metadata",),)), vectors=VECTOR
    )
    assert errors("state", state.state_document(made, 3)) == []
    assert errors("state", state.state_document(made, 0))
    assert errors("state", state.state_document(made, 3) | {"digest": "sha256:0"})
    assert errors("state", state.state_document(made, 3) | {"host": "a"})


def test_a_report_is_described():
    made = Report(
        project="shop",
        environment="dev",
        url="http://localhost:6333",
        plan_digest="sha256:0",
        outcomes=(Outcome(address="collection/a", action="create", status=OutcomeStatus.DONE),),
    )
    document = made.model_dump(mode="json")
    assert errors("report", document) == []
    assert errors("report", document | {"outcomes": [{"address": "collection/a"}]})
