"""`qdrantctl render ADDRESS`: what is asked in the end, in words that are a manifest again."""

import pytest

from tests.support.cli import run_cli

MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products, labels: {team: search}}
spec:
  vectors: {size: {{ vars.size }}, distance: Dot}
  payload_indexes: {brand: keyword}
  strict_mode_config: {max_timeout: 60}
  filters: [brand]
  acknowledge: [max_payload_index_count]
lifecycle:
  protect: true
  ignore:
    - {path: optimizers_config.indexing_threshold, reason: bulk loads}
---
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {name: production}
spec:
  collections: ["*"]
  config: {enabled: true, max_timeout: 30}
"""
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments: {dev: {url: embedded, vars: {size: 4}}}
"""
RENDERED = """\
# manifests/all.yaml.j2:1
# strict_mode_config.enabled: manifests/all.yaml.j2:20 (strict_mode_profile/production)
apiVersion: qdrantctl/v1
kind: Collection
metadata:
  name: products
  labels: {team: search}
spec:
  vectors: {size: 4, distance: Dot}
  strict_mode_config: {enabled: true, max_timeout: 60}
  payload_indexes:
    brand: keyword
  filters:
    - {key: brand}
  acknowledge: [max_payload_index_count]
lifecycle:
  protect: true
  ignore:
    - {path: [optimizers_config, indexing_threshold], reason: bulk loads}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "all.yaml.j2").write_text(MANIFEST)
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_overlays_are_laid_under(project):
    result = run_cli("render", "collection/products")
    assert result.code == 0
    rendered = result.out
    assert rendered == RENDERED
    (project / "manifests" / "all.yaml.j2").unlink()
    (project / "manifests" / "all.yaml").write_text(rendered)
    result = run_cli("render", "collection/*")
    assert result.code == 0
    again = result.out
    assert again.partition("apiVersion")[2] == rendered.partition("apiVersion")[2]


def test_what_is_not_there(project):
    result = run_cli("render", "collection/prodcuts")
    assert result.code == 64
    assert "collection/prodcuts matches nothing" in result.err
    assert run_cli("render", "collection/products", "--numbers").code == 64
    (project / "manifests" / "all.yaml.j2").write_text("spec: {{ nope }}")
    assert run_cli("render", "collection/products").code == 1
