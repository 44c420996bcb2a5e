"""A notebook run, in memory, up to the last cell whose images cannot be told without."""

from __future__ import annotations

import base64
import copy
import pickle
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING, Any

from envd_magic.errors import CellError, EnvdMagicError
from envd_magic.headless.cells import split_magic
from envd_magic.headless.lines import name_images
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.problems import Problem
from envd_magic.spec.several import Specs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.headless.find import Definition, Source

#: The kind of output that hands specs from the kernel to here.
MIME = "application/vnd.envd-magic.specs+json"
_CALL = "import envd_magic.headless.kernel as _it; _it.{call}; del _it"


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
    numbers = sorted({one.cell for one in needed if one.cell})
    tell(f"{source.path}: running cells 1 to {numbers[-1]} …")
    try:
        outputs = _run(source.path, numbers, timeout)
    except EnvdMagicError as error:
        for one in needed:
            one.error = error
        return
    for one in needed:
        own = outputs.get(one.cell or 0, [])
        _complete(one, [each["pickle"] for each in own if each["line"] == one.magic])


def _needs(definition: Definition) -> bool:
    return isinstance(definition.error, NotLiteralError) and not definition.is_preview


def _run(path: Path, numbers: list[int], timeout: int) -> dict[int, list[dict[str, str]]]:
    """Run a notebook up to the last of some cells; give what these cells would build."""
    try:
        import nbclient  # noqa: F401 - what needs it comes later
        import nbformat
    except ImportError as error:
        raise EnvdMagicError(
            f"--execute needs {error.name}: pip install 'envd-magic[notebook]'"
        ) from error
    notebook = nbformat.read(path, as_version=4)
    run = nbformat.v4.new_notebook(metadata=copy.deepcopy(notebook.metadata))
    run.cells, own = [_cell("begin()")], [0]
    for number, cell in enumerate(notebook.cells[: numbers[-1]], 1):
        parts = split_magic(cell.source) if cell.cell_type == "code" else None
        if parts is not None:
            cell.source = _cell(f"gather({parts[0]!r}, {parts[1]!r})").source
        run.cells.append(cell)
        own.append(number)
        if number in numbers:
            run.cells.append(_cell("hand_out()"))
            own.append(number)
    _execute(run, own, path.resolve().parent, timeout)
    return {
        number: output["data"][MIME]
        for number, cell in zip(own, run.cells, strict=True)
        for output in cell.get("outputs", ())
        if MIME in output.get("data", ())
    }


def _cell(call: str) -> Any:
    import nbformat

    return nbformat.v4.new_code_cell(_CALL.format(call=call))


def _execute(run: Any, numbers: list[int], folder: Path, timeout: int) -> None:
    """Run all cells; numbers are what to call them."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    begun = [0]
    client = NotebookClient(
        run,
        timeout=timeout,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: begun.append(cell_index),  # noqa: ARG005 - by name
    )
    # What the kernel's own process says is nothing for a terminal, unless it died.
    with tempfile.TemporaryFile() as said:
        try:
            client.execute(stdout=subprocess.DEVNULL, stderr=said)
        except NoSuchKernel as error:
            raise EnvdMagicError(
                f"the kernel {error.name!r} that the notebook names is not here"
            ) from error
        except CellTimeoutError as error:
            reason = f"it took longer than {timeout} s; --timeout gives it more"
            raise _unrunnable(numbers[begun[-1]], reason) from error
        except (CellExecutionError, DeadKernelError, RuntimeError) as error:
            reason = _reason(run.cells[begun[-1]], error)
            if isinstance(error, DeadKernelError):
                reason += _last_words(said)
            raise _unrunnable(numbers[begun[-1]], reason) from error


def _unrunnable(number: int, why: str) -> CellError:
    return CellError(
        Problem("", f"{f'cell {number}' if number else 'the kernel'} cannot be run: {why}")
    )


def _reason(cell: Any, error: Exception) -> str:
    """Say why a cell failed: what the exception of nbclient says is not always it."""
    told = [one for one in cell.get("outputs", ()) if one.output_type == "error"]
    name, value = (told[0].ename, told[0].evalue) if told else ("", "")
    name, value = name or getattr(error, "ename", ""), value or getattr(error, "evalue", "")
    text = f"{name}: {value}" if name and value else name or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]


def _last_words(said: IO[bytes]) -> str:
    """Give the last line that the kernel's process said, but for warnings of its beginning."""
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return "".join(f": {line}" for line in lines[-1:] if " WARNING " not in line)


def _complete(definition: Definition, pickles: list[str]) -> None:
    """Take the specs that a kernel handed out: none where a cell built nothing, many in a loop."""
    items: list[tuple[str, ImageSpec]] = []
    definition.error, definition.specs = None, Specs((), "list")
    for data in pickles:
        try:
            # From the kernel that was started here to run code that is trusted.
            options, settings, specs = pickle.loads(base64.b64decode(data))  # noqa: S301
        except Exception as error:  # noqa: BLE001 - whatever another version's data raise
            definition.error = EnvdMagicError(
                f"the kernel's ImageSpecs cannot be read; has it the same flytekit? {error}"
            )
            return
        items += specs.items
        definition.options, definition.settings, definition.specs = options, settings, specs
        name_images(definition)
    if len(pickles) > 1:
        definition.specs, definition.variable = Specs(tuple(items), "list"), ""
