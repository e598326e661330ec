"""For instructors: nbgrader, set up for this course and for notebooks that come back from Colab.

    collect   puts the files of a learning platform where nbgrader looks for them
    whose     says which student a file belongs to, by its name
    release   tidies what students get
    mend      puts a damaged notebook in order before it is graded, and says what it did
    identify  says which cell of it is which released one
    answers   says what looks like an answer, and does not count where it stands
    outputs   gives its cells what came out of its execution, and cuts that short
    jobs      says what is to be executed, and keeps what came out
    execute   runs it in a sandbox, and tests it from outside
    sandbox/  the walls around it, and what crosses them
    ahead     executes a class on many cores or machines, and keeps what comes out
    worker    is one of those that do it
    feedback  makes the page that a student gets back
    notes     keeps what a person should know about a submission
    table     writes the table of grades
    oddities  finds answers that are alike, and code that reaches for more than it needs
    summary   what a teacher wants to know of a graded class
    __main__  all of it in one command

The extra ``dipcourse[grading]`` brings nbgrader. This module needs nothing of it.
"""

import os
import sys
from logging import LoggerAdapter
from pathlib import Path

from traitlets.config import Config
from traitlets.log import get_logger

from dipcourse.grading.notes import Failures

GRADEBOOK = "sqlite:///gradebook.db"  # of the course folder

#: What a submission finds in its environment while it is graded.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "DIPCOURSE_SCALE": "smoke",
    "MPLBACKEND": "agg",
    "TQDM_DISABLE": "1",
}


def configure(c: Config, seconds: int = 120) -> None:
    """Set nbgrader up, in nbgrader_config.py: ``grading.configure(get_config())``.

    Args:
        c: nbgrader's configuration.
        seconds: what one cell may take before it is stopped.
    """
    c.CourseDirectory.source_directory = "solutions"
    c.CourseDirectory.release_directory = "assignments"
    c.ClearSolutions.code_stub = {
        "python": '# your code here\nraise NotImplementedError("write this function")'
    }
    c.ClearSolutions.text_stub = "*Your answer here: double-click.*"

    c.GenerateAssignment.preprocessors = [
        "nbgrader.preprocessors.LockCells",
        "nbgrader.preprocessors.ClearSolutions",
        "nbgrader.preprocessors.ClearOutput",
        "nbgrader.preprocessors.CheckCellMetadata",
        "nbgrader.preprocessors.ComputeChecksums",
        "nbgrader.preprocessors.SaveCells",
        "nbgrader.preprocessors.ClearHiddenTests",
        "dipcourse.grading.release.Trim",
        "nbgrader.preprocessors.ComputeChecksums",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Autograde.pre_convert_hook = "dipcourse.grading.collect.rename"
    c.Autograde.sanitize_preprocessors = [
        "dipcourse.grading.mend.Mend",
        "nbgrader.preprocessors.ClearOutput",
        "nbgrader.preprocessors.DeduplicateIds",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "nbgrader.preprocessors.OverwriteCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Autograde.autograde_preprocessors = [
        "dipcourse.grading.outputs.SandboxedExecute",
        "dipcourse.grading.outputs.Shorten",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.GenerateFeedback.preprocessors = [
        "nbgrader.preprocessors.GetGrades",
        "dipcourse.grading.feedback.HideTests",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    c.GenerateFeedback.post_convert_hook = "dipcourse.grading.feedback.polish"
    c.SandboxedExecute.timeout = seconds
    c.LimitOutput.max_lines = 200
    c.ZipCollectApp.extractor_plugin = "dipcourse.grading.collect.Extractor"
    c.ZipCollectApp.collector_plugin = "dipcourse.grading.collect.Collector"
    c.ExportApp.plugin_class = "dipcourse.grading.table.Grades"
    log = get_logger()
    (log.logger if isinstance(log, LoggerAdapter) else log).addFilter(Failures())

    # A new gradebook calls the command alembic, which lies beside this Python.
    commands = str(Path(sys.executable).parent)
    if commands not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([commands, os.environ.get("PATH", "")])
