"""What another user does while a safety snapshot is taken: nothing of theirs is destroyed."""

from __future__ import annotations

import pytest

from tests.support.cli import run_cli
from tests.support.proxy import proxied

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec: {environments: {dev: {url: {env: CLUSTER_URL}}}}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: NAME}
spec: {vectors: {size: 4, distance: Dot}}
"""
POINTS = {"points": [{"id": 1, "vector": [1, 0, 0, 0]}]}


def _limit_queries(node, collection: str) -> None:
    limits = {"strict_mode_config": {"enabled": True, "max_query_limit": 77}}
    assert node.request("PATCH", f"/collections/{collection}", limits)[0] == 200


def _create_alias(node, collection: str) -> None:
    action = {"create_alias": {"collection_name": collection, "alias_name": f"live-{collection}"}}
    assert node.request("POST", "/collections/aliases", {"actions": [action]})[0] == 200


def _apply_with(disturb, project, monkeypatch, node):
    """An apply of a project, while another user does `disturb` when the snapshot is requested."""

    def fault(_: int, head: bytes) -> None:
        if head.startswith(b"POST /collections/products/snapshots"):
            disturb(node, "products")

    consents = ["--allow-replace", "collection/products", "--allow-delete", "collection/products"]
    with proxied(int(node.url.rsplit(":", 1)[1]), fault) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        return run_cli("apply", "--auto-approve", *consents, project=project)


@pytest.fixture
def project(tmp_path, monkeypatch, empty_qdrant):
    """Two collections that are applied; `products` holds a point."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    for name in ("products", "kept"):
        manifest = MANIFEST.replace("NAME", name)
        (tmp_path / "manifests" / f"{name}.yaml").write_text(manifest)
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    assert run_cli("apply", "--auto-approve", project=tmp_path).code == 0
    assert empty_qdrant.request("PUT", "/collections/products/points?wait=true", POINTS)[0] == 200
    return tmp_path


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "deleted"])
def test_an_alias_made_during_the_snapshot_is_kept(project, monkeypatch, empty_qdrant, replaced):
    products = project / "manifests" / "products.yaml"
    if replaced:
        products.write_text(products.read_text().replace("size: 4", "size: 8"))
    else:
        products.unlink()
    result = _apply_with(_create_alias, project, monkeypatch, empty_qdrant)
    assert result.code != 0
    assert "changed since the plan was made" in result.err
    assert "live-products" in result.err
    _, answer = empty_qdrant.request("GET", "/collections/products/aliases")
    assert [alias["alias_name"] for alias in answer["result"]["aliases"]] == ["live-products"]
    _, answer = empty_qdrant.request("GET", "/collections/products")
    assert answer["result"]["points_count"] == 1


def test_a_limit_set_during_the_snapshot_is_not_lost_unsaid(project, monkeypatch, empty_qdrant):
    products = project / "manifests" / "products.yaml"
    products.write_text(products.read_text().replace("size: 4", "size: 8"))
    result = _apply_with(_limit_queries, project, monkeypatch, empty_qdrant)
    assert result.code != 0
    assert "its settings have changed: strict_mode_config" in result.err
    config = empty_qdrant.request("GET", "/collections/products")[1]["result"]["config"]
    assert config["params"]["vectors"]["size"] == 4
    assert config["strict_mode_config"]["max_query_limit"] == 77
