"""Read nbdev's notebooks for MyST-NB: apply the `#|` directives, and keep them out of the page.

A directive that is unknown, or that stands below the code where nbdev would not see it, and a
figure without a text for those who cannot see it, are errors that name the notebook and the cell;
`make docs` fails on any. The code of cells with many assertions is folded.
"""
import re
from copy import deepcopy

import nbformat
import yaml
from nbdev.process import first_code_ln
from sphinx.util import logging

DIRECTIVE = re.compile(r"\s*#\s*\|\s*([\w-]+)\s*:?\s*(.*)")
NO_EFFECT = {"default_exp", "export", "exporti", "exports", "slow"}
FLAGS = {"hide": "remove-cell", "hide_input": "remove-input", "hide_output": "remove-output"}
SWITCHES = {  # what true and false ask for
    "include": {False: "remove-cell"},
    "echo": {False: "remove-input"},
    "output": {False: "remove-output"},
    "code-fold": {True: "hide-input"},
    "eval": {},
}
ASSERTION = re.compile(r"^\s*(assert\b|test_|(np|torch)\.testing\.)", re.MULTILINE)
MANY = 6  # assertions in a cell: more for the machine than for the reader
OPTIONS = {
    "label": ("figure", "name"),
    "fig-cap": ("figure", "caption"),
    "fig-alt": ("image", "alt"),
}


def apply_directives(cell) -> None:
    """Turn the directives of a code cell into MyST-NB's tags and options; ValueError if wrong."""
    lines = cell.source.splitlines()
    code = first_code_ln(lines)  # None if there is none: then everything is head
    head, body = (lines, []) if code is None else (lines[:code], lines[code:])
    if stray := re.search(r"#\|.*", "\n".join(body)):
        raise ValueError(f"`{stray[0]}` stands below the code, where nbdev does not see it")
    tags, options = set(cell.metadata.get("tags", [])), {}
    for line in filter(DIRECTIVE.match, head):
        name, value = DIRECTIVE.match(line).groups()
        if name in FLAGS:
            tags.add(FLAGS[name])
        elif name in SWITCHES:
            switch = yaml.safe_load(value)
            if not isinstance(switch, bool):
                raise ValueError(f"`{line.strip()}` needs true or false")
            tags |= {SWITCHES[name][switch]} if switch in SWITCHES[name] else set()
        elif name in OPTIONS:
            group, key = OPTIONS[name]
            is_list = value.startswith("[")  # one for each figure
            value = yaml.safe_load(value) if is_list else value.strip().strip("\"'")
            options.setdefault(group, {})[key] = value
        elif name not in NO_EFFECT:
            raise ValueError(f"unknown directive `{line.strip()}`")
    if len(ASSERTION.findall(cell.source)) >= MANY:
        tags.add("hide-input")
    cell.source = "\n".join([line for line in head if not DIRECTIVE.match(line)] + body)
    cell.metadata.update(tags=sorted(tags), mystnb=options)


def split_figures(cell) -> list:
    """Return a cell as one for each figure, each with its text; ValueError if one lacks it."""
    shown = [] if {"remove-cell", "remove-output"} & set(cell.metadata.tags) else cell.outputs
    figures = [
        i
        for i, output in enumerate(shown)
        if any(kind.startswith("image/") for kind in output.get("data", {}))
    ]
    alts = cell.metadata.mystnb.get("image", {}).get("alt", [])
    alts = [alts] if isinstance(alts, str) else alts
    if len(alts) < len(figures) or not all(alts):
        raise ValueError(
            'a figure needs `#| fig-alt: what it shows`; several need a list, ["…", "…"]'
        )
    if len(figures) < 2:
        return [cell]
    parts = []
    for number, (alt, start, end) in enumerate(
        zip(alts, [0, *figures[1:]], [*figures[1:], len(cell.outputs)])
    ):
        part = deepcopy(cell)
        part.outputs, part.metadata.mystnb["image"] = cell.outputs[start:end], {"alt": alt}
        if number:
            part.id, part.metadata.tags = (
                f"{cell.get('id', '')}-{number}",
                [*cell.metadata.tags, "remove-input"],
            )
        parts.append(part)
    return parts


def read(text: str) -> nbformat.NotebookNode:
    """Return the notebook as it is to be shown."""
    nb = nbformat.reads(text, as_version=4)
    nb.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    cells = []
    for number, cell in enumerate(nb.cells, start=1):
        try:
            if cell.cell_type == "code":
                apply_directives(cell)
                if anchor := cell.metadata.get("anchor"):  # from assemble.py
                    cells.append(nbformat.v4.new_markdown_cell(f"({anchor})="))
                cells += split_figures(cell)
            else:
                cells.append(cell)
        except ValueError as error:
            logging.getLogger(__name__).error(
                "nbs/%s.ipynb, cell %d: %s", app.env.docname, number, error
            )
    nb.cells = cells
    return nb


def setup(sphinx) -> dict:
    """Keep the application: MyST-NB gives a reader the text alone; an error names the notebook."""
    global app
    app = sphinx
    return {"parallel_read_safe": True}
