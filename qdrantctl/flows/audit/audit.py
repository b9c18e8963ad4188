"""The flow of `audit`: examine files, manifests and server. No request changes data."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from qdrantctl import __version__
from qdrantctl.adapters.probes import probe as server_probe
from qdrantctl.adapters.probes.probe import ProbePorts
from qdrantctl.adapters.project import connection
from qdrantctl.adapters.project.project_file import load_project_files
from qdrantctl.adapters.project.secret_scan import find_leaks, list_project_files
from qdrantctl.adapters.project.settings import Settings, find_project_file
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.ports import GRPC_PORT, PEER_PORT, port_or_default
from qdrantctl.engine.audit.checklist import OFFLINE, judge_evidence
from qdrantctl.engine.audit.proof import LimitProbe, judge_proof, make_probes
from qdrantctl.flows.audit.profile_caps import limits_by_collection, load_profiles
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.snapshots.policies.status import read_policies
from qdrantctl.flows.state.desired import SECRET_RULES, load_desired_state
from qdrantctl.flows.state.live import Progress, read_live, read_object_names
from qdrantctl.kinds.quota import read_quota_status
from qdrantctl.model.audit.evidence import (
    AUDIT_LOG_OFF,
    AUDIT_LOG_READ_SINCE,
    AUDIT_LOG_REPORTED_SINCE,
    Evidence,
    LeakedSecret,
    ServerExposure,
    ServerReport,
)
from qdrantctl.model.audit.report import AuditedServer, AuditReport, Proof
from qdrantctl.model.client import ReadRequest
from qdrantctl.model.errors import ClusterError, SettingsError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.step import Call, collection_path
from qdrantctl.model.violation import Severity

_CREATED = re.compile(r"-(\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)\.snapshot$")
"""Creation time (UTC) in a snapshot's name; the file's own time may be that of a copy."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of an audit."""

    prove: bool = False
    prove_writes: bool = False
    offline: bool = False
    fail_on: Severity = Severity.ERROR
    grpc_port: int | None = None
    p2p_port: int | None = None
    metrics_port: int | None = None
    read_only_key: str | None = None
    """Name of the environment variable with the read-only key."""
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class _ServerPlace:
    """The server's endpoint, and the port for peers of an embedded server."""

    endpoint: Endpoint
    peers: int | None = None


def audit_project(
    settings: Settings,
    options: AuditOptions,
    environ: Mapping[str, str],
    now: datetime,
    report_progress: Progress,
    on_request: Callable[[Call, int, float], None] | None = None,
) -> AuditReport:
    """Every line of the checklist, answered. Raises ManifestError, SettingsError, ClusterError."""
    report_progress("reading manifests")
    # Secrets in files are a finding of the audit (QA208), not an error that ends it.
    desired = (
        load_desired_state(settings, ignored_rules=SECRET_RULES).inventory
        if settings.manifests
        else Inventory()
    )
    documents = load_profiles(options.profile, settings) if options.profile else None
    leaks, looked_at = _find_project_leaks(settings, desired)
    evidence = Evidence(
        desired=desired, posture=None, inside=None, unseen=OFFLINE, leaks=leaks, files=looked_at
    )
    if not options.offline:
        evidence = _with_server_evidence(
            evidence, settings, options, environ, now, report_progress, on_request
        )
    if documents is not None:
        live = evidence.inside.live if evidence.inside else Inventory()
        evidence = replace(evidence, profile=limits_by_collection(documents, live, desired))
    return AuditReport(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=_audited_server(evidence.posture) if evidence.posture else ABSENT,
        fail_on=options.fail_on,
        verdicts=judge_evidence(evidence, settings.rules, now),
        proofs=ABSENT if evidence.proofs is None else evidence.proofs,
    )


def _audited_server(exposure: ServerExposure) -> AuditedServer:
    return AuditedServer(
        url=exposure.url, version=str(exposure.version) if exposure.version else ""
    )


def _find_project_leaks(
    settings: Settings, desired: Inventory
) -> tuple[tuple[LeakedSecret, ...] | None, int]:
    """Secrets in files, and the number of files searched; None without a project."""
    if not settings.manifests:
        return None, 0
    file = find_project_file(settings.root)
    named = {resource.origin.file for resource in desired.values() if resource.origin}
    paths = list_project_files(
        settings.root, load_project_files(file) if file else None, sorted(named)
    )
    sinks = {path: str(key.address) for key in desired.values() for path in _sink_files(key)}
    leaks = find_leaks(paths, settings.root, settings.api_key)
    return tuple(replace(leak, sink=sinks.get(leak.file, "")) for leak in leaks), len(paths)


