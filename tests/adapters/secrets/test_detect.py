"""Keys and tokens are refused wherever they stand in a document, and ordinary words are not."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrantctl.adapters.manifests.load import load_manifests
from qdrantctl.adapters.manifests.sources import Sources
from qdrantctl.adapters.secrets.detect import find_secret, find_secrets
from qdrantctl.adapters.secrets.redact import redact
from qdrantctl.kinds.catalog import KINDS, OVERLAYS
from tests.support.cli import run_cli
from tests.support.manifests import HEAD, loaded, place, violations

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhY2Nlc3MiOiJyIn0.c2lnbmF0dXJlLW9mLXRlc3Q"
LONG = f"{TOKEN[:30]}{'A' * 300}.eyJ{'B' * 300}.{'C' * 43}"
IN_USE = "a-key-for-tests-5e0b91"
WORDS = st.text(st.characters(codec="ascii", categories=["L", "Nd"], include_characters="-_ ./:"))
NAMES = ["owner", "token", "secret", "password", "id", "sha256", "key", "api_key_id", "note"]


def found(value, key=None):
    return [secret.path for secret in find_secrets(value, key)]


@given(st.dictionaries(st.sampled_from(NAMES), WORDS | st.lists(WORDS)))
def test_plain_words_are_none(metadata):
    assert found(metadata, IN_USE) == []


@given(st.binary(max_size=40), st.uuids())
def test_hashes_and_ids_are_none(data, number):
    words = [
        hashlib.sha256(data).hexdigest(),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(json.dumps({"a": data.hex()}).encode()).decode(),
        str(number),
        number.hex,
    ]
    assert found({"metadata": dict(zip(NAMES, words, strict=False))}, IN_USE) == []


@pytest.mark.parametrize(
    "value",
    [
        {"payload_indexes": {"api_key": "keyword", "qdrant_api_key": "datetime"}},
        {"payload_indexes": {"api_key": {"type": "integer"}}},
        {"api_key": {"env": "QDRANT_API_KEY"}},
        {"note": "the api_key: rotated monthly by ops"},
        {"command": ["vault", "write", "secret/qdrant", "api_key=@/dev/stdin"]},
        {"name": "QDRANT_API_KEY", "key": "api-key", "api_key": None, "x": True},
    ],
)
def test_what_only_speaks_of_keys_is_none(value):
    assert found(value, IN_USE) == []


def test_a_short_key_is_no_part_of_a_longer_word():
    assert found({"a": "https://devkeys.example.com", "b": "is devkey."}, "devkey") == [("b",)]
    assert redact("devkeys: devkey", "devkey") == "devkeys: (hidden)"


@given(st.lists(st.sampled_from(["a", "b", 0]), max_size=4), st.sampled_from([TOKEN, IN_USE]))
def test_they_are_found_wherever_they_stand(path, secret):
    value = f"it is {secret}, is it not?"
    where = []
    for word in reversed(path):
        value = ["x", value] if word == 0 else {word: value}
        where.insert(0, 1 if word == 0 else word)
    assert found(value, IN_USE) == [tuple(where)]
    assert found({"outer": {secret: 1}}, IN_USE) == [("outer", secret)]


@pytest.mark.parametrize("name", ["api_key", "API-KEY", "read_only_api_key", "QDRANT__API_KEY"])
def test_beside_their_name(name):
    assert found({"metadata": {name: "s3cret-key"}}) == [("metadata", name)]
    assert found({"metadata": {name: 12345678}}) == [("metadata", name)]
    assert find_secret(f'{{{name}: "s3cret-key", b: 1}}', None)


@given(st.integers(0, 400), st.sampled_from([LONG, IN_USE]))
def test_nothing_is_left_where_a_line_is_cut(end, secret):
    text = f"here: {secret}"
    cut = text[:end] + "…" if end < len(text) else text
    left = redact(cut, IN_USE)
    assert not any(secret[at : at + 12] in left for at in range(len(secret) - 11))


MANIFESTS = {
    "Collection": f"{HEAD}  metadata: {{owner: search, note: %s}}\n",
    "a name": f"{HEAD}  metadata: {{%s: search}}\n",
    "labels": f"{HEAD.replace('products}', 'products, labels: {a: %s}}')}",
    "SnapshotPolicy": "apiVersion: qdrantctl/v1\nkind: SnapshotPolicy\nmetadata: {name: a}\nspec:\n"
    "  collections: ['*']\n  schedule: '0 3 * * *'\n  retention: {keep_last: 1}\n"
    "  destination: s3://backups/%s\n",
    "AccessKey": "apiVersion: qdrantctl/v1\nkind: AccessKey\nmetadata: {name: a}\n"
    "spec: {ttl: 90d, grace: 1d, access: [{collection: products, access: r}], tokne: %s}\n",
    "twice": f"{HEAD}  metadata: {{a: 1, a: %s}}\n",
    "no YAML": f"{HEAD}  metadata: {{a: 1, b: %s\n",
    "no kind": "apiVersion: qdrantctl/v1\nkind: %s\n",
    "a wrong type": f"{HEAD}  shard_number: %s\n",
    "several lines": f'{HEAD}  shard_number:\n    "%s"\n',
    "a List": "kind: List\nitems:\n- {apiVersion: qdrantctl/v1, kind: Collection, metadata: %s}\n",
}


@pytest.mark.parametrize("secret", [TOKEN, LONG, IN_USE, IN_USE + TOKEN])
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_refused_and_not_told(manifest, secret, tmp_path):
    text = MANIFESTS[manifest] % secret
    (tmp_path / "a.yaml").write_text(text)
    told = violations_with(IN_USE, tmp_path, "a.yaml")
    if manifest != "no YAML":
        [given_away] = [v for v in told if v.rule == "QC055"]
        line = next(n for n, one in enumerate(text.splitlines(), 1) if secret in one)
        column = text.splitlines()[line - 1].index(secret) + 1
        rule, at, where = place(given_away)
        assert (rule, at) == ("QC055", line)
        assert column - len("s3://backups/") <= where <= column
    assert told
    assert not leaking(told, secret)


def violations_with(key, folder, *files, **words):
    sources = Sources(folder, files, "-", words, explicit=True, api_key=key)
    return load_manifests(sources, (*KINDS, *OVERLAYS), bytes).violations


def leaking(told, secret):
    whole = json.dumps([v.model_dump(mode="json") for v in told], ensure_ascii=False)
    return [secret[at : at + 12] for at in range(len(secret) - 11) if secret[at : at + 12] in whole]


@pytest.mark.parametrize("secret", [TOKEN, LONG, IN_USE])
def test_what_a_template_puts_there(secret, tmp_path):
    (tmp_path / "a.yaml.j2").write_text(f"{HEAD}  metadata:\n    note: {{{{ vars.note }}}}\n")
    told = violations_with(IN_USE, tmp_path, "a.yaml.j2", note=secret)
    assert [place(v)[:2] for v in told] == [("QC055", 7)]
    assert "a.yaml.j2" in told[0].hint
    assert not leaking(told, secret)


def test_without_the_key_in_use_ordinary_manifests_pass(tmp_path):
    assert violations(f"{HEAD}  metadata: {{id: {uuid.uuid4()}}}\n", tmp_path) == []
    assert loaded(tmp_path).desired


PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    prod:
      url: https://qdrant.example.com
      api_key: {env: PRODKEY}
      vars: {note: %s}
"""


@pytest.mark.parametrize("secret", [TOKEN, IN_USE])
@pytest.mark.parametrize("command", ["validate", "lock"])
def test_in_the_project_file(command, secret, tmp_path, monkeypatch, capsys):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(HEAD)
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT % secret)
    monkeypatch.setenv("PRODKEY", IN_USE)
    assert run_cli(command, project=tmp_path).code == 1
    told = capsys.readouterr()
    assert "QC071" in told.out + told.err
    assert "qdrantctl.yaml:9:20" in told.out + told.err
    assert secret not in told.out + told.err
    assert not (tmp_path / "state").exists()
