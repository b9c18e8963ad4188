"""Every rule that a manifest or a plan can break: its stable id and one line saying what it asks.

QC001 to QC099: reading (files, YAML, templates, the envelope, names, the shape of specs).
QC100 to QC199: what a kind asks of its specs and changes. QC200 to QC299: safety of plans.
"""

from __future__ import annotations

RULES: dict[str, str] = {
    "QC001": "A manifest must be a regular file that can be read",
    "QC002": "A file, folder or glob must match manifests",
    "QC003": "A manifest must not be larger than 10 MB",
    "QC004": "A manifest must be UTF-8 text",
    "QC005": "A manifest must be well-formed YAML",
    "QC006": "A key must not be stated twice in one mapping",
    "QC007": "A key must be a string",
    "QC008": "Values carry no YAML tags",
    "QC009": "YAML aliases must be defined, finite and small when expanded",
    "QC010": "A manifest must not be nested deeper than 100 levels or hold too many values",
    "QC011": "A number must be one that every reader understands alike",
    "QC020": "A template must be valid Jinja2",
    "QC021": "A template must only use variables that are defined",
    "QC022": "A template must stay inside its sandbox",
    "QC023": "A template must be done within bounds of time, memory and output",
    "QC030": "A document must be a manifest with apiVersion and kind",
    "QC031": "apiVersion must be one that this version knows",
    "QC032": "kind must be one that this version knows",
    "QC033": "The kind must be supported, and stand where it belongs",
    "QC040": "Every key must be known",
    "QC041": "Required keys must be stated",
    "QC042": "A value must be of the right type",
    "QC043": "A value must be within its range",
    "QC044": "A value must be one of those allowed",
    "QC045": "A value must be valid",
    "QC050": "A name must be one that Qdrant can be asked for",
    "QC051": "Names that begin with _qdrantctl are the tool's own",
    "QC052": "A name should hold only letters, digits, dots, dashes and underscores",
    "QC053": "A resource must be declared once",
    "QC054": "Collections and aliases share one namespace",
    "QC060": "A lifecycle path must lead to a field of the kind",
    "QC061": "lifecycle.replace must be a way of replacing that is supported",
}
"""Id -> one-line title."""
