"""The structure of pages, read by an HTML parser."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given

from qdrantctl.model.change import Action
from qdrantctl.model.plan import Reference
from qdrantctl.render import html
from tests.support.pages import CANARY, PAGES, page_drift, page_groups, page_plan
from tests.support.plans import change, plan, plans, quickly, reports

VOID = {"meta", "input"}


class Reader(HTMLParser):
    """Every element with its attributes and its text; fails where one is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text_of(self, tag: str) -> str:
        return "".join(data for name, data in self.texts if name == tag)


def assert_safe(text: str, odd: str = "") -> None:
    """One script and one style, allowed by their hashes; nothing from elsewhere, no handler."""
    page = Reader(text)
    policy = next(m["content"] for m in page.of("meta") if "http-equiv" in m)
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        if page.of(tag):
            digest = b64encode(sha256(page.text_of(tag).encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
            assert page.of(tag) == [{}]
    assert {tag for tag, _ in page.elements} <= {
        "html", "head", "meta", "title", "style", "script", "body", "a", "header", "main", "footer",
        "section", "h1", "h2", "h3", "p", "dl", "div", "dt", "dd", "code", "ul", "li", "strong",
        "form", "label", "input", "fieldset", "legend", "button", "output", "details", "summary",
        "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "path", "g", "rect",
        "text",
    }  # fmt: skip
    for _, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "style")
        ]
        assert (attributes.get("href") or "#").startswith("#")
    assert [c for c in text if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_landmarks_and_ordered_headings(name):
    page = Reader(PAGES[name]())
    assert [len(page.of(tag)) for tag in ("header", "main", "h1", "title")][:3] == [1, 1, 1]
    assert page.of("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    named = {a[word] for _, a in page.elements for word in ("aria-labelledby", "for") if word in a}
    assert named <= set(ids)
    assert {a["href"][1:] for _, a in page.elements if "href" in a} <= set(ids)


@pytest.mark.parametrize("name", PAGES)
def test_every_string_is_escaped(name):
    text = PAGES[name](CANARY)
    assert_safe(text)
    assert "<img" not in text
    assert "49" not in text.replace("sha256", "").split("<body>")[1]
    assert "\\u202e" in text
    shown = "".join(data for _, data in Reader(text).texts)
    assert "onerror=canary()" in shown


@pytest.mark.slow
@quickly
@given(plans)
def test_plans_with_any_names_are_safe(made):
    assert_safe(html.plan(made))


@quickly
@given(reports)
def test_reports_with_any_names_are_safe(made):
    assert_safe(html.report(made))


def test_fields_are_shown_as_applied_live_and_desired():
    text = re.sub(r"<[^>]+>", "|", html.plan(page_plan()))
    assert re.search(r"hnsw_config\.m\|+24\|+16\|+32\|", text)


def test_a_field_of_drift_has_its_desired_value_where_the_manifests_say_another():
    text = re.sub(r"<[^>]+>", "|", html.drift(page_drift()))
    assert re.search(r"hnsw_config\.m\|+16\|+24\|+32\|", text)
    assert re.search(r"hnsw_config\.m\|+1\|+2\|+as applied\|", text)
    assert re.search(r"hnsw_config\.m\|+7\|+8\|+not managed\|", text)


def test_the_filter_offers_every_effect_and_cause_with_its_number():
    boxes = [b for b in Reader(html.plan(page_plan())).of("input") if b["type"] == "checkbox"]
    assert {(b["data-name"], b["value"]) for b in boxes} == {
        ("effect", "destroyed"), ("effect", "updated"), ("effect", "created"),
        ("effect", "re-indexed"), ("cause", "edit"), ("cause", "new"), ("cause", "drift"),
    }  # fmt: skip
    assert "edit (2)" in html.plan(page_plan())


def test_identical_edits_are_one_entry_with_all_of_their_resources():
    text = html.plan(page_groups())
    page, shown = Reader(text), re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
    groups = [d for d in page.of("details") if d["class"].startswith("entry")]
    assert len(groups) == 1 + 2 + 1 + 3, "20 limits, two odd ones, 3 aliases, 3 deletions"
    assert "~ 20 collections will be updated in-place: " in shown
    assert "strict_mode_config.max_query_limit: 1000 -&gt; 500" in shown
    assert "+ 3 aliases will be created" in shown
    assert shown.count("Fields of ") == 3, "the fields of 20 are one table"
    members = [item for item in page.of("li") if item.get("class") == "member"]
    assert [m["data-address"] for m in members[:2]] == ["collection/shop-0", "collection/shop-1"]
    assert len(members) == 23
    assert "collection/shop-7 7 points, 7:8" in shown
    assert "28 of 28 shown" in shown
    assert "edit (24)" in shown
    links = [a["href"] for a in page.of("a") if a.get("aria-label") == "collection/shop-0"]
    assert links == [f"#{members[0]['id']}"]


def test_a_change_whose_last_applied_value_or_cause_differs_is_not_in_the_group():
    titles = [d.get("data-address") for d in Reader(html.plan(page_groups())).of("details")]
    assert {"collection/drifted", "collection/applied-long-ago"} <= set(titles)


def test_the_picture_has_a_box_for_each_resource_and_a_line_for_each_reference():
    page = Reader(html.plan(page_plan()))
    assert len(page.of("rect")) == 6
    assert len(page.of("path")) == 5
    assert "alias/live depends on collection/old" in page.text_of("title")


def test_a_large_picture_is_cut_and_says_so():
    names = [f"collection/c{number}" for number in range(200)]
    references = tuple(Reference(source="alias/a", target=name) for name in names)
    text = html.plan(plan(change(Action.UPDATE, "alias/a"), references=references))
    assert len(Reader(text).of("rect")) == 80
    assert "121 more are not drawn." in text


def test_a_plan_without_changes_has_neither_filter_nor_script():
    page = Reader(html.plan(plan()))
    assert page.of("form") == page.of("script") == []


def test_the_same_plan_gives_the_same_page():
    assert html.plan(page_plan()) == html.plan(page_plan())
