"""Where the notebooks are on GitHub, in badges, links and install cells: `python -m notebooks.address you/tfal`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

_BEFORE = r"(https://github\.com/|https://colab\.research\.google\.com/github/)"
_ADDRESS = re.compile(_BEFORE + r"[\w.-]+/[\w.-]+?(?=/blob/main/|\\?\")")  # in an install cell a quote ends it


def files() -> list[Path]:
    """Those that name it."""
    here = Path(__file__).parent
    return [*sorted(here.glob("*.ipynb")), here / "README.md"]


def renamed(text: str, repository: str) -> str:
    """`text` with `repository`, "owner/name", wherever it says where the notebooks are."""
    return _ADDRESS.sub(lambda found: found[1] + repository, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("repository", help="owner/name on GitHub")
    given = parser.parse_args(arguments)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", given.repository):
        parser.error(f"it must be owner/name, such as you/tfal. Received: {given.repository!r}.")
    for file in files():
        before = file.read_text(encoding="utf-8")
        after = renamed(before, given.repository)
        if after != before:
            file.write_text(after, encoding="utf-8")
            print(file.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
