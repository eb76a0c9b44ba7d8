"""The documentation as a site: every page in the menu, every link and every named object there."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.distributions import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def menu(entries: list) -> list[str]:
    """Pages of the menu, in order."""
    found: list[str] = []
    for entry in entries:
        (value,) = entry.values()
        found += menu(value) if isinstance(value, list) else [value]
    return found


def test_every_page_is_in_the_menu_once():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(menu(settings["nav"])) == PAGES


@pytest.mark.parametrize("page", [*(f"docs/{name}" for name in PAGES), "README.md"])
def test_links_lead_to_files(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, _ = link.partition("#")
        if target and "://" not in target:
            assert ((ROOT / page).parent / target).exists(), link


def test_pages_of_the_interface_name_what_is_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    named = re.findall(r"^::: (\S+)", text, re.M)
    assert len(named) > 10
    for name in named:
        assert pkgutil.resolve_name(name).__doc__, name


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_no_other_host(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//", text), page
        assert not re.findall(r"<link[^>]* rel=\"stylesheet\"[^>]* href=\"(?:https?:)?//", text), (
            page
        )
    assert "Raises" in (tmp_path / "api/build/index.html").read_text(encoding="utf-8")
