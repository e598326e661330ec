"""Runs a submission: in an environment for grading, guarded, and with what it prints cut short."""

import ast
import json
import os
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import Execute, LimitOutput
from traitlets import Integer

from dipcourse.grading import ENVIRONMENT


class GuardedExecute(Execute):
    """nbgrader's execution with ``dipcourse.grading.ENVIRONMENT`` and ``guard`` in the kernel."""

    def on_comm_open_jupyter_widget(self, msg: dict[str, Any]) -> None:
        """There is no page with widgets here: what one would catch is the cell's own output."""

    def start_new_kernel(self, **options: Any) -> Any:
        """Start the kernel with the environment for grading; we are in the course folder."""
        course = {"DIPCOURSE_COURSE": os.getcwd()}
        options["env"] = {**os.environ, **(options.get("env") or {}), **ENVIRONMENT, **course}
        return super().start_new_kernel(**options)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Execute a cell; of a test cell's results only its own, the last, is a score.

        nbgrader gives 0 for anything on stderr: in a test cell it becomes plain output.
        """
        cell, resources = super().preprocess_cell(cell, resources, index)
        if utils.is_grade(cell) and cell.cell_type == "code":
            failed = any(output.output_type == "error" for output in cell.outputs)
            if not failed and (words := self.foul(cell)):
                cell.outputs.append(new_output("error", ename="NotCounted", evalue=words))
                failed = True
            values = [o for o in cell.outputs if o.output_type == "execute_result"]
            no_scores = values if failed else values[:-1]
            cell.outputs = [o for o in cell.outputs if not any(o is one for one in no_scores)]
            for output in cell.outputs:
                if output.output_type == "stream":
                    output.name = "stdout"
        return cell, resources

    def foul(self, cell: NotebookNode) -> str:
        """Why a test that passed does not count, from ``guard`` in the kernel; "" if it does."""
        ask = "__import__('sys').modules['dipcourse.grading.guard'].report()"
        message = self.kc.execute("", silent=True, user_expressions={"report": ask})
        reply = self.wait_for_reply(message)
        try:
            text = reply["content"]["user_expressions"]["report"]["data"]["text/plain"]
            source, replaced = json.loads(ast.literal_eval(text))
        except (TypeError, KeyError, ValueError, SyntaxError):
            return "the grader got no answer after this test; it does not count"
        if source.strip() != TransformerManager().transform_cell(cell.source).strip():
            return "other code was run than this test; it does not count"
        if replaced:
            names = ", ".join(replaced)
            return (
                f"what tests stand on was replaced while this one ran ({names}); it does not count"
            )
        return ""


class Shorten(LimitOutput):
    """Cuts what a cell prints, and its errors, to so many characters, as well as lines."""

    max_characters = Integer(20_000, help="of one cell").tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        cell, resources = super().preprocess_cell(cell, resources, index)
        left, kept = self.max_characters, []
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                if left == 0:
                    continue
                output.text, left = self.cut(output.text, left), max(left - len(output.text), 0)
            elif output.output_type == "error":
                output.evalue = self.cut(output.evalue, self.max_characters)
                frames = self.cut("\0".join(output.traceback), self.max_characters)
                output.traceback = frames.split("\0")
            kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
        return cell, resources

    def cut(self, text: str, length: int) -> str:
        """The text, or its beginning if it is longer."""
        return text if len(text) <= length else text[:length] + "\n... Output truncated ..."
