"""``make demo``: the quickstart notebook, run headless for real, and what came of it.

An engine that is there is used; else the lab's is brought up, and taken down again at the end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from . import lab

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "quickstart.ipynb"


def main() -> int:
    """Run the notebook and print the image and what a command in it said."""
    print("Bringing up an engine, a registry and a base image (a minute the first time) …")
    running = lab.up()
    os.environ.update(running.env)
    try:
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        print(f"Running {NOTEBOOK.name} …")
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": "."}})
        try:
            client.execute()
        except CellExecutionError as error:
            print(error)
            return 1
        print_outputs(notebook)
    finally:
        if running.started:
            running.down()
    return 0


def print_outputs(notebook: nbformat.NotebookNode) -> None:
    """Print what the code cells printed, shortened to what a reader of a terminal wants."""
    for cell in notebook.cells:
        text = "".join(output.get("text", "") for output in cell.get("outputs", []))
        if cell.cell_type == "code" and text and "preview" not in cell.source:
            lines = text.rstrip().splitlines()
            shown = lines if len(lines) <= 12 else ["…", *lines[-12:]]
            print("\n".join(f"    {line}" for line in shown), end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
