"""Show that every check can fail: `python tools/test_tools.py`.

A tiny project that is in order is built in a temporary folder; each test breaks one thing in a copy
of it, and the check that is meant to notice has to complain. A check for which no test stands here
fails as well.
"""
import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import indent
from unittest import mock

from execnb.nbio import dict2nb, write_nb

import check
import colab
import headline
import packaged
import readme
import test
from run_notebooks import reading_order
from verdict import verdict

PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
         "rkJggg==")
MODULE = [
    "# {title}\n\n> What it is for.", "#| default_exp {module}", "#| export\n{imports}",
    '#| export\ndef {name}_area(r: int) -> float:\n    """The area."""\n    return math.pi * r**2',
    "assert {name}_area(0) == 0",
    "#| export\nTABLE = (\n" + 100 * "    0,\n" + ")\n_SECRET = len(TABLE)",
]
IMPORTS = {  # module → what it imports
    "low": "import math", "part.high": "import math\n\nfrom vae_nbdev.low import low_area",
    "part.higher": "import math\n\nfrom vae_nbdev import low\n"
                   "from vae_nbdev.part.high import high_area",
}
INIT = '''"""The top of the package."""
import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
'''
LAZY = '''#| export
import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"high": ["high_area"]})
'''
STUB = "from . import low as low\nfrom .part.high import high_area as high_area\n"
LOW, HIGH, HIGHER = "nbs/00_low.ipynb", "nbs/part/11_high.ipynb", "nbs/part/12_higher.ipynb"
FACE_FILE = "vae_nbdev/part/__init__.py"
FACE, INDEX, STORY = "nbs/part/10_face.ipynb", "nbs/index.ipynb", "nbs/tutorials/01_story.ipynb"


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
    nb = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    write_nb(dict2nb(nb), path)


def build(root: Path) -> None:
    """Write a project with a module, a folder of two, a tutorial and a front page, in order."""
    for name in ("settings.ini", "pyproject.toml"):
        shutil.copy(check.ROOT / name, root / name)
    for file, (module, imports) in zip((LOW, HIGH, HIGHER), IMPORTS.items()):
        name = module.rpartition(".")[2]
        values = {"{name}": name, "{title}": name, "{module}": module, "{imports}": imports}
        sources = [re.sub(r"\{\w+\}", lambda m: values[m[0]], source) for source in MODULE]
        if module == "part.higher":
            sources[3] = sources[3].replace("math.pi * r**2", "high_area(r) - low.low_area(0)")
            sources[2] = sources[2].replace("import math\n\n", "")
        if module == "part.high":
            sources[3] = sources[3].replace("r**2", "r**2 + low_area(0)")
        write_notebook(root / file, [cell(source, i) for i, source in enumerate(sources)])
    face = ["# A part\n\n> What it is for.", "#| default_exp part.__init__", LAZY]
    write_notebook(root / FACE, [cell(source, i) for i, source in enumerate(face)])
    pixel = {"image/png": PIXEL, "text/plain": "<Figure>"}
    figure = {"output_type": "display_data", "metadata": {}, "data": pixel}
    text = {"output_type": "stream", "name": "stdout", "text": "3.14\n"}
    links = "[low](00_low.ipynb), [high](part/11_high.ipynb), [settings](../settings.ini)"
    front = ["# A front page\n\n> What it is for.", f"{links}, [web](https://example.org/a)",
             "print(3.14)", "#| echo: false\n#| fig-alt: One pixel\nprint()"]
    outputs = [[], [], [text], [figure]]
    write_notebook(root / INDEX, [cell(s, i, outputs[i]) for i, s in enumerate(front)])
    write_notebook(root / STORY, [cell("# A story\n\n> What it is for.", 0)])
    report = [cell("# A report\n\n> What it is for.", 0), cell("print(3.14)", 1, [text])]
    write_notebook(root / "nbs/report.ipynb", report)
    colab.write(root)
    packaged.write(root)
    for name, content in {".gitignore": "__pycache__/\n", "vae_nbdev/__init__.py": INIT,
                          "vae_nbdev/__init__.pyi": STUB, "vae_nbdev/py.typed": ""}.items():
        (root / name).write_text(content)
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


