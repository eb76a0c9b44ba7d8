"""The pages in a real browser: keys, selection, filters, a correction, the map, dark and narrow."""

import shutil
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from pipelines.corrections.journal import read_corrections
from pipelines.viewer.editing import Editing
from pipelines.viewer.index.viewed import WatchedBuild
from pipelines.viewer.security import Gate
from pipelines.viewer.server import listening
from pipelines.viewer.site import Site
from webbody.storage import Folder

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip

pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium")
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def served(demo, tmp_path_factory):
    """A build that is served for editing, and its address."""
    out = tmp_path_factory.mktemp("browsed") / "copy"
    shutil.copytree(demo.out, out)
    with listening(0) as listener, WatchedBuild(str(out)) as build:
        port = listener.getsockname()[1]
        gate = Gate(port)
        app = Site(build, gate, Editing(str(out), "ann")).app()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield out, f"http://127.0.0.1:{port}", gate.token
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def page(served, browser):
    """A page that came in by the token; whatever the browser complains about fails the test."""
    _, root, token = served
    context = browser.new_context(base_url=root, viewport={"width": 1200, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
    page.goto(f"/?enter={token}")
    yield page
    context.close()
    assert complaints == []


def picked(page) -> int:
    return page.locator(".tile.picked").count()


def test_the_token_leaves_the_address(page):
    assert "enter" not in page.url and page.locator("h1").inner_text() == "Funnel"


def test_an_outcome_is_followed_and_filtered(page):
    page.click("a.reason >> nth=-1")
    page.wait_for_url("**/grid?row=*")
    before = page.locator(".tile").count()
    assert before > 0
    page.keyboard.press("f")
    page.fill("input[name=min_person_score]", "1.5")
    page.keyboard.press("Enter")
    page.wait_for_url("**min_person_score=1.5**")
    assert page.locator(".tile").count() == 0
    page.click(".given a >> text=min person score")
    page.wait_for_load_state()
    assert page.locator(".tile").count() == before


def test_keys_move_select_and_open(page):
    page.goto("/grid?outcome=kept")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    assert picked(page) == 2 and "2 selected" in page.inner_text("#selected")
    page.keyboard.press("x")
    assert picked(page) == 1
    page.keyboard.press("a")
    assert picked(page) == 0
    page.keyboard.press("a")
    assert picked(page) == page.locator(".tile").count()
    page.keyboard.press("?")
    assert page.locator("dialog[open]").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("x")
    assert page.input_value("#find") == "x" and picked(page) > 0
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/image/**")
    page.wait_for_load_state("networkidle")
    widths = page.evaluate("[...document.images].map((one) => one.naturalWidth)")
    assert len(widths) >= 5 and all(widths)


def test_a_correction_is_said_by_key_and_taken_back(served, page):
    folder = Folder(served[0])
    before = len(read_corrections(folder))
    page.goto("/grid?outcome=kept&sort=similarity")
    page.keyboard.press("j")
    crop = page.evaluate("document.activeElement.dataset.crop")
    page.fill("#why", "another one")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.wait_for_selector("text=1 correction written")
    said = read_corrections(folder)[before:]
    assert [one.verdict for one in said] == ["not-this-person"] and said[0].why == "another one"
    page.reload()
    mark = page.locator(f'.tile[data-crop="{crop}"] .mark')
    assert "somebody else, says ann" in mark.inner_text()
    page.keyboard.press("u")
    page.locator(".mark").first.wait_for(state="detached")
    assert read_corrections(folder)[-1].undoes == said[0].id


def test_a_click_with_shift_selects(page):
    page.goto("/grid?outcome=kept")
    page.click(".tile >> nth=0", modifiers=["Shift"])
    page.click(".tile >> nth=2", modifiers=["Shift"])
    assert picked(page) == 2 and "/grid" in page.url
    page.click("#select-none")
    assert picked(page) == 0


def test_a_lasso_leads_to_the_grid(page):
    page.goto("/map")
    page.wait_for_load_state("networkidle")  # its points have come
    page.wait_for_timeout(200)
    box = page.locator("#map").bounding_box()
    x, y, width, height = (box[name] for name in ("x", "y", "width", "height"))
    page.mouse.move(x + 2, y + 2)
    page.mouse.down()
    for corner in ((width - 2, 2), (width - 2, 500), (2, 500)):
        page.mouse.move(x + corner[0], y + min(corner[1], height - 2))
    page.mouse.up()
    page.wait_for_url("**/grid?lasso=**")
    assert page.locator(".tile").count() > 0


def test_a_photo_is_searched_from_the_form(served, page):
    page.goto("/person/" + page.evaluate("fetch('/map.json').then((a) => a.json())")["link"][0][8:])
    drawn = page.locator(".tile img").first.get_attribute("src")
    body = page.request.get(drawn.replace("side=240", "side=640")).body()
    page.goto("/search")
    page.set_input_files("input[type=file]", [{"name": "a.jpg", "mimeType": "image/jpeg",
                                               "buffer": body}])  # fmt: skip
    page.click("main button")
    page.wait_for_selector("main h2 >> text=Most similar")
    assert page.locator("main .tile").count() > 0


PATHS = (
    "/", "/figures", "/grid", "/people", "/pairs", "/map", "/search", "/corrections",
    "/grid?look=faces&sort=-face_score",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1500])
def test_no_page_is_wider_than_the_window(served, browser, scheme, width):
    _, root, token = served
    size = {"width": width, "height": 900}
    context = browser.new_context(base_url=root, viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"/?enter={token}")
    for path in PATHS:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    context.close()
