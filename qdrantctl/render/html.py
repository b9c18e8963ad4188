"""Plans and reports as one self-contained HTML page: no script, font or picture from elsewhere.

Jinja2 escapes every value. The page's own content security policy allows its one script and its
one style by their hashes, and nothing else.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qdrantctl.model.audit.report import AuditReport
from qdrantctl.model.drift import Drift
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Report
from qdrantctl.model.resource_view import ResourceView
from qdrantctl.render.shared.escape import escape_line
from qdrantctl.render.shared.page import Page
from qdrantctl.render.shared.plan_page import make_plan_page
from qdrantctl.render.shared.report_pages import (
    make_audit_page,
    make_drift_page,
    make_report_page,
    make_resource_page,
)
from qdrantctl.render.shared.style import PLAIN, Style

_PAGE_FOLDER = Path(__file__).with_name("templates")


def plan(plan: Plan, _: Style = PLAIN) -> str:
    """The plan: every change with its fields three-way, and what depends on what."""
    return _render_page(make_plan_page(plan))


def drift(drift: Drift, _: Style = PLAIN) -> str:
    """The drift report: every resource with its fields three-way."""
    return _render_page(make_drift_page(drift))


def audit(audit: AuditReport, _: Style = PLAIN) -> str:
    """The audit: every rule, those that fail open."""
    return _render_page(make_audit_page(audit))


def report(report: Report, _: Style = PLAIN) -> str:
    """The report of a command: every outcome, those that failed open."""
    return _render_page(make_report_page(report))


def resource(view: ResourceView, _: Style = PLAIN) -> str:
    """One resource: last-applied and live state side by side."""
    return _render_page(make_resource_page(view))


def _render_page(page: Page) -> str:
    style, script = _read_asset("page.css"), _read_asset("page.js")
    return _load_templates().get_template("page.html").render(
        page=page,
        style=Markup(style),  # noqa: S704  # a file of this package
        script=Markup(script),  # noqa: S704
        policy=(
            f"default-src 'none'; style-src '{_hash_asset(style)}'; "
            f"script-src '{_hash_asset(script)}'; base-uri 'none'; form-action 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        ),
    ) + "\n"  # fmt: skip


@cache
def _load_templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_PAGE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_make_visible,
    )


def _make_visible(value: Any) -> Any:
    """A text with its control and invisible characters as JSON escapes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape_line(value)
    return value


@cache
def _read_asset(name: str) -> str:
    return (_PAGE_FOLDER / name).read_text(encoding="utf-8")


def _hash_asset(text: str) -> str:
    """The hash as a content security policy states it."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
