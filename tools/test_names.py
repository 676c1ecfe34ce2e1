"""Import every public name: `python tools/test_names.py`.

Each name of vae_nbdev/__init__.pyi is imported first, in a process of its own, and again in one
that has imported every module of the package before. A name must be what its home says it is both
times: no module may hide it.
"""
import ast
import importlib
import multiprocessing as mp
import sys
from pathlib import Path

import verdict

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "vae_nbdev"


def homes() -> dict[str, str]:
    """Return the public names, each with the module that the stub takes it from."""
    tree = ast.parse((ROOT / PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name: f"{PACKAGE}.{node.module or ''}" for alias in node.names}
    return found


def import_one(name: str, home: str, before: list[str]) -> str:
    """Import a name from the top after other modules; return what is wrong."""
    try:
        for module in before:
            importlib.import_module(module)
        found = getattr(__import__(PACKAGE, fromlist=[name]), name)
        if home == f"{PACKAGE}.":
            wanted = importlib.import_module(f"{PACKAGE}.{name}")
        else:
            wanted = getattr(importlib.import_module(home), name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if found is wanted else f"is {found!r}, not that of {home}"


def main() -> int:
    """Try all names; return the exit status."""
    sys.path.insert(0, str(ROOT))
    for heavy in ("torch", "sklearn.base", "matplotlib.pyplot", "zuko"):  # the children share them
        importlib.import_module(heavy)
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / PACKAGE).rglob("[!_]*.py"))]
    modules = [".".join(path.with_suffix("").parts) for path in paths]
    assert PACKAGE not in sys.modules, "the first import would not be the first"
    looked = {}
    with mp.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        for what, before in (("first", []), ("after all modules", modules)):
            jobs = [(name, home, before) for name, home in homes().items()]
            for (name, *_), wrong in zip(jobs, pool.starmap(import_one, jobs, 1), strict=True):
                looked[f"{name}, {what}"] = wrong
    return verdict.verdict(looked)


if __name__ == "__main__":
    sys.exit(main())
