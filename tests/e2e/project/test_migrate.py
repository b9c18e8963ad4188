"""`migrate --to-memory`: files keep every byte but the fields, and the plan after it is empty."""

from __future__ import annotations

import json

import pytest

from tests.support.cli import run_cli

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: "http://127.0.0.1:1"}
"""
HEAD = "apiVersion: qdrantctl/v1\nkind: Collection\nmetadata: {name: products}\nspec:\n"
OLD = f"""\
# the catalogue
{HEAD}\
  vectors:
    text: {{size: 4, distance: Dot, on_disk: true}}   # large
    image:
      size: 8
      distance: Dot
      "on_disk": false
      hnsw_config: {{m: 8, on_disk: false}}
  sparse_vectors:
    bm25: {{index: {{on_disk: false}}}}
  hnsw_config:
    on_disk: true  # see the decision of May
    m: 24
  on_disk_payload: true # cold data
"""
NEW = f"""\
# the catalogue
{HEAD}\
  vectors:
    text: {{size: 4, distance: Dot, memory: cold}}   # large
    image:
      size: 8
      distance: Dot
      "memory": "cached"
      hnsw_config: {{m: 8, memory: cached}}
  sparse_vectors:
    bm25: {{index: {{memory: pinned}}}}
  hnsw_config:
    memory: cold  # see the decision of May
    m: 24
  payload: {{memory: cold}} # cold data
