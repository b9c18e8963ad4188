"""What a command works with: project file, environment, server, consents, variables."""

from __future__ import annotations

import os
from datetime import date

import pytest

from qdrantctl.adapters.project.settings import Settings, resolve_settings
from qdrantctl.model.address import Address
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import ManifestError, UsageError
from qdrantctl.model.violation import Severity
from tests.support.cli import run_cli
from tests.support.manifests import place

TODAY = date(2026, 6, 1)
KEY = "k-very-secret-0123456789"
TOP = "apiVersion: qdrantctl/v1\nkind: Project\n"


def project(spec: str, metadata: str = "{name: shop}") -> str:
    body = "\n".join("  " + line if line else "" for line in spec.strip("\n").splitlines())
    return f"{TOP}metadata: {metadata}\nspec:\n{body}\n"


ONE = project("environments: {dev: {url: 'http://localhost:6333'}}")
TWO = project("environments:\n  dev: {url: embedded}\n  prod: {url: https://q.example.com}\n")


def settle(folder, text=None, *, need_server=True, environ=None, **words) -> Settings:
    if text is not None:
        (folder / "qdrantctl.yaml").write_text(text)
    words.setdefault("directory", folder)
    words = {"files": (), "url": None, "environment": None, "today": TODAY, **words}
    return resolve_settings(need_server=need_server, environ=environ or {}, **words)


def refused(folder, text, error=ManifestError, **words):
    with pytest.raises(error) as caught:
        settle(folder, text, **words)
    return caught.value


class TestWhichEnvironment:
    def test_the_only_one(self, tmp_path):
        found = settle(tmp_path, ONE)
        assert (found.owner, found.endpoint.url) == ("shop/dev", "http://localhost:6333")

    def test_the_one_that_is_named(self, tmp_path):
        found = settle(tmp_path, TWO, environment="prod")
        assert (found.owner, found.endpoint.url) == ("shop/prod", "https://q.example.com:6333")

    def test_several_and_none_named(self, tmp_path):
        error = refused(tmp_path, TWO, UsageError)
        assert error.exit_code == 64
        assert "dev, prod" in error.why
        assert "QDRANTCTL_ENV" in error.hint

    def test_the_default_of_the_project_file(self, tmp_path):
        text = TWO + "  default_environment: prod\n"
        assert settle(tmp_path, text).owner == "shop/prod"
        assert settle(tmp_path, text, environment="dev").owner == "shop/dev"
        assert settle(tmp_path, text, url="https://h").owner == "shop/-"

    def test_the_nearest_default_wins(self, tmp_path):
        base = project("default_environment: dev").replace("{name: shop}", "{}")
        (tmp_path / "base.yaml").write_text(base)
        text = TWO + "  extends: base.yaml\n"
        assert settle(tmp_path, text).owner == "shop/dev"
        assert settle(tmp_path, text + "  default_environment: prod\n").owner == "shop/prod"

    def test_a_default_that_is_no_environment(self, tmp_path):
        text = TWO + "  default_environment: test\n"
        for stated in (None, "dev"):
            [violation] = refused(tmp_path, text, environment=stated).violations
            assert (violation.rule, violation.hint) == ("QC072", "Known are dev, prod.")
            assert violation.origin.line == 8

    def test_an_unknown_one(self, tmp_path):
        error = refused(tmp_path, TWO, UsageError, environment="prd")
        assert (error.exit_code, error.hint) == (64, "Did you mean 'prod'?")

    def test_none_at_all(self, tmp_path):
        text = project("manifests: [manifests]")
        assert settle(tmp_path, text, need_server=False).owner == "shop/-"
        assert "names no environment" in refused(tmp_path, text, UsageError).what

    def test_the_option_and_the_variable(self, tmp_path, monkeypatch):
        (tmp_path / "qdrantctl.yaml").write_text(TWO)
        (tmp_path / "manifests").mkdir()
        (tmp_path / "manifests" / "a.yaml.j2").write_text("# {{ env }}\n")
        assert run_cli("render", project=tmp_path).code == 64
        monkeypatch.setenv("QDRANTCTL_ENV", "prod")
        assert "# prod\n" in run_cli("render", project=tmp_path).out
        assert "# dev\n" in run_cli("render", "-e", "dev", project=tmp_path).out