def changed(path: str, number: int | str, **fields):
    """Return a breakage: change one cell of a notebook."""
    def breakage(root: Path) -> None:
        nb = json.loads((root / path).read_text())
        named = f"cell-{number}" if isinstance(number, int) else number
        next(cell for cell in nb["cells"] if cell["id"] == named).update(fields)
        write_nb(dict2nb(nb), root / path)
    return breakage


def source(path: str, number: int | str, text: str):
    """Return a breakage: give one cell of a notebook another source."""
    return changed(path, number, source=text)


def output(path: str, number: int, **kind):
    """Return a breakage: give one cell of a notebook an output."""
    return changed(path, number, outputs=[kind])


def said(text: str, name: str = "stdout"):
    """Return a breakage: let a cell have printed something."""
    return output("nbs/00_low.ipynb", 4, output_type="stream", name=name, text=text)


def moved(name: str, to: str):
    """Return a breakage: give a file another name."""
    def breakage(root: Path) -> None:
        (root / to).parent.mkdir(exist_ok=True)
        (root / name).rename(root / to)
    return breakage


def long(head: str, number: int) -> str:
    """Return a function or a class with so many lines in it, in a module of 110 at least."""
    return f"{head}\n" + "    print()\n" * number + "print()\n" * (109 - number)


