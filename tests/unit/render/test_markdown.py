from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.report import Outcome, OutcomeStatus
from qdrantctl.model.violation import Violation
from qdrantctl.render import html, markdown
from qdrantctl.render.shared.style import Style
from tests.support.plans import at, change, field, names, plan, plans, quickly, report, reports

MARKER = re.compile(r"<!-- qdrantctl (plan|apply) project=[\w.~-]+ environment=[\w.~-]+ -->\n?")
OURS = re.compile(r"<details><summary>\d+ [a-z, ]+</summary>\n?|</details>\n?")
PARSER = MarkdownIt("commonmark").enable("table")


def shown(*changes, max_bytes=65000, **more):
    return markdown.plan(plan(*changes, **more), Style(max_bytes=max_bytes))


def assert_sound(text: str) -> None:
    """No HTML but ours, every fold closed, every fence closed, nothing of users outside of code."""
    html, prose = [], []
    for token in PARSER.parse(text):
        for part in [token, *(token.children or [])]:
            if part.type in ("html_block", "html_inline"):
                html.append(part.content)
            elif part.type == "text":
                prose.append(part.content)
            assert part.type not in ("link_open", "image", "code_block", "hr")
            if part.type == "fence":
                lines = text.split("\n")
                start, end = part.map
                assert lines[end - 1].strip() == part.markup, "a fence is not closed"
                assert lines[start].startswith(part.markup)
    assert MARKER.fullmatch(html[0])
    assert all(OURS.fullmatch(part) for part in html[1:])
    opened = [part.startswith("<details>") for part in html[1:]]
    assert opened == [True, False] * (len(opened) // 2)
    assert "@" not in "".join(prose)


def fences(text: str) -> list[str]:
    return [token.content for token in PARSER.parse(text) if token.type == "fence"]


def test_a_plan_in_full():
    found = shown(
        change(Action.UPDATE, "collection/a",
               field(("hnsw_config", "m"), 16, 32, effect=Effect.REBUILD, origin=at(14),
                     because="re-indexes the collection"),
               origin=at(4), points=12_000_000, disk_bytes=5000),
        change(Action.DELETE, "collection/old", because="no manifest states it"),
        change(Action.NOOP, "collection/idle"),
        violations=(Violation(rule="QC202", address="collection/old", message="it has points"),),
        unmanaged=("collection/scratch",),
    )  # fmt: skip
    assert found == (
        """\
<!-- qdrantctl plan project=shop environment=prod -->
### Blocked. Plan: 0 to add, 1 to change, 1 to destroy.

`shop/prod` on `http://localhost:6333` (Qdrant `1.16.3`, cluster mode)

Worst effect: destroyed.

**Apply is blocked by 1 error: apply would make no changes. \
Resolve the errors below, or leave a change out with --exclude ADDRESS.**

|  | effect | points | bytes on disk |
| --- | --- | ---: | ---: |
| `collection/old` | destroyed |  |  |
| `collection/a` | re-indexed | 12,000,000 | 5,000 |

#### `-` `collection/old` will be destroyed

```diff
# no manifest states it
```

#### `~` `collection/a` will be updated in-place

<details><summary>1 field</summary>

```diff
# manifests/a.yaml:4
# re-indexing reads and rewrites up to 5,000 bytes, in each replica
! hnsw_config.m : 16 -> 32   # re-indexes the collection   manifests/a.yaml:14
```

</details>

```text
error[QC202]: it has points
  --> collection/old
```

<details><summary>1 unchanged</summary>

```text
collection/idle
```

</details>

<details><summary>1 unmanaged resource, left alone</summary>

```text
collection/scratch
```

</details>
"""
    )
    assert_sound(found)


def test_what_destroys_comes_first_whatever_the_order():
    actions = (Action.CREATE, Action.REFUSED, Action.UPDATE, Action.REPLACE, Action.DELETE)
    found = shown(*(change(action, f"collection/{action}") for action in actions))
    order = re.findall(r"^#### .*`collection/(\w+)`", found, re.MULTILINE)
    assert order == ["delete", "replace", "refused", "create", "update"]


def many():
    wide = [field(("metadata", f"k{n}"), n, n + 1) for n in range(20)]
    own = [field(("metadata", "own"), n, n + 1) for n in range(30)]
    made = [change(Action.UPDATE, f"collection/u{n}", *wide, own[n]) for n in range(30)]
    return [*made, change(Action.DELETE, "collection/old")]


def test_a_cut_plan_keeps_what_destroys_and_counts_the_rest():
    found = shown(*many(), max_bytes=4000)
    assert len(found.encode()) <= 4000
    assert "`collection/old` will be destroyed" in found
    shortened = found.count("will be updated in-place\n\n#") + (
        found.count("will be updated in-place\n\n_Cut")
    )
    whole = found.count("```diff")
    cut = re.search(
        r"_Cut to 4000 bytes: (\d+) changes not shown, (\d+) changes? shown without fields\. "
        r"`qdrantctl plan` shows all\._\n$",
        found,
    )
    assert cut
    assert int(cut[2]) == shortened
    assert int(cut[1]) == 30 - whole - shortened


def test_the_smallest_size_holds_marker_sum_and_what_was_cut():
    assert shown(*many(), max_bytes=200) == (
        "<!-- qdrantctl plan project=shop environment=prod -->\n"
        "### Applicable. Plan: 0 to add, 30 to change, 1 to destroy.\n\n"
        "31 changes cut.\n"
    )


@pytest.mark.parametrize("name", ["x" * 64, "a" + "-" * 63, "a-" * 32])
def test_the_marker_always_fits(name):
    found = shown(*many(), max_bytes=200, project=name, environment=name)
    assert len(found.encode()) <= 200
    first, last = found.splitlines()
    assert MARKER.fullmatch(first)
    assert "--" not in first.removeprefix("<!--").removesuffix("-->")
    assert last == "31 changes cut."


@quickly
@given(names, names)
def test_markers_of_different_owners_differ(one, other):
    found = {shown(project=name).splitlines()[0] for name in (one, other)}
    assert len(found) == len({one, other})


def capped(count):
    """Changes that tighten one cap of many collections."""
    cap = field(("strict_mode_config", "max_query_limit"), 1000, 500, direction="tightens")
    return [change(Action.UPDATE, f"collection/c{n}", cap, origin=at(n)) for n in range(count)]


def test_what_is_alike_is_shown_once():
    found = shown(change(Action.UPDATE, "alias/live", field(("x",), 1, 2)), *capped(20))
    assert "#### `~` 20 collections will be updated in-place" in found
    assert found.count("max_query_limit") == 1
    assert all(f"collection/c{n}" in found for n in range(20))
    assert found.index("alias/live") < found.index("20 collections")
    assert_sound(found)


def test_two_are_shown_one_by_one():
    assert shown(*capped(2)).count("max_query_limit") == 2


def test_what_destroys_is_never_grouped():
    found = shown(*(change(Action.DELETE, f"collection/{n}") for n in range(5)))
    assert found.count("will be destroyed") == 5


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://ci.example/runs/7#artifacts", "<https://ci.example/runs/7#artifacts>"),
        ("s3://bucket/plan.html", "`s3://bucket/plan.html`"),
        ("https://ci.example/><img src=x>", "`https://ci.example/><img src=x>`"),
    ],
)
def test_what_was_cut_is_counted_and_kept_elsewhere(address, written):
    style = Style(max_bytes=600, details_url=address)
    alone = [
        change(Action.UPDATE, f"alias/{n}", field(("collection",), "a", f"b{n}")) for n in range(30)
    ]
    found = markdown.plan(plan(*capped(20), *alone), style)
    assert re.search(r"\d+ changes not shown", found)
    assert found.endswith(f"It is kept at {written}._\n")
    assert_sound(found.removesuffix(f"{written}._\n"))  # the one link of a document is its own


