"""Show that every check can fail: `python tools/test_tools.py`.

A tiny project that is in order is built in a temporary folder; each test breaks one thing in a copy of it, and the
check that is meant to notice has to complain. A check for which no test stands here fails as well.
"""
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from execnb.nbio import dict2nb, write_nb

import check
import headline
import packaged
import readme
import test
from verdict import verdict

PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
MODULE = ["# {title}\n\n> What it is for.", "#| default_exp {name}", "#| export\nimport math",
          "#| export\ndef {name}_area(r: float) -> float:\n    \"\"\"Return the area.\"\"\"\n    return math.pi * r**2",
          "assert {name}_area(0) == 0"]


def cell(source: str, number: int, outputs: list | None = None) -> dict:
    """Return a cell of a notebook: Markdown if the source begins like it."""
    common = {"id": f"cell-{number}", "metadata": {}, "source": source}
    if re.match(r"#+ |> |\[", source):
        return {"cell_type": "markdown", **common}
    return {"cell_type": "code", "execution_count": None, "outputs": outputs or [], **common}


def write_notebook(path: Path, cells: list[dict]) -> None:
    """Write a notebook as nbdev would leave it."""
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nb(dict2nb({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}), path)


def build(root: Path) -> None:
    """Write a project of two modules, a tutorial and a front page, with nothing wrong in it."""
    for name in ("settings.ini", "pyproject.toml"):
        shutil.copy(check.ROOT / name, root / name)
    for file, name in {"00_low": "low", "10_high": "high"}.items():
        sources = [source.replace("{name}", name).replace("{title}", name) for source in MODULE]
        if name == "high":
            sources[2] = "#| export\nimport math\n\nfrom vae_nbdev.low import low_area"
        write_notebook(root / "nbs" / f"{file}.ipynb", [cell(s, i) for i, s in enumerate(sources)])
    figure = {"output_type": "display_data", "metadata": {}, "data": {"image/png": PIXEL, "text/plain": "<Figure>"}}
    text = {"output_type": "stream", "name": "stdout", "text": "3.14\n"}
    front = ["# A front page\n\n> What it is for.", "[low](00_low.ipynb), [settings](../settings.ini), [web](https://example.org/a)",
             "print(3.14)", "#| echo: false\n#| fig-alt: One pixel\nshow()"]
    write_notebook(root / "nbs/index.ipynb", [cell(s, i, [[], [], [text], [figure]][i]) for i, s in enumerate(front)])
    write_notebook(root / "nbs/tutorials/01_story.ipynb", [cell("# A story\n\n> What it is for.", 0)])
    write_notebook(root / "nbs/report.ipynb", [cell("# A report\n\n> What it is for.", 0), cell("print(3.14)", 1, [text])])
    packaged.write(root)
    (root / ".gitignore").write_text("__pycache__/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    check.export(root).check_returncode()
    with contextlib.redirect_stdout(io.StringIO()):
        readme.write(root)


def edit(name: str, old: str, new: str):
    """Return a breakage: replace text in a file, once."""
    def breakage(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return breakage


def put(name: str, content: str):
    """Return a breakage: write a file."""
    def breakage(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return breakage


def drop(name: str):
    """Return a breakage: delete a file."""
    return lambda root: (root / name).unlink()


def source(name: str, number: int, text: str):
    """Return a breakage: give one cell of a notebook another source."""
    def breakage(root: Path) -> None:
        nb = json.loads((root / name).read_text())
        nb["cells"][number]["source"] = text
        write_nb(dict2nb(nb), root / name)
    return breakage


def output(path: str, number: int, **kind):
    """Return a breakage: give one cell of a notebook an output."""
    def breakage(root: Path) -> None:
        nb = json.loads((root / path).read_text())
        nb["cells"][number]["outputs"] = [kind]
        write_nb(dict2nb(nb), root / path)
    return breakage


def said(text: str, name: str = "stdout"):
    """Return a breakage: let a cell have printed something."""
    return output("nbs/00_low.ipynb", 4, output_type="stream", name=name, text=text)


LOW, HIGH, INDEX = "nbs/00_low.ipynb", "nbs/10_high.ipynb", "nbs/index.ipynb"
BREAKAGES = {
    "the modules are what the notebooks export": {
        "a module edited by hand": edit("vae_nbdev/low.py", "r**2", "r**3"),
        "a notebook not exported": source(LOW, 3, "#| export\ndef area(r):\n    return r"),
        "a module without a notebook": put("vae_nbdev/extra.py", "x = 1\n"),
        "a module that is missing": drop("vae_nbdev/high.py"),
        "an index edited by hand": edit("vae_nbdev/_modidx.py", "low_area", "low_aera"),
        "another version": edit("settings.ini", "version = 0.1", "version = 0.2"),
        "a notebook that cannot be exported": put(LOW, "{"),
    },
    "README.md is what the front page says": {
        "a README edited by hand": edit("README.md", "3.14", "3.15"),
        "a README that is missing": drop("README.md"),
        "another output": edit(INDEX, "3.14\\n", "3.15\\n"),
        "another figure": edit(INDEX, PIXEL, PIXEL.replace("jR9", "jR8")),
        "a figure that is missing": drop("docs/images/readme-1.png"),
        "a figure of an earlier README": put("docs/images/readme-2.png", "png"),
        "a figure without a description": source(INDEX, 3, "show()"),
        "a link to nothing": edit(INDEX, "00_low.ipynb", "00_gone.ipynb"),
        "another address of the site": edit("settings.ini", "doc_baseurl = /", "doc_baseurl = /new/"),
    },
    "the package holds the report as its notebook says it": {
        "another report": source("nbs/report.ipynb", 1, "print(3.15)"),
        "a copy edited by hand": edit("vae_nbdev/data/report.ipynb", "3.14", "3.15"),
        "a copy with outputs": lambda root: shutil.copy(root / "nbs/report.ipynb", root / "vae_nbdev/data/report.ipynb"),
        "a copy that is missing": drop("vae_nbdev/data/report.ipynb"),
        "a notebook that is missing": drop("nbs/report.ipynb"),
    },
    "notebooks are clean": {
        "a counter": edit(LOW, '"execution_count": null', '"execution_count": 3'),
        "other metadata": edit(LOW, '"metadata": {}', '"metadata": {"scrolled": true}'),
        "the same id twice": edit(LOW, '"id": "cell-1"', '"id": "cell-0"'),
    },
    "each layer imports only from lower ones": {
        "an import upwards": edit("vae_nbdev/low.py", "import math", "from vae_nbdev.high import high_area"),
        "a relative one": edit("vae_nbdev/low.py", "import math", "from .high import high_area"),
        "one of the whole module": edit("vae_nbdev/low.py", "import math", "from . import high"),
        "a plain one": edit("vae_nbdev/low.py", "import math", "import vae_nbdev.high as other"),
        "one within a function": edit("vae_nbdev/low.py", "    return", "    from vae_nbdev import high\n    return"),
        "one by name": edit("vae_nbdev/low.py", "    return", "    importlib.import_module('vae_nbdev.high')\n    return"),
        "one by a name made up": edit("vae_nbdev/low.py", "    return", "    importlib.import_module(name)\n    return"),
        "one of everything": edit("vae_nbdev/high.py", "import low_area", "import *"),
        "one of a module that is not there": edit("vae_nbdev/high.py", "from .low", "from .lower"),
        "one that only the notebook makes": source(LOW, 4, "from vae_nbdev.high import high_area\nassert high_area(0) == 0"),
        "a number given twice": put("nbs/00_again.ipynb", '{"cells": [], "metadata": {}}'),
    },
    "exported code needs only what settings.ini requires": {
        "a test's package": edit("vae_nbdev/low.py", "import math", "import galpy"),
        "one within a function": edit("vae_nbdev/low.py", "    return", "    import fastcore.test\n    return"),
    },
    "committed outputs are fit to read": {
        "an error": output(LOW, 4, output_type="error", ename="E", evalue="e", traceback=[]),
        "stderr": said("hello", name="stderr"),
        "a warning": said("UserWarning: careful"),
        "a traceback": said("Traceback (most recent call last):"),
        "a path": said("read /ho" "me/me/curves.csv"),
        "an installed path": said("lib/site-packages/numpy"),
        "a progress bar": said(" 50%|█████     | 5/10"),
        "its rate": said("10/10, 12.5it/s"),
        "a timing": said("1.2 ms ± 3 µs per loop"),
        "an address": said("<object at 0x7f0011223344>"),
        "a notebook that was not run": lambda root: write_notebook(
            root / "nbs/tutorials/02_new.ipynb", [cell("# A\n\n> B.", 0)] + [cell(f"print({i})", i) for i in range(1, 8)]),
    },
    "every cell is run and shown": {
        "eval: false": source(LOW, 4, "#| eval: false\nassert low_area(0) == 0"),
        "skip_exec": source(INDEX, 0, "# A front page\n\n> What it is for.\n\n- skip_exec: true"),
        "skip_showdoc": source(LOW, 4, "#| skip_showdoc\nassert low_area(0) == 0"),
        "nbdev_export()": source(LOW, 4, "assert low_area(0) == 0\nimport nbdev; nbdev.nbdev_export()"),
        "another language": edit(LOW, '"language": "python"', '"language": "julia"'),
        "a hidden name": lambda root: (root / LOW).rename(root / "nbs/_00_low.ipynb"),
        "a hidden folder": lambda root: (root / "nbs/tutorials").rename(root / "nbs/_tutorials"),
        ".notest": put("nbs/tutorials/.notest", ""),
    },
    "notebooks open as they should and are small": {
        "no promise": source(LOW, 0, "# low\n\nWhat it is for."),
        "a promise of two lines": source(LOW, 0, "# low\n\n> What it is\n> for."),
        "no title": source("nbs/tutorials/01_story.ipynb", 0, "> What it is for."),
        "no module": source(LOW, 1, "x = 1"),
        "no number": lambda root: (root / LOW).rename(root / "nbs/low.ipynb"),
        "default_exp too low": lambda root: (source(LOW, 1, "x = 1")(root), source(LOW, 4, "#| default_exp low\nassert True")(root)),
        "no assertion": source(LOW, 4, "low_area(0)"),
        "too many bytes": said("1" * check.MAX_BYTES),
    },
    "what is public has a docstring": {
        "a function": edit("vae_nbdev/low.py", '"""Return the area."""', "pass"),
        "a class": edit("vae_nbdev/low.py", "    return", "    return\n\nclass Circle:\n    pass\n#"),
        "a method": edit("vae_nbdev/low.py", "    return", "    return\n\nclass A:\n    \"\"\"A.\"\"\"\n    def b(self): pass\n#"),
        "a module": put("vae_nbdev/low.py", "import math\n"),
    },
    "no file names a machine's paths or a package registry": {
        "a path": put("Makefile", "data := /wo" "rk/data\n"),
        "a path in a notebook": source(LOW, 4, "open('/ro" "ot/curves.csv')"),
        "a host": put("constraints.txt", "--index-url https://py" "pi.org/simple\n"),
    },
}


def test_checks(folder: Path) -> dict[str, str]:
    """Return one entry for each test of a check: what was broken → what went wrong, empty if all is well."""
    good = folder / "good"
    good.mkdir()
    build(good)
    results = {f"{title}: in order": "; ".join(lines) for title, lines in check.run(check.Project(good)).items()}
    for title, (_, function) in check.CHECKS.items():
        if not BREAKAGES.get(title):
            results[title] = "no test breaks it"
        for i, (what, breakage) in enumerate(BREAKAGES.get(title, {}).items()):
            broken = folder / f"{len(results)}-{i}"
            shutil.copytree(good, broken)
            breakage(broken)
            with contextlib.redirect_stderr(io.StringIO()):
                complaints = list(function(check.Project(broken)))
            results[f"{title}: {what}"] = "" if complaints else "the check did not notice"
    return results


def test_runner(folder: Path) -> dict[str, str]:
    """Return one entry for each way in which a notebook can fail its test."""
    ways = {"passes": "assert True", "asserts": "assert False", "raises": "1 / 0", "is not Python": "1 +", "leaves": "import sys; sys.exit(0)",
            "is slow": "#| slow\nassert False", "dies": "import os; os._exit(0)"}
    paths = {way: folder / f"{way.replace(' ', '_')}.ipynb" for way in ways}
    for way, path in paths.items():
        write_notebook(path, [cell(ways[way], 0)])
    os.environ["OMP_NUM_THREADS"] = "1"
    with contextlib.redirect_stdout(io.StringIO()):
        failed = test.run([p for way, p in paths.items() if way != "dies"], slow=False, showerr=False)
        failed |= test.run([paths["dies"]], slow=False)
        forced = test.run([paths["is slow"]], slow=True, showerr=False)
    results = {f"a notebook that {way}": (path in failed) == (way not in {"passes", "is slow"}) for way, path in paths.items()}
    results |= {"slow cells that are asked for": bool(forced), "which notebooks are slow": [test.has_slow_cells(p) for p in paths.values()].count(True) == 1}
    return {what: "" if right else "was not told" for what, right in results.items()}


def test_headline() -> dict[str, str]:
    """Return one entry for each way in which a headline figure can be wrong."""
    expected = {"a.1": {"value": 2.0, "tolerance": 0.1, "meaning": ""}}
    cases = {"right": ({"a": [0, 2.05]}, True), "off": ({"a": [0, 2.2]}, False), "NaN": ({"a": [0, float("nan")]}, False),
             "missing": ({}, False), "not a number": ({"a": [0, "2"]}, False)}
    told = {what: headline.compare(summary, expected)[0][1] == holds for what, (summary, holds) in cases.items()}
    with tempfile.TemporaryDirectory() as empty:
        told["no file"] = not any(holds for _, holds, _ in headline.files(Path(empty)))
    return {f"a headline figure, {what}": "" if right else "was not told" for what, right in told.items()}


def main() -> int:
    """Run all tests, print what failed and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        results = test_checks(Path(folder)) | test_runner(Path(folder)) | test_headline()
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
