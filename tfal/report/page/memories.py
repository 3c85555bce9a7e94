"""Pictures of what strategies learned over the rounds, such as MQ-Net's skyline, as images that a page holds."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator

from tfal.files import storage_errors
from tfal.report.comparison import Setting
from tfal.storage.runfolder import read_memory
from tfal.strategies import find_strategy

_PNG = b"\x89PNG\r\n"


def memory_pictures(setting: Setting) -> list[str]:
    """An element of html for each strategy that keeps a memory and draws it: of its first repetition that has one.

    Joined results have pictures in place of memories, memory_<strategy>.png.
    """
    return [
        f'<div class="pictures"><h3>{html.escape(title)}</h3><img alt="{html.escape(title)}" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}"></div>'
        for title, data in (*_joined(setting), *_drawn(setting))
    ]


def _joined(setting: Setting) -> Iterator[tuple[str, bytes]]:
    for name in setting.strategies:
        path = setting.folder / f"memory_{name}.png"
        if path.is_file():
            with storage_errors(path):
                data = path.read_bytes()
            if data.startswith(_PNG):
                yield f"What {name} learned", data


def _drawn(setting: Setting) -> Iterator[tuple[str, bytes]]:
    for name in setting.strategies:
        strategy = find_strategy(name)
        folder = next(iter(sorted(setting.folder.glob(f"{name}/rep*/memory"))), None) if strategy else None
        if strategy is None or folder is None:
            continue
        memories = [read_memory(path, strategy.memory_shapes) for path in sorted(folder.glob("round*.npz"))]
        title = f"What {name} learned, {folder.parent.name}"
        figure = strategy.draw(memories, title) if memories else None
        if figure is not None:
            content = io.BytesIO()
            figure.savefig(content, format="png")
            yield title, content.getvalue()