def test_long_lists_end_with_a_number():
    found = shown(unmanaged=tuple(f"collection/{n}" for n in range(250)))
    assert fences(found) == ["".join(f"collection/{n}\n" for n in range(100)) + "… and 150 more\n"]


def test_backticks_make_longer_fences_and_spans():
    found = shown(change(Action.UPDATE, "collection/a``b", field(("metadata", "k"), "````", "x")))
    assert "#### `~` ``` collection/a``b ``` will be updated in-place" in found
    assert '`````diff\n! metadata.k : "````" -> "x"\n`````' in found


@pytest.mark.slow
@quickly
@given(plans, st.integers(200, 6000))
@example(plan(), 200)
def test_never_larger_than_asked_and_never_cut_inside(made, max_bytes):
    found = markdown.plan(made, Style(max_bytes=max_bytes))
    assert len(found.encode()) <= max_bytes
    assert_sound(found)
    whole = markdown.plan(made, Style(max_bytes=10**9))
    assert_sound(whole)
    assert found == whole or re.search(r"(Cut to \d+ bytes: .*|\d+ changes? cut\.)\n$", found)


@pytest.mark.slow
@quickly
@given(plans, st.integers(200, 6000))
def test_what_is_shown_and_what_is_cut_are_all_changes(made, max_bytes):
    found = markdown.plan(made, Style(max_bytes=max_bytes))
    titles = sum(
        int(number or 1)
        for number in re.findall(r"^#### `+[^`]+`+ (?:(\d+) )?", found, re.MULTILINE)
    )
    tail = found.splitlines()[-1]
    cut = re.search(r"(\d+) changes? (?:not shown|cut)", tail)
    acting = sum(c.action is not Action.NOOP for c in made.changes)
    assert titles + (int(cut[1]) if cut else 0) == acting


def test_a_report_in_full():
    made = report(
        Outcome(address="collection/a", action=Action.CREATE, status=OutcomeStatus.DONE),
        Outcome(
            address="collection/b", action=Action.UPDATE, status=OutcomeStatus.FAILED, error="500."
        ),
        Outcome(address="collection/c", action=Action.CREATE, status=OutcomeStatus.NOT_REACHED),
    )
    assert markdown.report(made) == (
        """\
<!-- qdrantctl apply project=shop environment=prod -->
### Apply stopped part-way! 1 added, 0 changed, 0 destroyed, 1 failed, 1 not reached.

`shop/prod` on `http://localhost:6333`

```text
collection/b: update failed: 500.
```

<details><summary>1 not reached</summary>

```text
collection/c: creation not reached
```

</details>

<details><summary>1 done</summary>

```text
collection/a: created
```

</details>

The next qdrantctl apply finishes the rest.
"""
    )


@quickly
@given(reports)
def test_reports_are_sound(made):
    assert_sound(markdown.report(made))


def test_the_worst_effect_comes_with_the_verdict():
    light = change(Action.UPDATE, "alias/a", field(("collection",), "a", "b"))
    heavy = change(Action.UPDATE, "collection/a",
                   field(("hnsw_config", "m"), 16, 32, effect=Effect.REBUILD))  # fmt: skip
    assert "\n\nWorst effect: updated.\n\n" in shown(light)
    assert "\n\nWorst effect: re-indexed.\n\n" in shown(light, heavy)
    assert "\n\nWorst effect: destroyed.\n\n" in shown(
        heavy, change(Action.DELETE, "collection/b"), light
    )
    assert "Worst" not in shown(change(Action.NOOP, "collection/a"))
    assert "0 to destroy. Worst effect: updated." in html.plan(plan(light))
