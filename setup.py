"""The packages of an installation; all else stands in pyproject.toml, which cannot find some and name others."""

from setuptools import find_packages, setup

# models/ stands beside tfal/ in the checkout, as the networks of its run scripts, and inside of it once installed.
setup(packages=[*find_packages(include=["tfal", "tfal.*"]), "tfal.models"], package_dir={"tfal.models": "models"})
