"""Write README.md from nbs/index.ipynb: `python tools/readme.py`; `--check` only compares.

Markdown cells are kept, code cells become fences that obey nbdev's directives as the site does,
text outputs follow them, and figures are written to docs/images/readme-N.png. Links, true from
nbs/ in the notebook, are rebased, and those to notebooks lead to their pages on the site.
"""
import argparse
import base64
import os
import re
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "docs"))
from assemble import settings
from nbdev_reader import apply_directives

ROOT = Path(__file__).resolve().parent.parent
HEADER = "<!-- Made from nbs/index.ipynb by `make readme`; edit the notebook instead. -->"
IMAGES = "docs/images/readme-{}.png"


class NotPossible(Exception):
    """The front page holds something that a README cannot show."""


def rebase(root: Path, match: re.Match) -> str:
    """Return the target of one link as it must read from the root of the repository."""
    target = match[0]
    if re.match(r"[a-z]+:", target):
        return target
    rebased = Path(os.path.normpath(Path("nbs") / target)).as_posix()
    if rebased.startswith("..") or not (root / rebased).exists():
        raise NotPossible(f"nbs/index.ipynb links to {target}, which does not exist")
    if rebased.endswith(".ipynb"):
        page = rebased.removeprefix("nbs/").removesuffix(".ipynb")
        return f"{settings(root)['site_url']}{page}.html"
    return rebased


def markdown(root: Path, source: str) -> str:
    """Return a Markdown cell with its links rebased, except inside code."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", source, flags=re.DOTALL)
    link = re.compile(r"(?<=\]\()[^()#\s\"\\]+|(?<=src=\")[^#\s\"\\]+")
    return "".join(
        part if i % 2 else link.sub(lambda m: rebase(root, m), part) for i, part in enumerate(parts)
    )


def fence(text: str, language: str = "") -> str:
    """Return text between fences longer than any in it."""
    ticks = max([2, *map(len, re.findall(r"`{3,}", text))]) + 1
    return f"{'`' * ticks}{language}\n{text.strip(chr(10))}\n{'`' * ticks}"


def build(root: Path) -> dict[str, bytes]:
    """Return the files that make up the README: name in the repository → content."""
    nb = nbformat.reads((root / "nbs" / "index.ipynb").read_text(encoding="utf-8"), as_version=4)
    parts, pictures = [HEADER], {}
    for number, cell in enumerate(nb.cells, start=1):
        if cell.cell_type == "markdown":
            parts.append(markdown(root, cell.source))
        if cell.cell_type != "code":
            continue
        apply_directives(cell)
        tags, alt = cell.metadata["tags"], cell.metadata["mystnb"].get("image", {}).get("alt")
        if "remove-cell" in tags:
            continue
        if "remove-input" not in tags and cell.source.strip():
            block = fence(cell.source, "python")
            if "hide-input" in tags:
                block = f"<details><summary>Show the code</summary>\n\n{block}\n\n</details>"
            parts.append(block)
        for output in [] if "remove-output" in tags else cell.outputs:
            data = output.get("data", {})
            if output.output_type == "error" or output.get("name") == "stderr":
                raise NotPossible(
                    f"nbs/index.ipynb, cell {number}: its output is an error or a warning"
                )
            if "image/png" in data:
                if not alt:
                    raise NotPossible(f"nbs/index.ipynb, cell {number}: its figure needs "
                                      "`#| fig-alt: what it shows`")
                name = IMAGES.format(len(pictures) + 1)
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![{alt}]({name})")
            elif "text/markdown" in data:
                parts.append(markdown(root, data["text/markdown"]))
            elif text := output.get("text", data.get("text/plain", "")):
                parts.append(fence(text, "text"))
    text = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    return {"README.md": text.encode(), **pictures}


def stale(root: Path, files: dict[str, bytes]) -> list[Path]:
    """Return the pictures of an earlier README that this one does not show."""
    return [
        p
        for p in sorted(root.glob(IMAGES.format("*")))
        if p.relative_to(root).as_posix() not in files
    ]


def differences(root: Path) -> list[str]:
    """Return what of the README in the tree is not what the front page gives."""
    files = build(root)
    wrong = [
        name
        for name, content in files.items()
        if not (root / name).exists() or (root / name).read_bytes() != content
    ]
    unused = [f"{p.relative_to(root)} is shown nowhere" for p in stale(root, files)]
    return [f"{name} is missing or out of date" for name in wrong] + unused


def write(root: Path) -> None:
    """Write the README and its pictures, and remove pictures that it does not show."""
    files = build(root)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for path in stale(root, files):
        path.unlink()
    print("wrote", ", ".join(files))


def main() -> int:
    """Write or compare; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say what is out of date")
    args = parser.parse_args()
    try:
        if args.check:
            wrong = differences(ROOT)
            last = "`make readme` mends it" if wrong else "README.md is up to date"
            print("\n".join([*wrong, last]))
            return min(len(wrong), 1)
        write(ROOT)
    except (NotPossible, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