BREAKAGES = {
    "the modules are what the notebooks export": {
        "a module edited by hand": edit("vae_nbdev/low.py", "r**2", "r**3"),
        "a notebook not exported": source(LOW, 3, "#| export\ndef area(r):\n    return r"),
        "a module without a notebook": put("vae_nbdev/extra.py", "x = 1\n"),
        "a module in a folder without a notebook": put("vae_nbdev/part/extra.py", "x = 1\n"),
        "a module whose notebook is gone": drop(HIGHER),
        "an old module beside a folder of its name": put("vae_nbdev/part.py", "x = 1\n"),
        "a module left behind by a move": moved(HIGHER, "nbs/other/12_higher.ipynb"),
        "a folder of the package left behind": put("vae_nbdev/old/__init__.py", ""),
        "a module that is missing": drop("vae_nbdev/part/high.py"),
        "a face that is missing": drop("vae_nbdev/part/__init__.py"),
        "a face edited by hand": edit("vae_nbdev/part/__init__.py", "What", "That"),
        "an index edited by hand": edit("vae_nbdev/_modidx.py", "low_area", "low_aera"),
        "another version": edit("settings.ini", "version = 0.1", "version = 0.2"),
        "another Python": edit("settings.ini", "min_python = 3", "min_python = 4"),
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
        "a link to a notebook that moved": moved(HIGH, "nbs/other/11_high.ipynb"),
        "another address of the site": edit(
            "settings.ini", "doc_baseurl = /", "doc_baseurl = /new/"
        ),
    },
    "the package holds the report as its notebook says it": {
        "another report": source("nbs/report.ipynb", 1, "print(3.15)"),
        "a copy edited by hand": edit("vae_nbdev/data/report.ipynb", "3.14", "3.15"),
        "a copy with outputs": lambda root: shutil.copy(
            root / "nbs/report.ipynb", root / "vae_nbdev/data/report.ipynb"
        ),
        "a copy that is missing": drop("vae_nbdev/data/report.ipynb"),
        "a notebook that is missing": drop("nbs/report.ipynb"),
    },
    "each notebook installs the package in Colab": {
        "another cell": source(LOW, "colab", "#| hide\nimport sys"),
        "a cell that is another's": changed(STORY, "colab", id="mine"),
        "another address": edit("settings.ini", "repo = ", "repo = my"),
    },
    "notebooks are clean": {
        "a counter": edit(LOW, '"execution_count": null', '"execution_count": 3'),
        "other metadata": edit(LOW, '"metadata": {}', '"metadata": {"scrolled": true}'),
        "the same id twice": edit(LOW, '"id": "cell-1"', '"id": "cell-0"'),
    },
    "each notebook has its own number, and its place in the package": {
        "a number given twice": put("nbs/00_again.ipynb", '{"cells": [], "metadata": {}}'),
        "a number given in two folders": lambda root: shutil.copytree(
            root / "nbs/part", root / "nbs/other"
        ),
        "a module exported twice": source(HIGHER, 1, "#| default_exp part.high"),
        "a module for another folder": source(HIGHER, 1, "#| default_exp higher"),
        "a notebook in another folder": moved(HIGHER, "nbs/other/12_higher.ipynb"),
        "a notebook of another name": moved(HIGHER, "nbs/part/12_highest.ipynb"),
        "a face of another name": moved(FACE, "nbs/part/10_part.ipynb"),
        "a folder without a face": drop(FACE),
        "a folder whose face is exported elsewhere": source(FACE, 1, "#| default_exp part.face"),
    },
    "each layer imports only from lower ones": {
        "an import upwards": edit(
            "vae_nbdev/low.py", "import math", "from vae_nbdev.part.high import high_area"
        ),
        "a relative one": edit(
            "vae_nbdev/low.py", "import math", "from .part.high import high_area"
        ),
        "one within a folder": edit(
            "vae_nbdev/part/high.py", "import math", "from .higher import A"
        ),
        "one within a folder, of a module": edit(
            "vae_nbdev/part/high.py", "import math", "from . import higher"
        ),
        "one by way of the top": edit("vae_nbdev/part/high.py", "from ..low", "from ..part.higher"),
        "one of the whole module": edit(
            "vae_nbdev/low.py", "import math", "from .part import high"
        ),
        "a plain one": edit(
            "vae_nbdev/low.py", "import math", "import vae_nbdev.part.high as other"
        ),
        "one within a function": edit(
            "vae_nbdev/low.py", "    return", "    from vae_nbdev.part import high\n    return"
        ),
        "one by name": edit(
            "vae_nbdev/low.py",
            "    return",
            "    importlib.import_module('vae_nbdev.part.high')\n    return",
        ),
        "one by a relative name": edit(
            "vae_nbdev/part/high.py",
            "    return",
            "    importlib.import_module('.higher')\n    return",
        ),
        "one by a name made up": edit(
            "vae_nbdev/low.py", "    return", "    importlib.import_module(name)\n    return"
        ),
        "one of everything": edit("vae_nbdev/part/high.py", "import low_area", "import *"),
        "one of a module that is not there": edit("vae_nbdev/part/high.py", "..low", "..lower"),
        "one of a module that is in a folder now": edit(
            "vae_nbdev/part/higher.py", ".high", "..high"
        ),
        "one by way of a face": edit(
            "vae_nbdev/low.py", "import math", "from .part import high_area"
        ),
        "one of a whole face": edit("vae_nbdev/part/high.py", "import math", "from .. import part"),
        "one that a face does not give": edit(
            "vae_nbdev/part/higher.py", ".high import high", ". import low"
        ),
        "one of the public face": edit("vae_nbdev/part/higher.py", "from .high", "from .."),
        "one that only the notebook makes": source(
            LOW, 4, "from vae_nbdev.part.high import high_area\nassert high_area(0) == 0"
        ),
        "one that only the notebook makes, of what the public face does not give": source(
            LOW, 4, "from vae_nbdev import higher_area\nassert higher_area(0) == 0"
        ),
    },
    "faces import nothing by themselves": {
        "a face that imports a module": edit(FACE_FILE, "import lazy_loader", "from . import high"),
        "a face that imports torch": edit(FACE_FILE, "import lazy_loader", "import torch"),
        "a top that imports a module": edit(
            "vae_nbdev/__init__.py",
            "import lazy_loader",
            "import lazy_loader\nfrom .low import low_area",
        ),
    },
    "faces give names that are there": {
        "a name that is not there": edit("vae_nbdev/__init__.pyi", "high_area as", "high as"),
        "a module that is not there": edit("vae_nbdev/__init__.pyi", ".part.high", ".part.gone"),
        "a name that is also a module": put("vae_nbdev/high_area.py", ""),
        "a name that is also a folder": put("vae_nbdev/high_area/__init__.py", ""),
        "no stub": drop("vae_nbdev/__init__.pyi"),
        "no mark that types are there": drop("vae_nbdev/py.typed"),
        "a name that is not there, of a folder": edit(FACE_FILE, "[\"high_area", "[\"high_volume"),
        "a module that is not there, in a folder": edit(FACE_FILE, "{\"high", "{\"gone"),
        "a name that is also a module, in a folder": put("vae_nbdev/part/high_area.py", ""),
    },
    "private names stay in their module": {
        "an import": source(HIGH, 2, "#| export\nfrom vae_nbdev.low import _SECRET"),
        "one within a folder": source(
            HIGHER, 2, "#| export\nfrom vae_nbdev.part.high import _SECRET"
        ),
        "one within a function": source(
            HIGH, 3, "#| export\ndef f():\n    from vae_nbdev.low import _SECRET as s\n    return s"
        ),
        "an attribute of a module": source(HIGHER, 3, "#| export\nprint(low._SECRET)"),
        "one under another name": source(HIGH, 3, "import vae_nbdev.low as other\nother._SECRET"),
        "one by its full name": source(HIGH, 3, "import vae_nbdev.low\nvae_nbdev.low._SECRET"),
        "one on a page": lambda root: write_notebook(
            root / STORY, [cell("from vae_nbdev.low import _SECRET", 0)]
        ),
    },
    "functions, classes and modules have a readable size": {
        "a long function": put("vae_nbdev/low.py", long("def f():", check.FUNCTION_LINES)),
        "a long method": put(
            "vae_nbdev/low.py",
            "class A:\n" + indent(long("def f(self):", check.FUNCTION_LINES), "    "),
        ),
        "a long class": put("vae_nbdev/low.py", long("class A:", check.CLASS_LINES)),
        "a long module": put("vae_nbdev/low.py", "print()\n" * check.MODULE_LINES.stop),
        "a short module": put("vae_nbdev/part/high.py", "import math\n"),
    },
    "the linter has nothing to say": {
        "a long line": source(LOW, 4, f"assert low_area(0) == 0  # {'long ' * 20}"),
        "a lambda with a name": source(LOW, 4, "f = lambda x: low_area(x)\nassert f(0) == 0"),
        "an import that is not used": source(LOW, 4, "import os\n\nassert low_area(0) == 0"),
        "a name that no cell defines": source(LOW, 4, "assert high_area(0) == 0"),
        "imports out of order": source(LOW, 2, "#| export\nimport os\nimport math\n\nprint(os)"),
        "a tool": put("tools/tool.py", "import os\n"),
        "the top of the package": edit(
            "vae_nbdev/__init__.py", "import lazy", "import os\nimport lazy"
        ),
    },
    "exported code needs only what settings.ini requires": {
        "a package in a folder": edit("vae_nbdev/part/high.py", "import math", "import galpy"),
        "a test's package": edit("vae_nbdev/low.py", "import math", "import galpy"),
        "one within a function": edit(
            "vae_nbdev/low.py", "    return", "    import fastcore.test\n    return"
        ),
    },
    "committed outputs are fit to read": {
        "an error": output(LOW, 4, output_type="error", ename="E", evalue="e", traceback=[]),
        "stderr": said("hello", name="stderr"),
        "a warning": said("UserWarning: careful"),
        "a traceback": said("Traceback (most recent call last):"),
        "a path": said("read /ho" + "me/me/curves.csv"),
        "an installed path": said("lib/site-packages/numpy"),
        "a progress bar": said(" 50%|█████     | 5/10"),
        "its rate": said("10/10, 12.5it/s"),
        "a timing": said("1.2 ms ± 3 µs per loop"),
        "an address": said("<object at 0x7f0011223344>"),
        "a notebook that was not run": lambda root: write_notebook(
            root / "nbs/tutorials/02_new.ipynb",
            [cell("# A\n\n> B.", 0)] + [cell(f"print({i})", i) for i in range(1, 8)],
        ),
    },
    "every cell is run": {
        "eval: false": source(LOW, 4, "#| eval: false\nassert low_area(0) == 0"),
        "a hidden name": lambda root: (root / LOW).rename(root / "nbs/_00_low.ipynb"),
        "a hidden name in a folder": lambda root: (root / HIGH).rename(root / "nbs/part/.11.ipynb"),
        "a hidden folder": lambda root: (root / "nbs/tutorials").rename(root / "nbs/_tutorials"),
    },
    "notebooks open as they should and are small": {
        "no promise": source(LOW, 0, "# low\n\nWhat it is for."),
        "a promise of two lines": source(LOW, 0, "# low\n\n> What it is\n> for."),
        "no title": source(STORY, 0, "> What it is for."),
        "no module": source(LOW, 1, "x = 1"),
        "no number": lambda root: (root / LOW).rename(root / "nbs/low.ipynb"),
        "default_exp too low": lambda root: (
            source(LOW, 1, "x = 1")(root),
            source(LOW, 4, "#| default_exp low\nassert True")(root),
        ),
        "no assertion": source(LOW, 4, "low_area(0)"),
        "too many bytes": said("1" * check.MAX_BYTES),
    },
    "what is public has a docstring": {
        "a function": edit("vae_nbdev/low.py", '"""The area."""', "pass"),
        "a class": edit(
            "vae_nbdev/low.py", "    return", "    return\n\nclass Circle:\n    pass\n#"
        ),
        "a method": edit(
            "vae_nbdev/low.py",
            "    return",
            '    return\n\nclass A:\n    """A."""\n    def b(self): pass\n#',
        ),
        "a module": put("vae_nbdev/low.py", "import math\n"),
        "a face": put("vae_nbdev/part/__init__.py", ""),
        "the top": put("vae_nbdev/__init__.py", "__version__ = '0.1.0'\n"),
    },
    "no file names a machine's paths or a package registry": {
        "a path": put("Makefile", "data := /wo" + "rk/data\n"),
        "a path in a notebook": source(LOW, 4, "open('/ro" + "ot/curves.csv')"),
        "a host": put("constraints.txt", "--index-url https://py" + "pi.org/simple\n"),
    },
    "the prose uses plain words": {
        "in a notebook": source(STORY, 0, "# A story\n\n> For who" + "ever."),
        "in a docstring": source(LOW, 4, "#| export\nx = 1  # there is no" + "ne"),
        "in a page": put("CONTRIBUTING.md", "No" + "body knows.\n"),
    },
}


