"""Whether the network leads to where a data set is downloaded from: asked once, briefly, before minutes of retries."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

SECONDS = 12.0  # for all hosts together, the look-up of their names included


def check_way_out(urls: Iterable[str], seconds: float = SECONDS) -> None:
    """Raises ConnectionError when none of the hosts of `urls` answers within `seconds`. Any answer at all counts.

    Proxies that the environment names are used, as in the download itself.
    """
    first = {urlsplit(url).hostname: url for url in reversed(list(urls))}
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask(url: str) -> None:
        import requests

        try:
            requests.head(url, timeout=seconds, allow_redirects=False)
            answers.put("")
        except requests.RequestException as error:
            answers.put(type(error).__name__)

    for url in first.values():  # in threads, as nothing else ends the look-up of a name
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    why, end = f"no answer within {seconds:g} s", time.monotonic() + seconds
    for _ in first:
        try:
            why = answers.get(timeout=max(0, end - time.monotonic()))
        except queue.Empty:
            break
        if not why:
            return
    if first:
        raise ConnectionError(f"no way to {', '.join(map(str, first))}: {why}")
