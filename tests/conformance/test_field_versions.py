"""The command that reads the versions of fields from client packages, on two small packages."""

from __future__ import annotations

from zipfile import ZipFile

import pytest

from tools.client_models import read_wheel
from tools.field_versions import FieldVersions, merge_clients

OLD = """
class CreateCollection(BaseModel, extra="forbid"):
    vectors: Optional["Vectors"] = Field(default=None, description="")
    metadata: Optional["Payload"] = Field(default=None, description="")
    init_from: Optional[str] = Field(default=None, description="")

class Payload(BaseModel):
    anything: str

class Vector(BaseModel):
    datatype: Optional["Datatype"] = None
    inner: Optional["Vector"] = None

class Datatype(str, Enum):
    FLOAT32 = "float32"

class Shard(BaseModel):
    from_: int = Field(..., alias="from")

class CollectionClusterInfo(BaseModel):
    shards: List["Shard"] = Field(..., description="")

Vectors = Union[Vector, Dict[str, Vector]]
"""
GONE = '    init_from: Optional[str] = Field(default=None, description="")\n'
VALUE = '    FLOAT32 = "float32"\n'
NEW = (
    OLD.replace(GONE, "")
    .replace(VALUE, VALUE + '    TURBO4 = "turbo4"\n')
    .replace("    inner:", '    kind: Annotated[Literal["a", "b"], Mark] = "a"\n    inner:')
)
API = """
class _CollectionsApi:
    def _build_for_delete(self, name, timeout=None):
        query_params = {}
        if timeout is not None:
            query_params["timeout"] = str(timeout)
        return self.api_client.request(
            type_=m.Answer, method="DELETE", url="/collections/{name}", params=query_params
        )
"""


@pytest.fixture
def clients(tmp_path):
    found = []
    for version, models in (("1.18.0", OLD), ("1.19.0", NEW)):
        wheel = tmp_path / f"qdrant_client-{version}-py3-none-any.whl"
        with ZipFile(wheel, "w") as package:
            package.writestr("qdrant_client/http/models/models.py", models)
            package.writestr("qdrant_client/http/api/collections_api.py", API)
        found.append(read_wheel(wheel))
    return found


def test_what_a_client_has(clients):
    assert clients[0].version == "1.18.0"
    assert clients[0].paths == {
        "DELETE /collections/{name}",
        "DELETE /collections/{name}?timeout",
        "cluster_info.shards",
        "cluster_info.shards[].from",
        "create.init_from",
        "create.metadata",
        "create.vectors",
        "create.vectors.datatype",
        'create.vectors.datatype="float32"',
        "create.vectors.inner",
        "create.vectors.<name>.datatype",
        'create.vectors.<name>.datatype="float32"',
        "create.vectors.<name>.inner",
    }
    assert {'create.vectors.kind="a"', 'create.vectors.kind="b"'} <= clients[1].paths


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("1.18.2", "1.18.2"),  # told by a tag of the server, between the two clients
        ("1.19.0", "1.19.0"),
        (None, "1.19.0"),
        ("1.17.1", "1.19.0"),  # the client of 1.18 contradicts it
        ("1.19.2", "1.19.0"),
    ],
)
def test_a_version_between_two_clients_stays(clients, stated, found):
    path = 'create.vectors.datatype="turbo4"'
    table = FieldVersions({path: stated} if stated else {}, {})
    assert merge_clients(table, clients).since[path] == found


def test_what_is_gone_has_a_last_version(clients):
    table = merge_clients(FieldVersions({"create.init_from": "1.0.0"}, {}), clients)
    assert "create.init_from" not in table.since
    assert table.removed == {"create.init_from": {"first": "1.0.0", "last": "1.18.0"}}
    assert merge_clients(table, clients) == table


def test_what_no_client_has_stays(clients):
    gone = {"create.gone": {"first": "1.0.0", "last": "1.2.0"}}
    table = merge_clients(FieldVersions({"create.undocumented": "1.0.0"}, gone), clients)
    assert table.since["create.undocumented"] == "1.0.0"
    assert table.removed["create.gone"] == gone["create.gone"]
