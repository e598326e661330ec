"""Everything that the course measures: `python -m tools.measured COMMAND`; --help after a command.

where WORD    where a number of the prose, a table, a fit or a figure comes from
claims        compute the numbers that the prose quotes, store and quote them
tables        measure the tables that the lessons show
record        make the fits that the lessons play
figures       draw the stored tables that are figures
presets       compare candidates for the presets; their quality and pace
bench         the cost of a step beside that of a plain loop
gpu           what a GPU does with the course, for the day one is at hand: gpu_report.md
"""

import importlib
import sys

import torch

COMMANDS = {
    "where": "where",
    "claims": "claims",
    "tables": "tables",
    "record": "recordings",
    "figures": "figures",
    "presets": "speed.presets",
    "bench": "speed.bench",
    "gpu": "speed.gpu",
}

PINNED = "claims", "tables", "record"  # to one thread: no number depends on load or cores


def main(arguments):
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__.strip())
        return 0 if arguments in ([], ["--help"], ["-h"]) else 2
    name, *rest = arguments
    if name in PINNED:
        torch.set_num_threads(1)
    module = importlib.import_module(f"tools.measured.{COMMANDS[name]}")
    return module.main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
