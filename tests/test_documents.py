"""What the documents name is there: files, folders, links, pictures, scripts and modules."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = ["README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md"]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "benchmarks", "examples", "notebooks", "results/reference", "reproduce")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
    if path.parent.name not in ("strategies", "api")  # what the site's build leaves there
)
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|toml|txt|yml|yaml)")
FOLDER = re.compile(r"(?:[\w.-]+/)+")
# What a user or a run makes, and names of theirs.
OTHERS = re.compile(r"(results|train|val|test|valid|validation|memory)/.*|test_accs_\d+\.txt|README\.md")


def spoken_of(text):
    """The files and folders that stand in `backticks`, but for those that a run makes."""
    words = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [word for word in words if (FILE.fullmatch(word) or FOLDER.fullmatch(word)) and not OTHERS.fullmatch(word)]


def missing(names):
    return [name for name in names if not any((root / name).exists() for root in (ROOT, ROOT / "tfal"))]


@pytest.mark.parametrize("guide", GUIDES)
def test_files_and_folders_that_guides_name_exist(guide):
    assert not missing(spoken_of((ROOT / guide).read_text()))


def test_a_name_that_is_not_there_is_found():
    text = "see `tfal/nothing.py`, `pool/`, `README.md`, `results/x/` and `x.py y`\n```\n`z.py`\n```\n"
    assert spoken_of(text) == ["tfal/nothing.py", "pool/"]
    assert missing(spoken_of(text)) == ["tfal/nothing.py"]


def test_the_architecture_names_most_of_the_house():
    rooms = {word.partition("/")[0] for word in spoken_of((ROOT / "docs" / "ARCHITECTURE.md").read_text())}
    folders = {path.parent.name for path in (ROOT / "tfal").glob("*/__init__.py")}
    assert folders <= rooms


def test_the_flow_names_folders():
    (flow,) = re.findall(r"## The flow\n+```\n(.*?)```", (ROOT / "docs" / "ARCHITECTURE.md").read_text(), re.DOTALL)
    folders = re.findall(r"[\w.-]+/", flow)
    assert len(folders) > 5
    assert not missing(folders)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text())
    local = [link.partition("#")[0] for link in links if not link.startswith(("http", "#"))]
    assert not [link for link in local if not (ROOT / document).parent.joinpath(link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_name_scripts_and_modules_that_exist(document):
    text = (ROOT / document).read_text()
    scripts = re.findall(r"python ([\w./-]+\.py)\b", text)
    assert not [name for name in scripts if not (ROOT / name).exists()]
    modules = re.findall(r"python -m ((?:tfal|benchmarks|notebooks)[\w.]*\w)", text)
    assert not [name for name in modules if importlib.util.find_spec(name) is None]


def test_every_docstring_can_be_read_alone():
    found = []
    for path in sorted(path for folder in ("tfal", "models", "benchmarks") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if text.startswith(("The same", "Of ", "As above", "Ditto")):
                    found.append(f"{path.relative_to(ROOT)}: {text.splitlines()[0]}")
    assert not found
