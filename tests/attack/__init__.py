"""The attack on the project itself: stops at any moment, full disks, bad input. `python -m tests.attack --help`."""
