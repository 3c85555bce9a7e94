"""The documentation site: built as CONTRIBUTING.md says, its links followed, its search asked in a browser."""

import importlib
import inspect
import os
import subprocess
import sys

import filelock
import pytest

from docs.site import api
from docs.site.links import broken
from tests.conftest import ROOT
from tests.labeling.browser import started


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site without pictures of strategies; built once, however many processes test it."""
    pytest.importorskip("pydata_sphinx_theme", reason="needs what builds the site: requirements-docs.txt")
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "site"
    with filelock.FileLock(f"{folder}.lock"):
        return _built(folder) if not folder.exists() else folder / "site"


def _built(folder):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-D",
        "pictures=0",
        "-d",
        f"{folder}/read",
        "-c",
        "docs",
        ".",
    ]
    done = subprocess.run([*command, f"{folder}/site"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = started(tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.driver.quit()


def test_every_document_is_a_page_and_no_link_is_broken(site):
    documents = ["CONTRIBUTING.md", *(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md"))]
    assert all((site / document).with_suffix(".html").exists() for document in documents)
    assert (site / "index.html").read_bytes() == (site / "README.html").read_bytes()
    assert broken(site) == []


@pytest.mark.parametrize("module", api.MODULES)
def test_every_public_name_is_on_the_page_of_its_module(site, module):
    home, page = importlib.import_module(module), (site / "docs" / "api" / f"{module}.html").read_text()
    names = [name for name in home.__all__ if not inspect.ismodule(getattr(home, name))]
    assert not [name for name in names if f'id="{module}.{name}"' not in page]


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a b.html").write_text('<p id="here"><a href="#here"></a><img src="../no.png"><a href="?q=1">')
    links = ["in/a%20b.html#here", "in/a%20b.html#gone", "#", "#there", "in/", "http://x/#y", "mailto:x@y"]
    (tmp_path / "top.html").write_text("".join(f'<a href="{link}">' for link in links))
    assert broken(tmp_path) == ["in/a b.html: ../no.png", "top.html: in/a%20b.html#gone", "top.html: #there"]


def test_search_finds_a_strategy_by_the_name_of_its_paper(site, chromium):
    chromium.driver.get(f"{(site / 'search.html').as_uri()}?q=LDM-S")
    from selenium.webdriver.support.wait import WebDriverWait

    found = WebDriverWait(chromium.driver, 60).until(lambda _: chromium.all("#search-results li a"))
    assert found[0].get_attribute("href").startswith((site / "docs" / "strategies" / "ldms.html").as_uri())
