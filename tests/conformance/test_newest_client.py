"""The newest client on the package index has no field that no rule knows.

Not a part of the usual tests, since any day may bring a client: `make client-fields` runs it.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.conformance.api import known
from tests.conformance.test_gates import unknown_to_the_specs
from tools.client_models import ClientModels
from tools.field_versions import FieldVersions, list_client_versions, merge_clients, read_clients


@pytest.fixture(scope="module")
def newest() -> ClientModels:
    if not os.environ.get("QDRANTCTL_NEWEST_CLIENT"):
        pytest.skip("asks the package index; make client-fields runs it")
    try:
        [client] = read_clients(list_client_versions()[-1:])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the package index cannot be reached: {error.stderr.strip()[-200:]}")
    return client


def test_its_fields_are_in_the_table(newest):
    new = sorted(newest.paths - set(known()))
    assert new == [], f"new in {newest.version}: python -m tools.field_versions"


def test_its_fields_are_known_to_a_spec(newest):
    assert [path for path in sorted(newest.paths) if unknown_to_the_specs(path)] == []


def test_it_changes_nothing_in_the_table(newest):
    table = FieldVersions.read()
    assert merge_clients(table, [newest]) == table
