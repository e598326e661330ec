"""What the test cells of an assignment are made of: ``assignment.near``, ``assignment.alone``.

    board      runs tests, says how they went, and counts points; keeps what was said
    stage      what surrounds a test while it runs: our functions for other tasks, a watch
    demands    what a test may ask of a result
    ours       our functions, which stand in for those of other tasks

Test cells call what is imported here. State stays where it is: ``board.results``, ``board.strict``.
Nothing enters that does not serve a test: see ``handin`` and ``grading``.
"""

from dipcourse.assignment.board import attempt, award, hidden, passes, run, visible
from dipcourse.assignment.demands import (
    above,
    below,
    floats,
    is_array,
    is_float,
    is_tensor,
    near,
    number,
    pair,
    refuses,
    unchanged,
    whole,
)
from dipcourse.assignment.stage import alone, given

__all__ = [
    "above",
    "alone",
    "attempt",
    "award",
    "below",
    "floats",
    "given",
    "hidden",
    "is_array",
    "is_float",
    "is_tensor",
    "near",
    "number",
    "pair",
    "passes",
    "refuses",
    "run",
    "unchanged",
    "visible",
    "whole",
]
