"""Compute claims: `python -m tools.claims [--only lesson00 …]`."""

import argparse
import sys

from tools import claims


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tools.claims", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="LESSON_OR_ID")
    only = parser.parse_args(arguments).only
    failed = []
    for claim in claims.registered(only):
        command = f"python -m tools.claims --only {claim.id}"
        entry = claims.measure(claim, command)
        if entry is None:
            failed.append(claim.id)
        else:
            claims.save({claim.id: entry})
    if failed:
        print(f"do not hold: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
