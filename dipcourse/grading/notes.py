"""What a person should know about a submission: kept beside the graded notebooks, for the table."""

import json
import logging
import re
from pathlib import Path

#: Errors whose own words help nobody.
REASONS = {
    "NotJSONError": "the file cannot be read as a notebook: it is cut off, or another kind of file",
}
LONGEST = 300  # characters of a reason


class Notes:
    """Lines about one student's submission of an assignment, in the order of the steps.

    Args:
        student, assignment: their names in nbgrader.
        root: the course folder.
    """

    STEPS = "collect", "grade"

    def __init__(self, student: str, assignment: str, root: str | Path = ".") -> None:
        self.path = Path(root, "autograded", student, f"{assignment}.notes.json")

    def start(self, step: str) -> None:
        """Forget what this step said in an earlier run."""
        self._write(self._read() | {step: []})

    def add(self, step: str, line: str) -> None:
        """Add a line of a step."""
        lines = self._read()
        lines.setdefault(step, []).append(line)
        self._write(lines)

    def lines(self) -> list[str]:
        """All lines."""
        kept = self._read()
        return [line for step in self.STEPS for line in kept.get(step, [])]

    def _read(self) -> dict[str, list[str]]:
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def _write(self, lines: dict[str, list[str]]) -> None:
        if any(lines.values()):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(lines, ensure_ascii=False, indent=1), encoding="utf-8")
        else:
            self.path.unlink(missing_ok=True)


class Failures(logging.Filter):
    """Makes one line of nbgrader's report on a submission that it cannot grade, and keeps it.

    nbgrader logs the folder of the submission, and then the whole traceback.
    """

    FOLDER = re.compile(r"There was an error processing assignment: (.+)")

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record, which may be changed."""
        text = record.getMessage()
        if found := self.FOLDER.match(text):
            self.folder = Path(found[1])
        if self.folder and text.startswith("Traceback (most recent call last)"):
            return self._say(record, self.folder, reason(text))
        return True

    def _say(self, record: logging.LogRecord, folder: Path, words: str) -> bool:
        student, assignment = folder.parts[-2:]
        Notes(student, assignment).add("grade", words)
        record.msg, record.args, self.folder = "%s: %s", (student, words), None
        return True


def reason(traceback: str) -> str:
    """The error at the end of a traceback's text, as one line.

    >>> reason("Traceback (most recent call last):\\n  File …\\nValueError: too\\n  short\\n")
    'too short'
    >>> reason("Traceback (most recent call last):\\nKeyError: 'a'")
    "KeyError: 'a'"
    """
    *_, start = re.finditer(r"^([\w.]+)(?:: |$)", traceback, re.MULTILINE)
    kind = start[1].split(".")[-1]
    words = " ".join(traceback[start.end() :].split())[:LONGEST]
    if kind in REASONS or kind in ("ValueError", "NoSandbox"):
        return REASONS.get(kind, words)
    return f"{kind}: {words}" if words else kind
