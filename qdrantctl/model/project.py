"""The project file, `qdrantctl.yaml`: manifests, environments, consents and rules."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.model.address import Address
from qdrantctl.model.consent import ADDRESS_HINT, ConsentEntry, unusable_pattern_reason
from qdrantctl.model.field_rule import FieldRule
from qdrantctl.model.gates import FailOn, Requirement
from qdrantctl.model.key_source import (
    FromVariable,
    KeySource,
    SnapshotSigning,
    refuse_literal_key,
)
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec
from qdrantctl.model.stated_version import check_full_version, check_version
from qdrantctl.model.url import UrlError, normalize_url
from qdrantctl.model.violation import Severity

EMBEDDED = "embedded"
NAME_LENGTH = 64


def _name_validator(allowed: str) -> AfterValidator:
    """Names become part of owners (`shop/prod`), folders and lease names (`….shop.prod.1`)."""

    def check(name: str) -> str:
        if len(name) > NAME_LENGTH or not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_{allowed}]*", name):
            raise PydanticCustomError(
                "name",
                "{name} cannot be used as a name here",
                {
                    "name": repr(name),
                    "rule": "QC073",
                    "hint": f"Begin with a letter or digit, go on with those or any of _{allowed} "
                    f"and stay within {NAME_LENGTH} characters.",
                },
            )
        return name

    return AfterValidator(check)


ProjectName = Annotated[str, _name_validator(".-")]
EnvironmentName = Annotated[str, _name_validator("-")]
"""No dot: a lease is called `_qdrantctl_lease.<project>.<environment>.<n>`."""


def _check_server(value: str) -> str:
    try:
        return value if value == EMBEDDED else normalize_url(value)
    except UrlError as error:
        raise PydanticCustomError(
            "url",
            "{why}",
            {
                "why": error.why,
                "rule": "QC071" if error.secret else "QC070",
                "hint": error.hint or "For instance https://qdrant.example.com:6333.",
            },
        ) from None


def _check_server_or_variable(value: Any) -> Any:
    """Raise a single error; a union would raise one for each of its members."""
    if isinstance(value, FromVariable) or value is None:
        return value
    if isinstance(value, dict):
        if value.keys() == {"env"} and isinstance(value["env"], str) and value["env"]:
            return value
    elif isinstance(value, str):
        return _check_server(value)
    raise PydanticCustomError(
        "url",
        "not a URL",
        {
            "rule": "QC070",
            "hint": "Write https://host:6333, {env: NAME}, or embedded.",
        },
    )


def _check_node_url(value: str) -> str:
    if value == EMBEDDED:
        value = ""
    return _check_server(value)


class TlsSpec(Spec):
    """The certificates of a connection: the server's, and the client's own."""

    ca_file: Annotated[
        str | None,
        Field(min_length=1, description="PEM file of the authorities to trust instead."),
    ] = None
    cert_file: Annotated[
        str | None,
        Field(
            min_length=1,
            description="PEM file of the client certificate, if the server requires one.",
        ),
    ] = None
    key_file: Annotated[
        str | None,
        Field(
            min_length=1,
            description="PEM file of its private key; left out if cert_file contains it.",
        ),
    ] = None


class EnvironmentSpec(Spec):
    """One cluster that the project's manifests are applied to."""

    url: Annotated[
        str | FromVariable | None,
        BeforeValidator(_check_server_or_variable),
        Field(
            description="The server's REST address, {env: NAME}, or `embedded` for a real Qdrant "
            "on this machine. Without a port 6333 is used."
        ),
    ] = None
    version: Annotated[
        str | None,
        BeforeValidator(check_full_version),
        Field(
            description="The version of Qdrant that `url: embedded` runs, as in 1.19.0. Default: "
            "that of any program on this machine."
        ),
    ] = None
    api_key: Annotated[
        Annotated[KeySource, LATER] | None,
        BeforeValidator(refuse_literal_key),
        Field(description="Source of the API key. Leave it out if the server needs none."),
    ] = None
    allow_http: Annotated[
        bool | None,
        Field(description="Send the API key over plain http to another machine. Default false."),
    ] = None
    tls: Annotated[
        Annotated[TlsSpec, LATER] | None, Field(description="Certificates of the connection.")
    ] = None
    nodes: Annotated[
        list[Annotated[str, AfterValidator(_check_node_url)]] | None,
        Field(
            description="Each node's own address, for snapshots of a cluster, and to be used if "
            "`url` cannot be reached."
        ),
    ] = None
    grpc_port: Annotated[
        int | None,
        Field(
            ge=1,
            le=65535,
            description="The port of gRPC on the same host, which replacements read and write "
            "points through. Default: 6334 where `url` has the port 6333, 443 or 80. Where gRPC "
            "does not answer, REST is used.",
        ),
    ] = None
    vars: Annotated[
        dict[str, Any] | None, Field(description="Values for templates, under `vars`.")
    ] = None
    vars_files: Annotated[
        list[str] | None,
        Field(description="YAML files of values; later ones win, `vars` wins over all."),
    ] = None
    protected: Annotated[
        bool | None,
        Field(
            description="Committed state must be up to date, drift is refused, and consent counts "
            "only from `consents`. Default false."
        ),
    ] = None
    on_drift: Annotated[
        Literal["revert", "keep", "refuse"] | None,
        Field(description="What apply does with changes on the cluster. Default revert."),
    ] = None
    alias_min_ratio: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="An alias moves without consent to a collection that has at least this "
            "share of the points of the present one. Default 0.9.",
        ),
    ] = None
    fail_on: Annotated[
        list[FailOn] | None,
        Field(
            description="Changes that need a consent here: `loosening` of limits, `widening` of "
            "the rights of keys. Default none."
        ),
    ] = None
    require: Annotated[
        list[Requirement] | None,
        Field(
            description="What every plan must have here: `strict_mode` enabled in each collection, "
            "`alias_for_replace` instead of a replacement in place. Default none."
        ),
    ] = None
    min_server_version: Annotated[
        str | None,
        BeforeValidator(check_version),
        Field(description="The oldest Qdrant that changes are made on, as in 1.16. Default any."),
    ] = None

    @model_validator(mode="after")
    def _check_consistency(self) -> EnvironmentSpec:
        if self.url == EMBEDDED:
            for word in ("api_key", "tls", "nodes", "allow_http", "grpc_port"):
                if getattr(self, word) is not None:
                    raise PydanticCustomError(
                        "embedded",
                        "the embedded server does not use {word}",
                        {"word": word, "path": (word,), "rule": "QC076", "hint": "Leave it out."},
                    )
        if self.protected and self.on_drift in ("revert", "keep"):
            raise PydanticCustomError(
                "on_drift",
                "a protected environment refuses drift, on_drift: {word} contradicts that",
                {
                    "word": self.on_drift,
                    "path": ("on_drift",),
                    "rule": "QC077",
                    "hint": "Remove on_drift, or protected: true.",
                },
            )
        return self


