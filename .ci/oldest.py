"""Constraints for pip: the oldest versions that files of requirements allow.

python .ci/oldest.py requirements.txt requirements-dev.txt > oldest.txt
pip install -r requirements.txt -r requirements-dev.txt -c oldest.txt
"""

import re
import sys
from pathlib import Path

_LINE = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\d.]+)")


def oldest(text: str) -> list[str]:
    """`name==version` for every line `name>=version  # why` of a file of requirements, in its order.

    Raises ValueError for a line that says anything else: its oldest version cannot be told.
    """
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [(line, _LINE.fullmatch(line)) for line in lines if line]
    odd = [line for line, match in found if match is None]
    if odd:
        raise ValueError(f"a line must be name>=version. Received: {odd[0]!r}. Give it a lower bound and nothing else.")
    return [f"{match[1]}=={match[2]}" for _, match in found if match]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print("\n".join(oldest(Path(name).read_text(encoding="utf-8"))))