"""
REBUILT = f"""\
{HEAD}\
  vectors: {{size: 4, distance: Dot}}
  quantization:
    scalar: {{type: int8, always_ram: true}}
  payload_indexes:
    brand: {{type: keyword, on_disk: true}}
    color: {{type: keyword, on_disk: false}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    (tmp_path / "manifests").mkdir()
    return tmp_path


def migrate(project, text, *words, name="products.yaml"):
    file = project / "manifests" / name
    file.write_bytes(text.encode())
    result = run_cli("migrate", "--to-memory", *words, project=project)
    return result, file.read_bytes().decode()


def places(result):
    return {
        f"{v['origin']['file'].removeprefix('manifests/')}:{v['origin']['line']}:{v['column']}": (
            v["severity"],
            v["message"].partition(": ")[2],
        )
        for v in result.document["left"]
    }


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_only_the_fields_change(project, line_end):
    result, text = migrate(project, OLD.replace("\n", line_end))
    assert (result.code, text) == (0, NEW.replace("\n", line_end))
    assert result.out == "wrote manifests/products.yaml (6 fields)\n"
    assert "version of the server of dev is not known" in result.err
    assert run_cli("validate", project=project).code == 0
    again, same = migrate(project, text)
    assert (again.code, again.out, same) == (0, "Nothing to rewrite.\n", text)


def test_a_file_with_a_byte_order_mark_keeps_it(project):
    _, text = migrate(project, "\ufeff" + OLD)
    assert text == "\ufeff" + NEW


def test_a_check_prints_the_difference_and_writes_nothing(project):
    result, text = migrate(project, OLD, "--check")
    assert (result.code, text) == (2, OLD)
    assert "-    on_disk: true  # see the decision of May\n" in result.out
    assert "+    memory: cold  # see the decision of May\n" in result.out
    assert result.out.endswith("6 fields to rewrite; no file was written.\n")
    assert migrate(project, NEW, "--check")[0].code == 0


def test_json_manifests_stay_json(project):
    document = {"apiVersion": "qdrantctl/v1", "kind": "Collection", "metadata": {"name": "a"}}
    spec = {"vectors": {"size": 4, "distance": "Dot", "on_disk": True}, "on_disk_payload": False}
    result, text = migrate(project, json.dumps({**document, "spec": spec}), name="a.yaml")
    assert result.code == 0
    assert json.loads(text)["spec"] == {
        "vectors": {"size": 4, "distance": "Dot", "memory": "cold"},
        "payload": {"memory": "cached"},
    }


def test_a_list_is_rewritten_item_by_item(project):
    items = "".join(
        f"- apiVersion: qdrantctl/v1\n  kind: Collection\n  metadata: {{name: c{number}}}\n"
        f"  spec: {{vectors: {{size: 4, distance: Dot, on_disk: {value}}}}}\n"
        for number, value in enumerate(("true", "false"))
    )
    result, text = migrate(project, f"apiVersion: qdrantctl/v1\nkind: List\nitems:\n{items}")
    assert result.code == 0
    assert text.count("memory: cold") == text.count("memory: cached") == 1


def test_what_would_be_built_again_is_left_unless_it_is_asked_for(project):
    result, text = migrate(project, REBUILT, "--format", "json")
    assert (result.code, text) == (0, REBUILT)
    assert places(result) == {
        "products.yaml:7:26": ("note", "an apply would quantize again"),
        "products.yaml:9:28": ("note", "an apply would build the index again"),
        "products.yaml:10:28": ("note", "an apply would build the index again"),
    }
    result, text = migrate(project, REBUILT, "--rebuild")
    assert result.code == 0
    assert "scalar: {type: int8, memory: pinned}" in text
    assert "brand: {type: keyword, memory: cold}\n    color: {type: keyword}\n" in text


def test_what_cannot_be_rewritten_is_named_and_left(project):
    (project / "manifests" / "t.yaml.j2").write_text(
        HEAD.replace("products", "rendered")
        + "  vectors: {size: 4, distance: Dot, on_disk: {{ 'true' }}}\n"
    )
    (project / "manifests" / "profile.yaml").write_text(
        "apiVersion: qdrantctl/v1\nkind: StrictModeProfile\nmetadata: {name: base}\nspec:\n"
        "  collections: [products]\n  config: {enabled: true, max_resident_memory_percent: 80}\n"
    )
    shared = (
        f"{HEAD}  vectors:\n    a: &base {{size: 4, distance: Dot, on_disk: true}}\n    b: *base\n"
        "    c:\n      <<: *base\n    d: {size: 4, distance: Dot, on_disk: true, memory: cold}\n"
        "    e:\n      size: 4\n      distance: Dot\n      memory: cold\n"
        "      on_disk: true # why\n"
    )
    result, text = migrate(project, shared, "--format", "json")
    assert result.code == 2
    assert text == shared.replace("on_disk: true, memory: cold", "memory: cold")
    assert places(result) == {
        "products.yaml:6:39": ("warning", "it is shared by an anchor"),
        "products.yaml:7:5": ("warning", "it comes from an anchor"),
        "products.yaml:9:7": ("warning", "it comes from an anchor"),
        "products.yaml:15:7": ("warning", "a comment in it would be lost"),
        "profile.yaml:6:56": ("note", ""),
        "t.yaml.j2:5:37": ("warning", "it comes from a template"),
    }


def test_manifests_with_errors_are_not_touched(project):
    result, text = migrate(project, OLD + "  unknown: 1\n")
    assert (result.code, text) == (1, OLD + "  unknown: 1\n")


def test_a_migration_is_named(project):
    assert run_cli("migrate", project=project).code == 64


def test_a_path_needs_no_project(tmp_path):
    (tmp_path / "products.yaml").write_text(OLD)
    result = run_cli("migrate", "--to-memory", "products.yaml", project=tmp_path)
    assert (result.code, (tmp_path / "products.yaml").read_text()) == (0, NEW)


def test_a_server_decides(project, empty_qdrant):
    """One that does not know `memory` would ignore it; on one that does the plan is empty."""
    _, answer = empty_qdrant.request("GET", "/")
    too_old = tuple(map(int, answer["version"].split(".")[:2])) < (1, 19)
    manifest = project / "manifests" / "products.yaml"
    (project / "qdrantctl.yaml").write_text(PROJECT.replace("http://127.0.0.1:1", empty_qdrant.url))
    manifest.write_text(OLD)
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    told = run_cli("plan", "--format", "json", project=project)
    assert ("QC245" in told.rules) is not too_old
    result, text = migrate(project, OLD)
    if too_old:
        assert (result.code, text) == (1, OLD)
        assert f"the server of dev is {answer['version']}; no file was changed" in result.err
        return
    assert (result.code, text) == (0, NEW)
    after = run_cli("plan", "--detailed-exitcode", "--format", "json", project=project)
    assert (after.code, after.document["violations"]) == (0, [])
    assert run_cli("drift", project=project).code == 0
