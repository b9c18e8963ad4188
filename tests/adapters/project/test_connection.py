"""Which server a command reaches, where an API key may go, and that no key is ever quoted."""

from __future__ import annotations

import pytest

from qdrantctl.model.errors import QdrantctlError, SettingsError, UsageError
from tests.adapters.project.test_settings import KEY, TOP, project, refused, settle
from tests.support.cli import run_cli
from tests.support.manifests import place


class TestTheServer:
    def environment(self, words):
        return project(f"environments:\n  dev: {{{words}}}")

    def test_url_from_a_variable(self, tmp_path):
        text = self.environment("url: {env: U}")
        assert settle(tmp_path, text, environ={"U": "http://h"}).endpoint.url == "http://h:6333"
        assert settle(tmp_path, text, environ={"U": "embedded"}).embedded
        assert settle(tmp_path, text, need_server=False).endpoint is None
        error = refused(tmp_path, text, SettingsError)
        assert "variable U is not set" in error.what
        assert "qdrantctl.yaml:6" in error.why
        secret = f"https://user:{KEY}@h"
        error = refused(tmp_path, text, SettingsError, environ={"U": secret})
        assert KEY not in str([error.what, error.why, error.hint])

    def test_no_url(self, tmp_path):
        error = refused(tmp_path, self.environment("protected: true"), SettingsError)
        assert "states no url" in error.what

    def test_protected_refuses_drift(self, tmp_path):
        found = settle(tmp_path, self.environment("url: embedded, protected: true"))
        assert (found.protected, found.on_drift) == (True, "refuse")

    def test_protected_in_one_file_and_drift_in_another(self, tmp_path):
        base = f"{TOP}spec:\n  environments: {{dev: {{protected: true}}}}\n"
        (tmp_path / "b.yaml").write_text(base)
        text = project("extends: b.yaml\nenvironments: {dev: {url: embedded, on_drift: keep}}")
        [found] = refused(tmp_path, text).violations
        assert place(found) == ("QC077", 6, 49)

    def test_tls_and_nodes(self, tmp_path):
        words = "url: https://h, tls: {ca_file: certs/ca.pem}, nodes: [https://a:1, https://b]"
        found = settle(tmp_path, self.environment(words))
        assert found.endpoint.tls.ca_file == tmp_path / "certs/ca.pem"
        assert found.nodes == ("https://a:1", "https://b:6333")

    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (", api_key: {env: K}", "the environment variable K (qdrantctl.yaml:6)"),
            (", api_key: {file: k}", "the file k (qdrantctl.yaml:6)"),
            (
                f", api_key: {{command: [echo, {KEY}]}}",
                "the command 'echo' (qdrantctl.yaml:6)",
            ),
            ("", "State api_key in environment dev (qdrantctl.yaml:6)"),
        ],
    )
    def test_a_refusal_tells_where_the_key_came_from(self, words, hint, tmp_path):
        (tmp_path / "k").write_text(KEY)
        text = self.environment(f"url: https://h{words}")
        told = settle(tmp_path, text, environ={"K": KEY}).endpoint.key_hint
        assert hint in told
        assert KEY not in told

    def test_beside_a_stated_url_it_stands_in_a_variable(self, tmp_path):
        for environ in ({}, {"QDRANT_API_KEY": KEY}):
            told = settle(tmp_path, files=("a.yaml",), url="https://h", environ=environ)
            assert "QDRANT_API_KEY" in told.endpoint.key_hint

    @pytest.mark.parametrize(
        "host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "x.localhost"]
    )
    def test_a_key_over_http_stays_on_this_machine(self, host, tmp_path):
        text = self.environment(f"url: 'http://{host}', api_key: {{env: K}}")
        assert settle(tmp_path, text, environ={"K": KEY}).endpoint.api_key == KEY

    @pytest.mark.parametrize("host", ["h", "10.0.0.1", "localhost.evil.com", "[2001:db8::1]"])
    def test_and_is_refused_elsewhere(self, host, tmp_path):
        words = f"url: 'http://{host}', api_key: {{env: K}}"
        [found] = refused(tmp_path, self.environment(words), environ={"K": KEY}).violations
        assert place(found) == ("QC070", 6, 16)
        assert "in the clear" in found.message
        assert "allow_http" in found.hint
        allowed = self.environment(f"{words}, allow_http: true")
        assert settle(tmp_path, allowed, environ={"K": KEY}).endpoint.api_key == KEY

    def test_also_for_nodes(self, tmp_path):
        words = "url: https://h, api_key: {env: K}, nodes: ['http://n1']"
        [found] = refused(tmp_path, self.environment(words), environ={"K": KEY}).violations
        assert found.rule == "QC070"
        assert "n1:6333" in found.message

    def test_url_option_in_the_clear(self, tmp_path):
        words = {"url": "http://h", "environ": {"QDRANT_API_KEY": KEY}, "files": ("a",)}
        error = refused(tmp_path, None, UsageError, **words)
        assert "in the clear" in error.what
        assert KEY not in str(vars(error))

    @pytest.mark.parametrize(
        ("allowed", "fits"),
        [
            ("h.example.com", True),
            ("h.example.com:6333", True),
            ("h.example.com:1", False),
            ("*.example.com", True),
            ("a, *.example.com b", True),
            ("example.com", False),
            ("*", True),
            ("", True),
            (" ", True),
            ("h[.]example.com", False),
        ],
    )
    def test_allowed_hosts(self, allowed, fits, tmp_path):
        environ = {"K": KEY, "QDRANTCTL_ALLOWED_HOSTS": allowed, "QDRANT_API_KEY": KEY}
        text = self.environment("url: https://h.example.com, api_key: {env: K}")
        if fits:
            assert settle(tmp_path, text, environ=environ).endpoint.api_key == KEY
            return
        error = refused(tmp_path, text, SettingsError, environ=environ)
        assert "may not be sent to h.example.com" in error.what
        words = {"url": "https://h.example.com", "files": ("a",), "environ": environ}
        with pytest.raises(SettingsError):
            settle(tmp_path, text, **words)
        without = self.environment("url: https://h.example.com")
        assert settle(tmp_path, without, environ=environ).endpoint.api_key is None