def _sink_files(key: Resource) -> Iterator[str]:
    """The files that receive the tokens of a key, relative to the project's folder."""
    for sink in key.declared.get("sinks") or ():
        inner = sink.get("dotenv") or sink.get("kubernetes_secret") or {}
        if path := sink.get("file") or inner.get("path"):
            yield os.path.normpath(path)


def _with_server_evidence(
    evidence: Evidence,
    settings: Settings,
    options: AuditOptions,
    environ: Mapping[str, str],
    now: datetime,
    report_progress: Progress,
    on_request: Callable[[Call, int, float], None] | None,
) -> Evidence:
    """The evidence with that of the server. Raises ClusterError."""
    server_place = _find_server(settings)
    read_only = None
    if options.read_only_key:
        read_only = connection.read_further_key(
            options.read_only_key, server_place.endpoint.url, environ
        )
    why: ClusterError | None = None
    peers: tuple[str, ...] | None = None
    with RestClient(server_place.endpoint, on_call=on_request) as client:
        try:
            inside = _with_policy_evidence(
                settings, client, _read_server_report(client, now, report_progress)
            )
            evidence = replace(evidence, inside=inside, unseen="")
            if options.prove:
                proofs = tuple(_prove_limits(client, inside.live, options, report_progress))
                evidence = replace(evidence, proofs=proofs)
            peers = _peer_ports(client, inside, settings, server_place, options)
        except ClusterError as error:
            why = error
            evidence = replace(evidence, unseen=error.what.removeprefix(f"{client.url}: "))
    if peers is None:
        peers = _guess_peer_ports(server_place, settings, options)
    endpoint = server_place.endpoint
    grpc = port_or_default(endpoint.url, options.grpc_port or endpoint.grpc_port, GRPC_PORT)
    ports = ProbePorts(grpc, peers, options.metrics_port)
    exposure = server_probe.probe_server(server_place.endpoint, ports, read_only, report_progress)
    if why and not exposure.no_key.code:
        raise why
    return replace(evidence, posture=exposure)


def _find_server(settings: Settings) -> _ServerPlace:
    """The server of these settings. An embedded one is started. Raises SettingsError."""
    if settings.embedded:
        from qdrantctl.adapters.local_server import server as devserver

        running = devserver.ensure_server(settings.root, version=settings.embedded_version)
        endpoint = Endpoint(
            url=running.url, api_key=running.access.api_key or None, grpc_port=running.ports[1]
        )
        return _ServerPlace(endpoint, running.ports[2])
    if settings.endpoint is None:
        raise SettingsError("no server is named", hint="Set url in the environment, or pass --url.")
    return _ServerPlace(settings.endpoint)


def _read_server_report(
    client: RestClient, now: datetime, report_progress: Progress
) -> ServerReport:
    """The data that the server reports with a key. Raises ClusterError.

    `now` is used if a proxy removes the server's time from responses.
    """
    report_progress("reading the cluster")
    query = {"details_level": "2"}
    telemetry = client.request(Call(method="GET", path="/telemetry", query=query))
    distributed = client.server.distributed
    names = read_object_names(ledger.read_ledger(client))
    found = telemetry["collections"]["collections"]
    details = frozenset(filter(None, (names.find_address(entry["id"]) for entry in found)))
    live = read_live(client, ReadRequest(Inventory(), Inventory(), details=details, names=names))
    calls = {
        a.name: Call(method="GET", path=collection_path(resource.object_name, "snapshots"))
        for a, resource in live.items()
        if a.kind == "collection" and resource.facts.points != 0
    }
    client.prefetch(calls.values())
    snapshots: dict[str, datetime | None] = {}
    for name, call in calls.items():
        with suppress(ClusterError):  # a failing snapshot storage does not end the audit
            snapshots[name] = _newest_snapshot_time(client.request(call))
    with suppress(ClusterError):
        now = client.server_time
    return ServerReport(
        now,
        distributed,
        live,
        telemetry,
        snapshots,
        audit_log=_read_audit_log(client),
        quota=read_quota_status(client),
    )


