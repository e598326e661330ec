"""Grade the reference solution of each assignment many times: there must be one score.

python -m tools.flake                       20 times each
python -m tools.flake --times 3 --only a1   fewer, and only assignments that begin so
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nbgrader.api import Gradebook

from tools import assignments


def scores(path, times, folder):
    """Grade a source ``times`` times with nbgrader in a folder; return the scores by cell."""
    name = path.parent.name
    shutil.copy(assignments.ROOT / "nbgrader_config.py", folder)
    shutil.copytree(path.parent, folder / assignments.SOURCE / name)
    for k in range(times):
        place = folder / "submitted" / f"again{k:02d}" / name
        place.mkdir(parents=True)
        shutil.copy(path, place)
    for command in (["generate_assignment", name, "--force"], ["autograde", name]):
        run = [sys.executable, "-m", "nbgrader", *command, "--log-level=ERROR"]
        subprocess.run(run, cwd=folder, check=True)
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        return [
            {g.cell.name: g.auto_score for n in submission.notebooks for g in n.grades}
            for submission in gradebook.assignment_submissions(name)
        ]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.flake", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="")
    options = parser.parse_args(arguments)
    failed = False
    for path in assignments.sources():
        if not path.parent.name.startswith(options.only):
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = scores(path, options.times, Path(folder))
        seconds = (time.perf_counter() - start) / options.times
        differing = [cell for cell in found[0] if len({of[cell] for of in found}) > 1]
        failed |= bool(differing) or len(found) != options.times
        verdict = f"DIFFERENT: {', '.join(differing)}" if differing else "one score"
        print(f"{path.parent.name}: {len(found)} times, {verdict}; {seconds:.0f} s each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
