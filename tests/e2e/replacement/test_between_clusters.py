"""`replacement.from`: a collection moves to another cluster with the same phases."""

from __future__ import annotations

from tests.e2e.replacement.products import DOT, manifest, names, read, write
from tests.support.project import PROJECT, Project, asked

FROM = {"from": {"environment": "old"}}


def two_environments(project, old, new):
    text = PROJECT.replace("    dev:", f"    old: {{url: '{old.url}'}}\n    dev:")
    text = text.replace("{env: FLOWS_URL}", f"'{new.url}'")
    (project.folder / "qdrantctl.yaml").write_text(text)


def test_a_collection_moves_with_its_alias(tmp_path, empty_qdrant, fresh_qdrant):
    old, new = empty_qdrant, fresh_qdrant()
    project = Project(tmp_path)
    two_environments(project, old, new)
    aliases = {"products-live": "products"}
    project.states({"products": DOT}, aliases)
    assert project.apply(old, "-e", "old").code == 0
    write(old, range(300))
    project.states({"products": manifest(DOT, **FROM)}, aliases)
    told = project.apply(new, "-e", "dev")
    assert told.code == 0, told.err
    assert names(new) == {"products"}
    assert read(new) == read(old)
    assert asked(new, "GET", "/aliases")["aliases"][0]["collection_name"] == "products"
    after = project.plan(new, "-e", "dev")
    assert after.code == 0, after.out
    assert names(old) == {"products"}