def test_checks(folder: Path) -> dict[str, str]:
    """Return what was broken → what went wrong, empty if the check noticed."""
    good = folder / "good"
    good.mkdir()
    build(good)
    results = {
        f"{title}: in order": "; ".join(lines)
        for title, lines in check.run(check.Project(good)).items()
    }
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
    julia = '"language": "python"', '"language": "julia"'
    ways = {
        "passes": "assert True", "asserts": "assert False", "raises": "1 / 0",
        "is not Python": "1 +", "leaves": "import sys; sys.exit(0)",
        "is slow": "#| slow\nassert False", "is not run": "#| eval: false\nassert False",
        "says not to": "#| skip_exec: true\nassert False", "has another language": "assert False",
        "exports": "assert False\nimport nbdev; nbdev.nbdev_export()",
        "pickles": "import pickle\nclass A: pass\npickle.loads(pickle.dumps(A()))",
        "takes time": f"import time\ntime.sleep({test.MOST_SECONDS / 4})",
        "dies": "import os; os._exit(0)",
    }
    passes = {"passes", "is slow", "is not run", "pickles", "takes time"}
    paths = {way: folder / f"{way.replace(' ', '_')}.ipynb" for way in ways}
    for way, path in paths.items():
        write_notebook(path, [cell(ways[way], 0)])
    edit(paths["has another language"].name, *julia)(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        failed, seconds = test.run([p for way, p in paths.items() if way != "dies"], False, ())
        failed |= test.run([paths["dies"]], False, ())[0]
        forced, _ = test.run([paths["is slow"]], True, ())
    results = {f"a notebook that {way}": (path in failed) == (way not in passes)
               for way, path in paths.items()}
    slow = [way for way, path in paths.items() if test.has_slow_cells(path)]
    times = seconds[paths["takes time"]], seconds[paths["is slow"]]
    results |= {"slow cells that are asked for": bool(forced), "what is slow": slow == ["is slow"],
                "seconds": times[0][1] >= test.MOST_SECONDS / 4 and not times[1]}
    return {what: "" if right else "was not told" for what, right in results.items()}


def test_selection(folder: Path) -> dict[str, str]:
    """Return one entry for each thing that the command line of tools/test.py may get wrong."""
    cells = {"a": "assert True", "b": "import time\ntime.sleep(0.2)", "c": "#| slow\nassert True"}
    for name, text in cells.items():
        write_notebook(folder / f"nbs/part/{name}.ipynb", [cell(text, 0)])
    shutil.copy(check.ROOT / "settings.ini", folder)
    (folder / "tools").mkdir()
    for name in ("test.py", "verdict.py"):
        shutil.copy(check.ROOT / "tools" / name, folder / "tools")
    edit("tools/test.py", "MOST_SECONDS = 3", "MOST_SECONDS = 0.1")(folder)
    edit("tools/test.py", '("torch",)', "()")(folder)

    def ran(*options: str) -> tuple[list[str], str]:
        command = [sys.executable, "tools/test.py", *options]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
        return sorted(re.findall(r"^\[.*part/(\w)\.ipynb", said, re.MULTILINE)), said

    (fast, said), (once, _), (whole, _) = ran("--record"), ran("--once"), ran("--slow")
    recorded = json.loads((folder / "tools/seconds.json").read_text())["fast"]
    spent = json.loads((folder / "build/seconds.json").read_text())["fast"]["nbs/part/b.ipynb"]
    files = {"CELLS": folder / "cells.json", "NOTEBOOKS": folder / "notebooks.json"}
    with mock.patch.multiple(test, **files):
        test.write_seconds(test.NOTEBOOKS, "fast", {"nbs/gone.ipynb": 9, "nbs/index.ipynb": 2})
        test.write_seconds(test.CELLS, "fast", {"nbs/report.ipynb": {"1": 1, "2": 4}})
        order = test.longest_first(
            ["nbs/index.ipynb", "nbs/report.ipynb", "nbs/gone.ipynb"], "fast"
        )
    results = {
        "all are tested": fast == ["a", "b", "c"],
        "once": once == ["a", "b"],
        "whole": whole == ["c"],
        "long cells are named": re.findall(r"part/(\w)\.ipynb, cell 1", said) == ["b"],
        "seconds are written": spent["1"] >= 0.2,
        "seconds are recorded": set(recorded) == {f"nbs/part/{c}.ipynb" for c in "abc"},
        "the longest comes first, after those that are new, or gone and forgotten":
            order == ["nbs/gone.ipynb", "nbs/report.ipynb", "nbs/index.ipynb"],
    }
    return {f"tools/test.py: {what}": "" if right else "not so" for what, right in results.items()}


def test_order(folder: Path) -> dict[str, str]:
    """Return whether notebooks run in reading order: by number over all folders, then the rest."""
    order = ["00_low", "part/2_face", "10_high", "part/11_room", "tutorials/01_story"]
    order += ["report", "index"]
    for name in reversed(order):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.ipynb").touch()
    found = [p.relative_to(folder).with_suffix("").as_posix() for p in reading_order(folder)]
    return {"reading order": "" if found == order else f"it is {found}"}


def test_headline() -> dict[str, str]:
    """Return one entry for each way in which a headline figure can be wrong."""
    expected = {"a.1": {"value": 2.0, "tolerance": 0.1, "meaning": ""}}
    cases = {
        "right": ({"a": [0, 2.05]}, True),
        "off": ({"a": [0, 2.2]}, False),
        "NaN": ({"a": [0, float("nan")]}, False),
        "missing": ({}, False),
        "not a number": ({"a": [0, "2"]}, False),
    }
    told = {
        what: headline.compare(summary, expected)[0][1] == holds
        for what, (summary, holds) in cases.items()
    }
    with tempfile.TemporaryDirectory() as empty:
        told["no file"] = not any(holds for _, holds, _ in headline.files(Path(empty)))
    return {
        f"a headline figure, {what}": "" if right else "was not told"
        for what, right in told.items()
    }


def main() -> int:
    """Run all tests, print what failed and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("checks", "runner", "selection", "order"):
            (root / name).mkdir()
        results = test_checks(root / "checks") | test_runner(root / "runner")
        results |= test_selection(root / "selection") | test_order(root / "order")
        results |= test_headline()
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