SECRETS = [
    f"environments:\n  dev:\n    url: https://h\n    api_key: {KEY}",
    f"environments:\n  dev: {{url: https://h, api_key: '{KEY}'}}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: [{KEY}]",
    f"environments:\n  dev:\n    url: https://h\n    api_key: {{value: {KEY}}}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: {{command: {KEY}}}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: |\n      {KEY}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: {KEY}\n    api_key: {KEY}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: !secret {KEY}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: '{KEY}",
    f"environments:\n  dev:\n    url: https://h\n    api_key: {KEY}: x",
    f"environments:\n  dev:\n    url: https://h\n    apikey: {KEY}",
    f"environments:\n  dev:\n    url: https://h\n    api-key: {KEY}",
    f"environments:\n  dev: {{url: 'https://user:{KEY}@h'}}",
    f"environments:\n  dev: {{url: 'https://{KEY}@h'}}",
    f"environments:\n  dev: {{url: 'https://h?api_key={KEY}'}}",
    f"environments:\n  dev: {{url: 'https://h#{KEY}'}}",
    f"environments:\n  dev: {{url: 'https://user:{KEY}@h', on_drift: x}}",
    f"environments:\n  dev: {{nodes: ['https://user:{KEY}@h'], url: https://h}}",
]


@pytest.mark.parametrize("spec", SECRETS)
def test_no_key_is_ever_quoted(spec, tmp_path, capsys):
    error = refused(tmp_path, project(spec), QdrantctlError)
    told = [v.model_dump_json() for v in getattr(error, "violations", ())]
    assert KEY not in " ".join([error.what, error.why, error.hint, *told])
    for command in ("validate", "plan", "render"):
        assert run_cli(command, project=tmp_path).code != 0
        assert KEY not in "".join(capsys.readouterr())
