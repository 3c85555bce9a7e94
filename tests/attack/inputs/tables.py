"""Tables that cannot be read as what they are given for."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.inputs.case import ACCEPTED, EITHER, REFUSED, Case, write

_TINY = (
    *(
        "run_tabular.py",
        "--nRep",
        "1",
        "--nStep",
        "1",
        "--nEpoch",
        "1",
        "--nInit",
        "12",
        "--nValid",
        "6",
        "--nPool",
        "20",
    ),
    *("--nQuery", "5", "--strategy", "margin", "--resultsDir", "{}/results"),
)
_ROWS = [f"{k % 7},{k % 5}.5,{'xyz'[k % 3]}" for k in range(90)]


def _with(row: str, place: int = 40) -> str:
    return "a,b,y\n" + "\n".join([*_ROWS[:place], row, *_ROWS[place:]]) + "\n"


def _of(head: str, row: str, *classes: str) -> str:
    names = classes or ("x", "y", "z")
    return head + "\n" + "".join(row.format(k=k, m=k % 7, c=names[k % len(names)]) + "\n" for k in range(90))


_GOOD = "a,b,y\n" + "\n".join(_ROWS) + "\n"
_REFUSED: dict[str, str | bytes] = {
    "empty": "",
    "blank lines": "\n\n \n",
    "a header only": "a,b,y\n",
    "one column": "y\nx\nz\n",
    "a row too short": _with("1,x"),
    "a row too long": _with("1,2,3,x"),
    "text in a feature": _with("1,abc,x"),
    "an empty feature": _with("1,,x"),
    "NaN in a feature": _with("1,nan,x"),
    "infinity in a feature": _with("1,inf,x"),
    "1e400 in a feature": _with("1,1e400,x"),
    "an empty class": _with("1,2,"),
    "a decimal comma": _of("a;b;y", "{m},5;{k},0;{c}"),
    "semicolons": _of("a;b;y", "{m};{k};{c}"),
    "tabs": _of("a\tb\ty", "{m}\t{k}\t{c}"),
    "one class": _of("a,b,y", "{m},{k},{c}", "x"),
    "a class of every row": _of("a,b,y", "{m},1,c{k}"),
    "UTF-16": _GOOD.encode("utf-16"),
    "Latin-1": _of("a,b,y", "{m},{k},{c}", "é", "ü").encode("latin-1"),
    "random bytes": bytes(range(256)) * 8,
    "zeros": bytes(4096),
    "a zip file": b"PK\x03\x04" + bytes(200),
    "a gzip file": b"\x1f\x8b\x08\x00" + bytes(200),
    "a web page": "<!DOCTYPE html>\n<html><body>404, not found</body></html>\n",
    "json": '{"a": [1, 2], "y": ["x", "z"]}\n',
    "the same name twice": _of("y,b,y", "{m},{k},{c}"),
    "an open quotation mark": 'a,b,y\n"1,2,x\n' + _GOOD,
    "a cell of 200,000 characters": _with("1," + "9" * 200_000 + ",x"),
    "thousands separators": _with('1,"1,000",x'),
    "a date": _with("1,2024-05-01,x"),
    "True and False": _with("1,True,x"),
    "hexadecimal": _with("1,0xff,x"),
    "a per cent sign": _with("1,50%,x"),
    "too few rows": "a,b,y\n1,2,x\n2,3,z\n",
    "one row of a class": _of("a,b,y", "{m},{k},{c}") + "1,2,rare\n",
}
_GOOD_TABLES: dict[str, str | bytes] = {
    "plain": _GOOD,
    "with a byte order mark": b"\xef\xbb\xbf" + _GOOD.encode(),
    "with Windows' line ends": _GOOD.replace("\n", "\r\n"),
    "without a last line end": _GOOD.rstrip("\n"),
    "with empty lines": _GOOD.replace("\n", "\n\n"),
    "with spaces": _GOOD.replace(",", " , "),
    "with quotation marks": _of('"a","b","y"', '"{m}","{k}","{c}"'),
    "with a class called None": _of("a,b,y", "{m},{k},{c}", "None", "mild"),
    "with a class called NA": _of("a,b,y", "{m},{k},{c}", "NA", "EU"),
    "with 1 and 1.0": _of("a,b,y", "{m},{k},{c}", "1", "1.0", "2"),
    "with a constant column": _of("a,b,y", "{m},5,{c}"),
    "with tiny numbers": _of("a,b,y", "{m}e-300,{k},{c}"),
    "with huge numbers": _of("a,b,y", "{m}e300,{k},{c}"),
    "with a nameless index": _of(",a,y", "{k},{m},{c}"),
    "with names in unicode": _of("größe,名,y", "{m},{k},{c}", "ü", "名"),
}
_LABELS = {
    **{
        "gone": REFUSED,
        "Y": REFUSED,
        "3": REFUSED,
        "-4": REFUSED,
        "": REFUSED,
        "1.0": REFUSED,
        "99999999999999999999": REFUSED,
    },
    **{"2": ACCEPTED, "-1": ACCEPTED, " y": EITHER, "a\nb": REFUSED, "0": EITHER, "1": EITHER},
}
_TESTS: dict[str, tuple[str | bytes, str]] = {
    "like the table": (_GOOD, ACCEPTED),
    "empty": ("", REFUSED),
    "with other columns": ("a,c,y\n1,2,x\n", REFUSED),
    "with more columns": ("a,b,c,y\n1,2,3,x\n", REFUSED),
    "in another order": ("b,a,y\n1,2,x\n2,1,z\n", REFUSED),
    "with another class": ("a,b,y\n1,2,w\n", REFUSED),
    "with NaN": ("a,b,y\n1,nan,x\n", REFUSED),
    "of one class": ("a,b,y\n1,2,x\n", EITHER),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for tables, expected in ((_REFUSED, REFUSED), (_GOOD_TABLES, ACCEPTED)):
        for name, content in tables.items():
            yield _case(f"table: {name}", content, "y", expected)
    for label, expected in _LABELS.items():
        yield _case(f"table with --label {label!r}", _GOOD, label, expected)
    for name, (content, expected) in _TESTS.items():
        argv = (*_TINY, "--csv", "{}/mine.csv", "--label", "y", "--csvTest", "{}/test.csv")
        make = _both(_GOOD, content)
        yield Case(f"test table {name}", argv, make=make, expected=expected)
    yield from _names()


def _names() -> Iterator[Case]:
    for name in ("digits.csv", "mnist.csv", "....csv", "_.csv"):
        argv = (*_TINY, "--csv", f"{{}}/{name}", "--label", "y")
        yield Case(f"table named {name}", argv, make=write(name, _GOOD), expected=EITHER)
    for path in ("{}", "{}/gone.csv", "/dev/null", "{}/mine.csv/x", "", " ", "{}/" + "x" * 300, "{}/a\nb.csv"):
        yield Case(f"table at {path[:20]!r}", (*_TINY, f"--csv={path}", "--label", "y"), make=write("mine.csv", _GOOD))
    for flags in ("--csv {}/mine.csv", "--label y", "--csvTest {}/mine.csv", ""):
        yield Case(f"table with {flags or 'nothing'} only", (*_TINY, *flags.split()), make=write("mine.csv", _GOOD))
    for flags in ("--augment crop", "--splits 10", "--oodDataset digits", "--network SCNN", "--initial simclr_loss",
                  "--strategy ccal", "--dataset mnist", "--nInit 200", "--nPool 90", "--nClassKnown 4", "--imageSize 8",
                  "--initial vae_loss", "--strategy consistency", "--normalize channels", "--dataDir {}"):  # fmt: skip
        argv = (*_TINY, "--csv", "{}/mine.csv", "--label", "y", *flags.split())
        yield Case(f"table with {flags}", argv, make=write("mine.csv", _GOOD), expected=EITHER)


def _case(name: str, content: str | bytes, label: str, expected: str) -> Case:
    argv = (*_TINY, "--csv", "{}/mine.csv", f"--label={label}")
    return Case(name, argv, make=write("mine.csv", content), expected=expected)


def _both(table: str, test: str | bytes):
    from tests.attack.inputs.case import together

    return together(write("mine.csv", table), write("test.csv", test))