def _read_audit_log(client: RestClient) -> bool | None:
    """Whether the audit log is on; None where telemetry reports it, or the key may not read it."""
    if not AUDIT_LOG_READ_SINCE <= client.server.version < AUDIT_LOG_REPORTED_SINCE:
        return None
    try:
        client.request(Call(method="POST", path="/audit/logs", body={"limit": 1}))
    except ClusterError as error:
        return False if AUDIT_LOG_OFF in error.why else None
    return True


def _with_policy_evidence(
    settings: Settings, client: RestClient, inside: ServerReport
) -> ServerReport:
    """The report with the sets of the applied policies. Raises ClusterError."""
    set_times: dict[str, datetime] = {}
    verifications: dict[str, tuple[datetime, bool]] = {}
    job = JobContext(client, lambda _: None, lambda: False, settings.nodes)
    for policy in read_policies(settings, job):
        for snapshot_set in policy.sets.values():
            if snapshot_set.manifest is None or snapshot_set.state not in ("complete", "bad"):
                continue
            name = snapshot_set.manifest.snapshot.collection
            if snapshot_set.state == "complete":
                set_times[name] = max(
                    set_times.get(name, snapshot_set.manifest.taken), snapshot_set.manifest.taken
                )
            if verification := snapshot_set.verified:
                verifications[name] = max(
                    verifications.get(name, (verification.when, verification.good)),
                    (verification.when, verification.good),
                )
    return replace(inside, kept=set_times, tried=verifications)


def _newest_snapshot_time(listed: Json) -> datetime | None:
    """Creation time of the newest snapshot in a list."""
    times = []
    for entry in listed:
        if match := _CREATED.search(entry["name"]):
            with suppress(ValueError):
                created_at = datetime.strptime(match[1], "%Y-%m-%d-%H-%M-%S")
                times.append(created_at.replace(tzinfo=UTC))
    return max(times, default=None)


def _prove_limits(
    client: RestClient, live: Inventory, options: AuditOptions, report_progress: Progress
) -> list[Proof]:
    proofs: list[Proof] = []
    for address, resource in live.items():
        if address.kind == "collection":
            report_progress(f"testing the limits of {address}")
            proofs += _try_limit(client, resource, writes=options.prove_writes)
    return proofs


def _try_limit(client: RestClient, resource: Resource, *, writes: bool) -> list[Proof]:
    enabled = bool((resource.spec.get("strict_mode_config") or {}).get("enabled"))
    proofs: list[Proof] = []
    for probe in make_probes(resource, secrets.token_hex(8), writes=writes):
        if isinstance(probe, LimitProbe):
            proofs.append(judge_proof(probe, *_send_probe(client, probe.call), enabled=enabled))
        else:
            proofs.append(probe)
    return proofs


def _send_probe(client: RestClient, call: Call) -> tuple[int, str]:
    """Status and text of the response; 0 if there was none."""
    try:
        client.request(call)
    except ClusterError as error:
        return error.status if error.from_qdrant else 0, error.why
    return 200, ""


def _peer_ports(
    client: RestClient,
    inside: ServerReport,
    settings: Settings,
    server_place: _ServerPlace,
    options: AuditOptions,
) -> tuple[str, ...] | None:
    """Peer-to-peer addresses that the cluster reports; None if unknown. Raises ClusterError."""
    if not inside.distributed:
        return ()
    if server_place.peers or options.p2p_port:
        return None
    peers_by_id = client.request(Call(method="GET", path="/cluster")).get("peers") or {}
    ports = {urlsplit(str(peer.get("uri"))).port for peer in peers_by_id.values()}
    return _node_addresses(server_place, settings, ports) or None


def _guess_peer_ports(
    server_place: _ServerPlace, settings: Settings, options: AuditOptions
) -> tuple[str, ...] | None:
    port = server_place.peers or port_or_default(
        server_place.endpoint.url, options.p2p_port, PEER_PORT
    )
    return _node_addresses(server_place, settings, {port}) or None


def _node_addresses(
    server_place: _ServerPlace, settings: Settings, ports: set[int | None]
) -> tuple[str, ...]:
    """`host:port` of each node with a known URL, the server's own first."""
    urls = (server_place.endpoint.url, *settings.nodes)
    hosts = dict.fromkeys(urlsplit(url).netloc.rpartition(":")[0] for url in urls)
    return tuple(f"{host}:{port}" for host in hosts for port in sorted(filter(None, ports)))
