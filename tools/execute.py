"""Run a lesson from a fresh kernel, for the tests and for the book."""

import os
import re
import time
from dataclasses import dataclass

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Run:
    """How an execution went: seconds, and the cell that failed (empty: none) with its error."""

    seconds: float
    cell: str = ""
    error: str = ""

    @property
    def ok(self):
        return not self.cell


def execute(notebook, folder, scale, timeout=900):
    """Execute a notebook in place, in a fresh kernel.

    Args:
        notebook: nbformat 4 notebook; its outputs are replaced, up to the cell that fails.
        folder: working directory of the kernel.
        scale: DIPCOURSE_SCALE of the kernel.
        timeout: seconds that one cell may take.

    Returns:
        Run.
    """
    current = {}
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # its warning is about shared machines
        on_cell_execute=lambda cell, cell_index: current.update(cell=cell.get("id", cell_index)),
    )
    start = time.perf_counter()
    try:
        client.execute(env=os.environ | {"DIPCOURSE_SCALE": scale})
    except CellExecutionError as error:
        message = f"{error.ename}: {COLOURS.sub('', error.evalue)}"
        return Run(time.perf_counter() - start, str(current["cell"]), message)
    except (CellTimeoutError, DeadKernelError) as error:
        message = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return Run(time.perf_counter() - start, str(current.get("cell", "?")), message)
    return Run(time.perf_counter() - start)


def printed(cell, name=None):
    """Return the text that a cell printed; `name`: only "stdout" or "stderr"."""
    return "".join(
        output.text
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and name in (None, output.name)
    )
