"""Pages in a real browser: Chromium without a window, driven over WebDriver."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from qdrantctl.render import html
from tests.support.pages import CANARY, PAGES, page_plan

pytestmark = pytest.mark.slow
AXE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("needs chromium and chromedriver on PATH (Debian: chromium, chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (make setup)")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    profile = tmp_path_factory.mktemp("profile")
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 "--window-size=1200,1500", f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=programs[1])
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The source of axe-core, which checks accessibility."""
    folder = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        pytest.skip("npm downloads axe-core")
    done = subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True)
    if done.returncode:
        pytest.skip(f"npm cannot download {AXE}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


def set_scheme(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def show(browser, folder: Path, name: str, odd: str = "", scheme: str = "light"):
    path = folder / f"{name}.html"
    path.write_text(PAGES[name](odd), encoding="utf-8")
    set_scheme(browser, scheme)
    browser.get_log("browser")
    browser.get(path.as_uri())


def keep_picture(browser, name):
    """Keep a screenshot where somebody wants to look at it."""
    if folder := os.environ.get("QDRANTCTL_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def visible(browser) -> list[str]:
    script = """
        return [...document.querySelectorAll(".entry")]
          .filter(entry => entry.checkVisibility())
          .map(entry => entry.dataset.address ?? entry.querySelector("code").textContent)
    """
    return browser.execute_script(script)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(browser, axe, tmp_path, name, scheme):
    show(browser, tmp_path, name, scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    keep_picture(browser, f"{name}-{scheme}")
    browser.execute_script(axe)
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations), e => done([String(e)]))"
    )
    assert [(v["id"], [n["html"] for n in v["nodes"]]) if "id" in v else v for v in found] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_string_runs_and_the_policy_refuses_nothing_of_the_page(browser, tmp_path, name):
    show(browser, tmp_path, name, CANARY)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.images.length + document.scripts.length") == 1
    assert visible(browser)


def test_the_policy_refuses_a_script_that_got_in(browser, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(
        html.plan(page_plan()).replace("</main>", "<script>document.title='x'</script></main>")
    )
    browser.get(path.as_uri())
    assert browser.title == "Plan: shop/prod"
    assert "Content Security Policy" in str(browser.get_log("browser"))


def test_the_filter_selects_by_effect_cause_and_address(browser, tmp_path):
    show(browser, tmp_path, "plan")
    assert len(visible(browser)) == 4

    def find(selector):
        return browser.find_element("css selector", selector)

    find("input[data-name=effect][value=updated]").click()
    assert visible(browser) == ["alias/live"]
    find("input[data-name=effect][value=created]").click()
    assert visible(browser) == ["alias/live", "collection/new"]
    find("input[data-name=cause][value=new]").click()
    assert visible(browser) == ["collection/new"]
    keep_picture(browser, "plan-filtered")
    find("button[type=reset]").click()
    find("#address").send_keys("COLLECTION/")
    assert visible(browser) == ["collection/old", "collection/graph", "collection/new"]
    assert find("#shown").text == "3 of 4 shown"


def test_the_filter_selects_resources_of_a_group(browser, tmp_path):
    show(browser, tmp_path, "groups")
    assert len(visible(browser)) == 7
    keep_picture(browser, "groups")

    def members() -> list[str]:
        script = """
            return [...document.querySelectorAll(".member")]
              .filter(member => member.checkVisibility())
              .map(member => member.dataset.address)
        """
        return browser.execute_script(script)

    assert members() == [], "a group is folded"
    browser.find_element("css selector", ".entry:has(.member) summary").click()
    assert len(members()) == 20
    browser.find_element("css selector", "#address").send_keys("shop-1")
    assert len(visible(browser)) == 1
    assert members() == ["collection/shop-1", *(f"collection/shop-{n}" for n in range(10, 20))]
    assert browser.find_element("css selector", "#shown").text == "11 of 28 shown"
    keep_picture(browser, "groups-filtered")
    browser.find_element("css selector", "input[data-name=cause][value=new]").click()
    assert members() == visible(browser) == []
    assert browser.find_element("css selector", "#shown").text == "0 of 28 shown"


def test_a_box_of_the_picture_leads_into_its_group(browser, tmp_path):
    show(browser, tmp_path, "groups")
    browser.find_element("css selector", "#address").send_keys("drifted")
    script = "document.querySelector('svg a[aria-label=\"collection/shop-0\"]').focus()"
    browser.execute_script(script)
    from selenium.webdriver.common.keys import Keys

    browser.switch_to.active_element.send_keys(Keys.ENTER)
    reached = browser.switch_to.active_element
    assert reached.get_attribute("data-address") == "collection/shop-0"
    assert reached.is_displayed()


def test_print_shows_every_resource_of_a_group(browser, tmp_path):
    show(browser, tmp_path, "groups")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = browser.find_element("css selector", "main").text
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert all(f"collection/shop-{number}" in shown for number in range(20))


def test_a_box_of_the_picture_leads_to_its_change_with_the_keyboard(browser, tmp_path):
    show(browser, tmp_path, "plan")
    browser.find_element("css selector", "#address").send_keys("graph")
    browser.execute_script("document.querySelector('svg a[aria-label=\"alias/live\"]').focus()")
    from selenium.webdriver.common.keys import Keys

    browser.switch_to.active_element.send_keys(Keys.ENTER)
    opened = browser.execute_script(
        "return document.querySelector('[data-address=\"alias/live\"]').open"
    )
    assert opened
    assert "alias/live" in browser.switch_to.active_element.text


def test_dark_and_light_have_other_colours(browser, tmp_path):
    colours = set()
    for scheme in ("light", "dark"):
        show(browser, tmp_path, "plan", scheme=scheme)
        colours.add(
            browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        )
    assert len(colours) == 2


def test_print_opens_everything_and_hides_the_filter(browser, tmp_path):
    show(browser, tmp_path, "plan")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    script = "return [...document.querySelectorAll('details')].every(d => d.open)"
    assert browser.execute_script(script)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not browser.find_element("css selector", "form").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not browser.execute_script(script)
