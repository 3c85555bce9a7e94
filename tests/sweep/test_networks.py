"""What networks do that a sweep asks before it begins."""

import dataclasses
import os

from tfal.sweep import networks
from tfal.sweep.networks import Wanted


class _Ends:
    """Ends the process that it is sent to."""

    group = "digits_MLP, bald"

    def __reduce__(self):
        return os._exit, (3,)


def test_whatever_a_network_raises_is_a_line(small, monkeypatch):
    recipe = dataclasses.replace(small, network="mine.py:net", strategy="bald")

    def net(input_shape, n_classes):
        raise TypeError("no\nfloat")

    monkeypatch.setattr(networks, "load_network", lambda name, known: net)
    (line,) = networks._faults([Wanted("digits, bald", recipe, (8, 8, 1), 10)] * 2)
    assert line == "digits, bald: network 'mine.py:net' cannot be asked. Received: TypeError: no float"


def test_a_process_that_ends_is_a_line():
    (line,) = networks.faults([_Ends(), _Ends()])
    assert line.startswith("digits_MLP, bald: the process that builds their networks was killed")