class TestWhichProject:
    def test_found_upward(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        found = settle(tmp_path, ONE, directory=tmp_path / "a" / "b")
        assert found.root == tmp_path
        assert found.manifests == ("manifests",)

    def test_none(self, tmp_path):
        assert "qdrantctl init" in refused(tmp_path, None, UsageError).hint
        words = {"files": ("a.yaml",), "environment": "dev"}
        assert "there is no qdrantctl.yaml" in refused(tmp_path, None, UsageError, **words).what

    def test_files_and_url_are_enough(self, tmp_path):
        found = settle(tmp_path, files=("a.yaml", "-"), url="https://h")
        assert (found.owner, found.partial) == ("-/-", True)
        assert found.manifests == ("a.yaml", "-")
        assert found.endpoint.url == "https://h:6333"

    def test_or_files_and_variables(self, tmp_path):
        environ = {"QDRANT_URL": "https://h:1", "QDRANT_API_KEY": KEY}
        found = settle(tmp_path, files=("a.yaml",), environ=environ)
        assert (found.endpoint.url, found.endpoint.api_key) == ("https://h:1", KEY)

    def test_no_server(self, tmp_path):
        error = refused(tmp_path, None, UsageError, files=("a.yaml",))
        assert "QDRANT_URL" in error.hint
        assert settle(tmp_path, files=("a.yaml",), need_server=False).endpoint is None

    def test_url_excludes_an_environment(self, tmp_path):
        error = refused(tmp_path, TWO, UsageError, url="https://h", environment="dev")
        assert error.exit_code == 64

    def test_url_beside_a_project(self, tmp_path):
        found = settle(tmp_path, TWO, url="https://h", environ={"QDRANT_API_KEY": KEY})
        assert (found.owner, found.endpoint.url) == ("shop/-", "https://h:6333")
        assert found.endpoint.api_key == KEY

    def test_variables_do_not_reach_an_environment(self, tmp_path):
        environ = {"QDRANT_URL": "https://other", "QDRANT_API_KEY": KEY}
        found = settle(tmp_path, ONE, environ=environ)
        assert (found.endpoint.url, found.endpoint.api_key) == ("http://localhost:6333", None)

    @pytest.mark.parametrize("what", ["folder", "fifo", "dangling", "loop", "binary", "large"])
    def test_what_is_no_project_file(self, what, tmp_path):
        file = tmp_path / "qdrantctl.yaml"
        match what:
            case "folder":
                file.mkdir()
            case "fifo":
                os.mkfifo(file)
            case "dangling":
                file.symlink_to("nowhere")
            case "loop":
                file.symlink_to("qdrantctl.yaml")
            case "binary":
                file.write_bytes(b"\xff\xfe\x00")
            case "large":
                file.write_bytes(b"#" * 50_000_000)
        [found] = refused(tmp_path, None).violations
        assert (found.rule, found.origin.file) == ("QC001", "qdrantctl.yaml")
        assert found.hint


class TestManifests:
    def test_files_start_from_the_working_directory(self, tmp_path):
        (tmp_path / "a").mkdir()
        words = {"directory": tmp_path / "a", "files": ("x.yaml", "../y", "-", "*.yaml")}
        found = settle(tmp_path, ONE, **words)
        assert found.manifests == ("a/x.yaml", "y", "-", "a/*.yaml")
        assert found.partial

    def test_stated_ones_start_from_their_file(self, tmp_path):
        (tmp_path / "shop").mkdir()
        (tmp_path / "base.yaml").write_text(f"{TOP}spec: {{manifests: [platform]}}\n")
        text = project("manifests: [m, ../x, 's/*/q']\nextends: ../base.yaml")
        found = settle(tmp_path / "shop", text, need_server=False)
        assert found.manifests == ("../platform", "m", "../x", "s/*/q")

    def test_the_default_beside_a_base_s_own(self, tmp_path):
        (tmp_path / "base.yaml").write_text(f"{TOP}spec: {{manifests: [platform]}}\n")
        text = project("extends: base.yaml")
        assert settle(tmp_path, text, need_server=False).manifests == ("platform",)
        (tmp_path / "manifests").mkdir()
        assert settle(tmp_path, text, need_server=False).manifests == ("platform", "manifests")


class TestExtends:
    def test_the_nearest_file_wins_and_a_url_brings_its_own_key(self, tmp_path):
        (tmp_path / "c.yaml").write_text(
            f"{TOP}spec:\n  environments:\n    prod: {{url: https://c, api_key: {{env: C}}, "
            "on_drift: keep, vars: {a: {x: 1, y: 1}, b: 1}}\n  rules: {QC102: 'off', QC101: note}\n"
        )
        (tmp_path / "b.yaml").write_text(
            f"{TOP}spec:\n  extends: c.yaml\n  environments:\n"
            "    prod: {url: https://b, vars: {a: {x: 2}, c: 2}}\n  rules: {QC102: error}\n"
        )
        text = project("extends: b.yaml\nenvironments:\n  prod: {vars: {b: [3]}}")
        found = settle(tmp_path, text, environ={"C": KEY})
        assert (found.endpoint.url, found.endpoint.api_key) == ("https://b:6333", None)
        assert found.on_drift == "keep"
        assert found.vars == {"a": {"x": 2, "y": 1}, "b": [3], "c": 2}
        assert found.rules == {"QC102": Severity.ERROR, "QC101": Severity.NOTE}

    def test_environments_of_all_files_can_be_chosen(self, tmp_path):
        (tmp_path / "b.yaml").write_text(
            f"{TOP}spec:\n  environments: {{prod: {{url: https://b}}}}\n"
        )
        text = project("extends: b.yaml\nenvironments: {dev: {url: embedded}}")
        assert settle(tmp_path, text, environment="prod").endpoint.url == "https://b:6333"

    @pytest.mark.parametrize("target", ["qdrantctl.yaml", "b.yaml"])
    def test_a_circle(self, target, tmp_path):
        (tmp_path / "b.yaml").write_text(f"{TOP}spec: {{extends: {target}}}\n")
        [found] = refused(tmp_path, project("extends: b.yaml")).violations
        assert place(found) == ("QC075", 3, 17)
        assert "forms a cycle: qdrantctl.yaml -> b.yaml -> " + target in found.message

    def test_a_circle_through_a_link(self, tmp_path):
        (tmp_path / "b.yaml").symlink_to("qdrantctl.yaml")
        [found] = refused(tmp_path, project("extends: b.yaml")).violations
        assert (found.rule, found.hint) == ("QC075", "Remove extends from one of them.")

    def test_a_file_that_is_not_there(self, tmp_path):
        [found] = refused(tmp_path, project("extends: ../none.yaml")).violations
        assert place(found) == ("QC075", 5, 12)
        assert "../none.yaml cannot be read: no such file" in found.message
        assert "Relative paths start at" in found.hint

    def test_errors_in_it_stand_at_its_own_lines(self, tmp_path):
        (tmp_path / "b.yaml").write_text(f"{TOP}spec:\n  enviroments: {{}}\n  state: x\n")
        found = refused(tmp_path, project("extends: b.yaml")).violations
        assert [(v.origin.file, *place(v)) for v in found] == [
            ("b.yaml", "QC040", 4, 3),
            ("b.yaml", "QC040", 5, 3),
        ]
        assert found[0].hint == "Did you mean 'environments'?"


WRONG = [
    # spec; rule, line, column; words of message and hint
    ("enviroments: {}", "QC040", 5, 3, "'enviroments'", "'environments'?"),
    ("environments: {dev: {urll: embedded}}", "QC040", 5, 24, "'urll'", "'url'?"),
    ("environments: {dev: {url: q.example.com}}", "QC070", 5, 29, "begin with https", "https://q"),
    ("environments: {dev: {url: 6333}}", "QC070", 5, 29, "not a URL", "embedded"),
    ("environments: {dev: {url: 'http://h:99999'}}", "QC070", 5, 29, "port", "https://qdrant"),
    ("environments: {dev: {url: 'http://h:0'}}", "QC070", 5, 29, "port is 0", "https://qdrant"),
    ("environments: {dev: {url: 'ftp://h'}}", "QC070", 5, 29, "begin with https", "https://h"),
    ("environments: {dev: {url: {env: ''}}}", "QC070", 5, 29, "not a URL", "{env: NAME}"),
    ("environments: {a b: {url: embedded}}", "QC073", 5, 18, "'a b'", "letter or digit"),
    ("environments: {a.b: {url: embedded}}", "QC073", 5, 18, "'a.b'", "letter or digit"),
    ("environments: {dev: {url: embedded, api_key: {env: X}}}", "QC076", 5, 48, "not use", "out"),
    ("environments: {dev: {url: embedded, nodes: [https://a]}}", "QC076", 5, 46, "nodes", "out"),
    ("environments: {dev: {url: embedded, version: '1.19'}}", "QC045", 5, 48, "full", "1.19.0"),
    ("environments: {dev: {url: 'https://a', version: 1.9.0}}", "QC076", 5, 51, "states", "min_"),
    ("environments: {dev: {protected: true, on_drift: keep}}", "QC077", 5, 51, "keep", "Remove"),
    ("environments: {dev: {on_drift: reverse}}", "QC044", 5, 34, '"reverse"', "revert?"),
    ("environments: {dev: {protected: yes}}", "QC042", 5, 35, '"yes"', "Write true or false"),
    ("environments: {dev: {api_key: {}}}", "QC071", 5, 33, "exactly one", "{env: QDRANT_API_KEY}"),
    ("environments: {dev: {api_key: {env: A, file: b}}}", "QC071", 5, 33, "exactly one", "env"),
    ("environments: {dev: {api_key: {command: []}}}", "QC043", 5, 43, "at least 1", "Program"),
    ("environments: {dev: {api_key: {command: op read}}}", "QC042", 5, 43, "a list", "["),
    ("manifests: []", "QC043", 5, 14, "at least 1", "globs"),
    ("manifests: x", "QC042", 5, 14, "a list", "Write [x]."),
    ("consents: [{delete: products, until: 2027-01-31}]", "QC074", 5, 23, "not an address", "KIND"),
    ("consents: [{delete: collection/..., until: 2027-01-31}]", "QC074", 5, 23, "path", "KIND"),
    ("consents: [{delete: Pod/a, until: 2027-01-31}]", "QC074", 5, 23, "not a kind", "KIND"),
    ("consents: [{delete: a/b, replace: a/b, until: 2027-01-31}]", "QC074", 5, 14, "one of", "For"),
    ("consents: [{until: 2027-01-31}]", "QC074", 5, 14, "allows none", "For instance"),
    ("consents: [{delete: collection/a}]", "QC041", 5, 14, "until is required", "YYYY-MM-DD"),
    ("consents: [{delete: collection/a, until: 2027-02-30}]", "QC045", 5, 44, "calendar", "YYYY"),
    ("consents: [{delete: collection/a, until: 20270131}]", "QC045", 5, 44, "calendar", "YYYY"),
    (
        "consents: [{delte: collection/a, until: 2027-01-31}]",
        "QC040",
        5,
        15,
        "'delte'",
        "'delete'?",
    ),
    ("removed: [{adress: collection/a}]", "QC041", 5, 13, "address is required", "Add address"),
    ("removed: [collection/a]", "QC042", 5, 13, "a mapping", "forget"),
    ("removed: [{address: collection/...}]", "QC074", 5, 23, "path", "KIND/NAME"),
    ("removed: [{address: 'collection/*'}]", "QC074", 5, 23, "globs are not", "KIND/NAME"),
    ("rules: {QC1: error}", "QC078", 5, 11, "'QC1'", "QC105"),
    ("rules: {QC102: fatal}", "QC078", 5, 18, "not a severity", "error, warning, note, off"),
    ("rules: {QC102: error, QC102: 'off'}", "QC006", 5, 25, "twice", "Keep one"),
    ("state: ''", "QC043", 5, 10, "must not be empty", "committed state"),
]


@pytest.mark.parametrize(("spec", "rule", "line", "column", "said", "hint"), WRONG)
def test_what_is_wrong_in_the_project_file(spec, rule, line, column, said, hint, tmp_path):
    found = refused(tmp_path, project(spec)).violations
    assert place(found[0]) == (rule, line, column), found
    assert said in found[0].message
    assert hint in found[0].hint
    if "api_key" not in spec:
        assert found[0].snippet == "  " + spec


def test_metadata(tmp_path):
    for name in ("our shop", "", "-a", "a/b", "x" * 65, "é"):
        [found] = refused(tmp_path, project("state: s", f"{{name: '{name}'}}")).violations
        assert place(found) == ("QC073", 3, 18)
    text = project("environments: {dev: {url: embedded}}", "{name: shop, previous_names: [a, b.c]}")
    assert settle(tmp_path, text).previous_owners == {"a/dev", "b.c/dev"}


def test_all_errors_at_once(tmp_path):
    spec = "environments:\n  dev: {url: x, on_drift: y}\nrules: {QC1: z}\nq: 1"
    found = refused(tmp_path, project(spec)).violations
    assert {v.rule for v in found} == {"QC070", "QC044", "QC078", "QC040"}


class TestConsents:
    SPEC = """
environments: {dev: {url: embedded}, prod: {url: embedded}}
consents:
  - {delete: collection/a, until: 2026-06-01, environments: [dev]}
  - {replace: "collection/*", until: 2026-12-31, reason: known}
  - {alias: alias/x, until: 2026-05-31}
  - {adopt: collection/b, until: 2026-05-31, environments: [prod]}
removed:
  - {address: collection/gone}
"""

    def test_those_in_force(self, tmp_path):
        found = settle(tmp_path, project(self.SPEC), environment="dev")
        assert found.consents == (
            Consent("delete", "collection/a", "qdrantctl.yaml:7"),
            Consent("replace", "collection/*", "qdrantctl.yaml:8"),
        )
        assert found.notes == (
            "the consent to alias alias/x (qdrantctl.yaml:9) expired after 2026-05-31; remove it",
        )
        assert found.removed == {Address("collection", "gone")}

    def test_those_of_other_environments_are_not_mentioned(self, tmp_path):
        found = settle(tmp_path, project(self.SPEC), environment="prod")
        assert [consent.verb for consent in found.consents] == ["replace"]
        assert len(found.notes) == 2

    def test_what_a_glob_covers(self):
        consent = Consent("delete", "collection/a[b]*", "")
        assert consent.covers("delete", Address("collection", "a[b]c"))
        assert not consent.covers("delete", Address("collection", "abc"))
        assert not consent.covers("replace", Address("collection", "a[b]c"))


class TestVars:
    def test_files_then_what_is_stated(self, tmp_path):
        (tmp_path / "a.yaml").write_text("x: {one: 1, two: 1}\ny: [1]\nz: 1\n")
        (tmp_path / "b.yaml").write_text("x: {two: 2}\ny: [2, 3]\n")
        text = project(
            "environments:\n  dev:\n    url: embedded\n    vars_files: [a.yaml, b.yaml]\n"
            "    vars: {x: {three: 3}, z: {}}\n"
        )
        assert settle(tmp_path, text).vars == {
            "x": {"one": 1, "two": 2, "three": 3},
            "y": [2, 3],
            "z": {},
        }

    @pytest.mark.parametrize(
        ("content", "rule", "file"),
        [
            (None, "QC075", "qdrantctl.yaml"),
            ("- 1", "QC042", "v.yaml"),
            ("", "QC030", "v.yaml"),
            ("a: 1\n---\nb: 1", "QC030", "v.yaml"),
            ("a: [", "QC005", "v.yaml"),
            ("a: 0777", "QC011", "v.yaml"),
        ],
    )
    def test_a_file_that_cannot_be_used(self, content, rule, file, tmp_path):
        if content is not None:
            (tmp_path / "v.yaml").write_text(content)
        text = project("environments:\n  dev:\n    url: embedded\n    vars_files:\n      - v.yaml")
        [found] = refused(tmp_path, text).violations
        assert (found.rule, found.origin.file) == (rule, file)
        assert found.hint
        if content is None:
            assert found.origin.line == 9
