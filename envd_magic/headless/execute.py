"""A notebook run, in memory, up to the last cell whose images cannot be told without."""

from __future__ import annotations

import base64
import copy
import pickle
from typing import TYPE_CHECKING, Any

from envd_magic.errors import CellError, EnvdMagicError
from envd_magic.headless.cells import split_magic
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envd_magic.headless.find import Definition, Source

#: The kind of output that hands specs from the kernel to here.
MIME = "application/vnd.envd-magic.specs+json"
_CODE = "import envd_magic.headless.kernel as _it; _it.gather({line!r}, {text!r}); del _it"
_QUIET = "import envd_magic.headless.kernel as _it; _it.begin(); del _it"


def execute_where_needed(source: Source, timeout: int, tell: Callable[[str], None]) -> None:
    """Run a notebook if one of its definitions needs it, and evaluate those by what the run gives.

    Parameters
    ----------
    source
        Its definitions are completed.
    timeout
        Seconds that each cell may run.
    tell
        Is told before something runs.
    """
    needed = [one for one in source.definitions if _needs(one)]
    if not needed or source.path.suffix != ".ipynb":
        return
    last = max(one.cell or 0 for one in needed)
    tell(f"{source.path}: running cells 1 to {last} …")
    try:
        outputs = _run(source.path, last, timeout)
    except EnvdMagicError as error:
        for one in needed:
            one.error = error
        return
    for one in source.definitions:
        if one in needed and one.cell in outputs:
            _complete(one, outputs[one.cell])


def _needs(definition: Definition) -> bool:
    return isinstance(definition.error, NotLiteralError) and not definition.is_preview


def _run(path: Path, last: int, timeout: int) -> dict[int, dict[str, Any]]:
    """Run the first cells of a notebook; give what each cell that defines images handed out."""
    try:
        import nbformat
        from jupyter_client.kernelspec import NoSuchKernel
        from nbclient import NotebookClient
        from nbclient.exceptions import CellControlSignal, DeadKernelError
    except ImportError as error:
        raise EnvdMagicError(
            f"--execute needs {error.name}: pip install 'envd-magic[notebook]'"
        ) from error
    notebook = nbformat.read(path, as_version=4)
    gathering = nbformat.v4.new_notebook(metadata=copy.deepcopy(notebook.metadata))
    gathering.cells = [nbformat.v4.new_code_cell(_QUIET), *notebook.cells[:last]]
    for cell in gathering.cells:
        parts = split_magic(cell.source) if cell.cell_type == "code" else None
        if parts is not None:
            cell.source = _CODE.format(line=parts[0], text=parts[1])
    where = {"metadata": {"path": str(path.resolve().parent)}}
    client = NotebookClient(gathering, timeout=timeout, resources=where)
    try:
        client.execute()
    except NoSuchKernel as error:
        raise EnvdMagicError(
            f"the kernel {error.name!r} that the notebook names is not here"
        ) from error
    except (CellControlSignal, DeadKernelError) as error:
        number = next((n for n, cell in enumerate(gathering.cells) if _failed(cell)), 0)
        raise CellError(Problem("", f"cell {number} cannot be run: {_reason(error)}")) from error
    return {
        number: output["data"][MIME]
        for number, cell in enumerate(gathering.cells)
        for output in cell.get("outputs", ())
        if MIME in output.get("data", ())
    }


def _failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", ()))


def _reason(error: Exception) -> str:
    name, value = getattr(error, "ename", ""), getattr(error, "evalue", "")
    return f"{name}: {value}".splitlines()[0] if name else str(error).splitlines()[0]


def _complete(definition: Definition, output: dict[str, Any]) -> None:
    """Take the specs that a kernel handed out."""
    try:
        # From the kernel that was started here to run code that is trusted.
        options, specs = pickle.loads(base64.b64decode(output["pickle"]))  # noqa: S301
    except Exception as error:  # noqa: BLE001 - whatever another version's data raise
        definition.error = EnvdMagicError(
            f"the kernel's ImageSpecs cannot be read; has it the same flytekit? {error}"
        )
        return
    definition.options, definition.specs, definition.error = options, specs, None
    definition.variable = options.variable or ""
