"""What is wrong with a folder in which no data set was found, in words: folders that are nearly as they must be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tfal.data.image_folders import TEST_PARTS
from tfal.data.listing import class_names
from tfal.data.passed_over import SUFFIXES

_TRAIN = ("train", "training", "trainset", "trainingset", "traindata")
_TEST = (*TEST_PARTS, "testing", "testset", "dev", "eval", "evaluation", "holdout")


def layout_hint(name: str, folders: Sequence[Path]) -> str:
    """One sentence about the first of `folders` that nearly holds the data set `name`; "" where none does."""
    return next((hint for folder in folders if (hint := _of(name, folder))), "")


def _of(name: str, folder: Path) -> str:
    inside = class_names(folder)
    if not inside:
        return _other_npz(name, folder)
    train = next((one for one in inside if _plain(one) in _TRAIN), "")
    test = next((one for one in inside if _plain(one) in _TEST), "")
    renamed = [f"rename {train}/ to train/"] if train not in ("", "train") else []
    renamed += [f"rename {test}/ to test/"] if test not in ("", *TEST_PARTS) else []
    if renamed:
        return f"{folder}: {', '.join(renamed)}."
    if train and not class_names(folder / train):
        return f"{folder / train} holds no class folders: sort its images into {train}/<class>/."
    if train and not test:
        others = ", ".join(f"{one}/" for one in inside if one != train) or "nothing else"
        return f"{folder / train} has no test images beside it, but {others}: add test/<class>/."
    if not train and any(_has_images(folder / one) for one in inside):
        shown = ", ".join(inside[:3]) + ", ..." * (len(inside) > 3)
        return (
            f"{folder} holds folders of images ({shown}) but no train/: move them there, and a part of each to test/."
        )
    return _other_npz(name, folder)


def _other_npz(name: str, folder: Path) -> str:
    found = sorted(path.stem for path in folder.glob("*.npz")) if folder.is_dir() else []
    return f"{folder} holds {found[0]}.npz, which is read as --dataset {found[0]}." if len(found) == 1 else ""


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIXES for path in folder.iterdir())
