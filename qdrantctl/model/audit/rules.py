"""Every rule of the audit: its stable id, title, severity and remedy.

`model/rule_catalog.py` holds the rules of manifests and plans. Page:
docs/reference/audit-rules.md.
"""

from __future__ import annotations

from qdrantctl.model.frozen import frozen
from qdrantctl.model.violation import Severity

_AS_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@frozen
class AuditRule:
    """One rule of the checklist."""

    title: str
    severity: Severity
    remedy: str
    section: str = ""


HTTPS, ACCESS_SECTION, TENANTS = "HTTPS", "Access", "Tenants"
LIMITS_SECTION, SNAPSHOTS, NETWORK, SERVER = "Strict mode", "Snapshots", "Network", "Server"
_SECTIONS = {"1": HTTPS, "2": ACCESS_SECTION, "3": TENANTS, "4": LIMITS_SECTION, "5": SNAPSHOTS,
             "6": NETWORK,
             "7": SERVER}  # fmt: skip

_TLS = "Set service.enable_tls with tls.cert and tls.key, or put a proxy with TLS before Qdrant"
_KEY_REMEDY = "Set service.api_key to a long random value and restart every node"
_CAP = "Set it in strict_mode_config of the collection or in a StrictModeProfile, and apply"

_RULES: dict[str, AuditRule] = {
    "QA101": AuditRule(
        "The REST API is reached over HTTPS", _AS_ERROR, f"{_TLS}; then write https."),
    "QA102": AuditRule(
        "Plain HTTP is refused where HTTPS is used", _AS_ERROR,
        "Close the port that answers plain HTTP, or set service.enable_tls."),
    "QA103": AuditRule(
        "The certificate is valid, trusted and issued for this host", _AS_ERROR,
        "Install a certificate for this host, or name the authority that signed it: "
        "tls: {ca_file: …}."),
    "QA104": AuditRule(
        "The certificate is valid for another 30 days", _WARNING,
        "Renew it; Qdrant reads it again every hour (tls.cert_ttl)."),
    "QA105": AuditRule(
        "TLS 1.0 and 1.1 are refused", _WARNING,
        "Allow TLS 1.2 and 1.3 only, in the proxy before Qdrant."),
    "QA106": AuditRule("gRPC is reached over TLS", _AS_ERROR, f"{_TLS}, for the gRPC port too."),
    "QA201": AuditRule(
        "REST requires a key", _AS_ERROR,
        f"{_KEY_REMEDY}. From 1.19.0 on an empty service.api_key is none."),
    "QA202": AuditRule(
        "An empty key is refused", _AS_ERROR,
        f"{_KEY_REMEDY}; check for a variable that is set but empty. Before 1.19.0 an empty "
        "service.api_key accepts an empty key."),
    "QA203": AuditRule("A wrong key is refused", _AS_ERROR, f"{_KEY_REMEDY}."),
    "QA204": AuditRule("gRPC requires a key", _AS_ERROR, f"{_KEY_REMEDY}, or close the gRPC port."),
    "QA205": AuditRule(
        "The read-only key can only read", _AS_ERROR,
        "Set service.read_only_api_key to a value of its own: where it equals api_key, it may "
        "write."),
    "QA206": AuditRule(
        "JWT access control is on", _WARNING,
        "Set service.jwt_rbac: true beside service.api_key, and give each client a token."),
    "QA207": AuditRule(
        "Keys have no more rights than they need", _WARNING,
        "Name in each AccessKey manifest the collections and aliases that its holder uses."),
    "QA208": AuditRule(
        "No file of the project contains a key", _AS_ERROR,
        "Add the sink of an AccessKey to .gitignore. Replace any other key on the server, since "
        "every reader of the file knows it; then refer to it: {env: …}, {file: …} or "
        "{command: …}."),
    "QA301": AuditRule(
        "A multi-tenant collection has a tenant index", _WARNING,
        "Set is_tenant: true on the payload index of the tenant field."),
    "QA302": AuditRule(
        "A tenant index comes with a graph for each tenant", _NOTE,
        "Set hnsw_config: {m: 0, payload_m: 16} if every search filters on the tenant."),
    "QA401": AuditRule(
        "Strict mode is on", _AS_ERROR,
        "Set strict_mode_config: {enabled: true}, or use a StrictModeProfile, and apply."),
    "QA402": AuditRule(
        "max_query_limit is 5,000 to 20,000", _WARNING, f"{_CAP}: max_query_limit: 10000."),
    "QA403": AuditRule(
        "max_timeout is 15 to 60 seconds", _WARNING,
        f"{_CAP}: max_timeout: 30. Have clients send a timeout: requests without one are not "
        "limited."),
    "QA404": AuditRule(
        "Reads filter on indexed fields only", _WARNING,
        f"{_CAP}: unindexed_filtering_retrieve: false. First index the fields of filters."),
    "QA405": AuditRule(
        "search_max_hnsw_ef is 500 to 2,000", _WARNING, f"{_CAP}: search_max_hnsw_ef: 1000."),
    "QA406": AuditRule(
        "Exact search is off", _WARNING,
        f"{_CAP}: search_allow_exact: false. Counts are exact by default; send exact: false."),
    "QA407": AuditRule(
        "Every collection has the limits of the profile", _AS_ERROR,
        "Apply the profile to the collection, or remove the collection from it."),
    "QA408": AuditRule(
        "Configured limits are enforced", _AS_ERROR,
        "Set enabled: true beside the limits; read the setting back from every node."),
    "QA501": AuditRule(
        "Collections have a snapshot of the last 7 days", _WARNING,
        "Create one with POST /collections/{name}/snapshots on every node, and copy it to another "
        "place. Turn the rule off if backups are taken by other means."),
    "QA502": AuditRule(
        "Restoring a snapshot is tested", _WARNING,
        "Restore the newest snapshot into a collection of another name and compare, regularly."),
    "QA601": AuditRule(
        "The port for peers is closed", _AS_ERROR,
        "Allow only the nodes to reach it (firewall, network policy): it gives all rights. From "
        "1.18.0 on also set enforce_internal_auth."),
    "QA602": AuditRule(
        "Metrics require a key", _WARNING,
        "Close the metrics port to all but the monitoring."),
    "QA603": AuditRule(
        "The dashboard is not public", _WARNING,
        "Set service.enable_static_content: false."),
    "QA604": AuditRule(
        "CORS does not allow every website", _WARNING,
        "Set service.enable_cors: false, or allow single origins in the proxy before Qdrant."),
    "QA701": AuditRule(
        "The version has no known weaknesses", _WARNING, "Upgrade Qdrant, one minor at a time."),
    "QA702": AuditRule(
        "The audit log is on", _WARNING, "Set audit.enabled: true (Qdrant 1.17.0 and newer)."),
    "QA703": AuditRule(
        "No request was refused since the server started", _NOTE,
        "Find the callers in the log of the proxy: 401 and 403 may be attempts to guess a key, 429 "
        "a client that sends too many requests."),
    "QA704": AuditRule(
        "A name is a collection or an alias, not both", _AS_ERROR,
        "Give the target of the alias another alias for its readers, then delete the alias that "
        "has the name of a collection. `qdrantctl plan` prints the request (QC224)."),
    "QA705": AuditRule(
        "A quota ends writes before the disk is full", _WARNING,
        "Declare a Quota with max_disk_usage_percent, and apply (Qdrant 1.19.0 and newer)."),
    "QA706": AuditRule(
        "Every limit of the quota can be reached", _WARNING,
        "Give the server a limit of memory, such as that of its container; or remove the limit "
        "from the quota and watch the memory of the node."),
    "QA707": AuditRule(
        "No node exceeds the quota", _AS_ERROR,
        "Delete points or collections, add disk or memory, or raise the quota."),
}  # fmt: skip

AUDIT_RULES: dict[str, AuditRule] = {
    rule: AuditRule(entry.title, entry.severity, entry.remedy, _SECTIONS[rule[2]])
    for rule, entry in _RULES.items()
}
"""Id -> the rule, in the order of the report."""
