"""`--format html` of commands on a real server, and of a saved plan without one."""

from tests.support.cli import run_cli

MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: books}
spec:
  vectors: {size: 4, distance: Dot}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: books}
"""


def test_commands_print_the_same_change_as_a_page(empty_qdrant, tmp_path):
    (tmp_path / "all.yaml").write_text(MANIFEST)
    saved = tmp_path / "plan.json"
    project = ("-f", tmp_path / "all.yaml", "--url", empty_qdrant.url)
    page = run_cli("plan", *project, "--out", saved, "--format", "html").out
    assert page.startswith("<!doctype html>")
    assert "alias/live depends on collection/books" in page
    assert run_cli("show", saved, "--format", "html").out == page
    report = run_cli("apply", *project, "--auto-approve", "--format", "html", env={"CI": "true"})
    assert report.code == 0
    assert "Apply complete! 2 added" in report.out
    shown = run_cli("show", "collection/books", *project, "--format", "html")
    assert "<caption>Fields of collection/books</caption>" in shown.out
