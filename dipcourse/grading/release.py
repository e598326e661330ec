"""What a release needs beyond nbgrader's own steps."""

from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor


class Trim(NbGraderPreprocessor):
    """Takes away the empty lines that cut-out tests leave at the end of released cells."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        cell.source = cell.source.rstrip()
        return cell, resources