def _check_address(text: str) -> str:
    if why := unusable_pattern_reason(text) or (
        "globs are not allowed here" if set("*?") & set(text) else ""
    ):
        raise PydanticCustomError(
            "address", "{why}", {"why": why, "rule": "QC074", "hint": ADDRESS_HINT}
        )
    return text


class RemovedEntry(Spec):
    """A resource that is no longer managed, but not destroyed."""

    address: Annotated[
        str,
        AfterValidator(_check_address),
        Field(description="KIND/NAME of the resource to forget."),
    ]

    @property
    def parsed_address(self) -> Address:
        """The address as a value."""
        return Address.parse(self.address)


def _parse_severity(value: Any) -> Any:
    """Parse a severity: YAML 1.2 reads `off` as a string, quoted or not."""
    try:
        return Severity(value)
    except ValueError:
        raise PydanticCustomError(
            "severity",
            "not a severity",
            {"rule": "QC078", "hint": "One of error, warning, note, off."},
        ) from None


def _check_rule_id(value: str) -> str:
    if not re.fullmatch(r"Q[AC]\d{3}", value, re.ASCII):
        raise PydanticCustomError(
            "rule_id",
            "{name} is not the id of a rule",
            {"name": repr(value), "rule": "QC078", "hint": "Ids look like QC105 or QA201."},
        )
    return value


