"""The documentation site, built from the root of the checkout: python -m sphinx -W -c docs . build/site

Its pages are the documents of the checkout where they stand, so that each text stands once and links lead from page to
page, there and here. docs/site writes the pages that are made of code.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

project = "tfal"
author = "the authors of tfal"
copyright = author
release = version = re.findall(r'__version__ = "(.+)"', (ROOT / "tfal" / "__init__.py").read_text())[0]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"no-value": True}
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
myst_heading_anchors = 3
smartquotes = False  # "quotes" of code in docstrings stay what they are
root_doc = "README"
include_patterns = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**.md"),
    *("benchmarks/README.md", "examples/plugin/README.md", "notebooks/README.md", "reproduce/README.md"),
    "results/reference/**.md",
]
exclude_patterns = [".*", "build", "dist", "venv", "results/[!r]*"]

html_theme = "pydata_sphinx_theme"
html_title = "tfal"
html_copy_source = html_show_sourcelink = False
html_theme_options = {"secondary_sidebar_items": ["page-toc"], "show_prev_next": False}

# Which pages stand under which: what a toctree says, and a document that is read elsewhere, too, cannot.
UNDER = {
    "README": ["docs/GUIDE", "docs/strategies/index", "docs/api/index", "results/reference/README", "CONTRIBUTING"],
    "docs/GUIDE": [
        *("docs/INSTALL", "notebooks/README", "docs/DATA"),
        *("docs/OPEN_SET", "docs/LOW_BUDGETS", "docs/FIRST_LABELS", "docs/LABELING"),
        *("docs/CAMPAIGN", "docs/SWEEPS", "docs/LARGE_POOLS", "docs/REPORT", "docs/RESULTS", "docs/ROUNDS"),
        "docs/DIFFERENCES",
    ],
    "docs/strategies/index": ["docs/strategies/*"],
    "docs/api/index": ["docs/api/*"],
    "results/reference/README": ["reproduce/README", "benchmarks/README", "results/reference/*/README"],
    "CONTRIBUTING": ["docs/ARCHITECTURE", "examples/plugin/README", "docs/ATTACK", "CHANGELOG"],
}


def add_toctree(app: Any, name: str, source: list[str]) -> None:
    """Appends its toctree to a page of UNDER."""
    if name in UNDER:
        pages = "\n".join(f"/{page}" for page in UNDER[name])
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n\n{pages}\n```\n"


def name_front_page(app: Any, error: Exception | None) -> None:
    """The front page by the name that servers look for."""
    if error is None and app.builder.name == "html":
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def write_pages(app: Any) -> None:
    """The pages that are made of code, beside the documents; git ignores them."""
    from docs.site import api, strategies

    api.write(Path(app.srcdir) / "docs" / "api")
    strategies.write(Path(app.srcdir) / "docs" / "strategies", app.config.pictures)


def setup(app: Any) -> None:
    """What Sphinx calls. With -D pictures=0 the pages of strategies have none, which takes a third of the time."""
    app.add_config_value("pictures", True, "env", types=bool)
    from docs.site.api import read_docstring, read_signature, skip_member

    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon reads the sections
    app.connect("autodoc-process-signature", read_signature)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("source-read", add_toctree)
    app.connect("build-finished", name_front_page)