class SharedSpec(Spec):
    """The spec of a file under `extends`: the part that projects share."""

    extends: Annotated[
        str | None,
        Field(
            min_length=1,
            description="File whose manifests, environments, consents, removed and rules come "
            "first; values in this file win.",
        ),
    ] = None
    manifests: Annotated[
        list[Annotated[str, Field(min_length=1)]] | None,
        Field(min_length=1, description="Files, folders and globs. Default [manifests]."),
    ] = None
    environments: Annotated[
        dict[EnvironmentName, EnvironmentSpec],
        Field(default_factory=dict, description="Clusters by the name given with -e."),
    ]
    default_environment: Annotated[
        EnvironmentName | None,
        Field(description="Environment that is used where neither -e nor QDRANTCTL_ENV names one."),
    ] = None
    consents: Annotated[
        list[Annotated[ConsentEntry, LATER]],
        FieldRule(key="until"),
        Field(default_factory=list, description="What may be deleted or changed, and until when."),
    ]
    consents_from: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Branch, tag or commit whose `consents` and `removed` count in protected "
            "environments, as in origin/main. Default: HEAD.",
        ),
    ] = None
    removed: Annotated[
        list[Annotated[RemovedEntry, LATER]],
        FieldRule(key="address"),
        Field(default_factory=list, description="Resources to forget without destroying them."),
    ]
    rules: Annotated[
        dict[
            Annotated[str, AfterValidator(_check_rule_id)],
            Annotated[Severity, BeforeValidator(_parse_severity)],
        ],
        Field(default_factory=dict, description="Severities of rules: error, warning, note, off."),
    ]
    snapshot_signing: Annotated[
        Annotated[SnapshotSigning, LATER] | None,
        Field(
            description="Keys that sign snapshot sets at their destinations. Where it is stated, "
            "sets without a signature by one of them are refused."
        ),
    ] = None


class ProjectSpec(SharedSpec):
    """The spec of the project file."""

    state: Annotated[
        str, Field(min_length=1, description="Folder of the committed state. Default state.")
    ] = "state"


class SharedMetadata(Spec):
    """Name of a shared file; it is not used."""

    name: Annotated[str, Field(description="For the reader.")] = ""


class ProjectMetadata(Spec):
    """Name of the project."""

    name: ProjectName = Field(description="First half of the owner that the ledger stores.")
    previous_names: Annotated[
        list[ProjectName],
        Field(
            default_factory=list,
            description="Ledger entries of these names belong to the project.",
        ),
    ]


class SharedFile(Spec):
    """A file named under `extends`."""

    api_version: Annotated[
        Literal["qdrantctl/v1"], Field(alias="apiVersion", description="Always qdrantctl/v1.")
    ]
    kind: Literal["Project"] = Field(description="Always Project.")
    metadata: Annotated[
        SharedMetadata, Field(default_factory=SharedMetadata, description="Name of the file.")
    ]
    spec: Annotated[SharedSpec, Field(description="The settings that projects share.")]


class Project(Spec):
    """The project file, `qdrantctl.yaml`."""

    api_version: Annotated[
        Literal["qdrantctl/v1"], Field(alias="apiVersion", description="Always qdrantctl/v1.")
    ]
    kind: Literal["Project"] = Field(description="Always Project.")
    metadata: Annotated[ProjectMetadata, Field(description="Name of the project.")]
    spec: Annotated[
        ProjectSpec, Field(default_factory=ProjectSpec, description="Settings of the project.")
    ]
