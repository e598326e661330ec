"""What lesson 11 says: who keeps a probability, and how near features lead back to a photo."""

from functools import cache

import numpy as np

from dipcourse import recordings
from tools import lesson_code
from tools.measured.claims import claim, spread
from tools.measured.lesson11.studies import PHOTOS, SEEDS

LESSON = lesson_code.run("11", "build-best", "build-compare", "build-one-setting")
DEPTH = 9


@cache
def compared():
    """The rows that the lesson compares, one for each class and seed."""
    rows = recordings.table("11_answers")["rows"]
    return {
        "pixels": LESSON["best_of_each"](rows, "pixels"),
        "tv": LESSON["at_one_setting"](rows, "TV"),
        "tv-best": LESSON["best_of_each"](rows, "TV"),
        "network": LESSON["best_of_each"](rows, "network"),
    }


def second_opinion(method, holds):
    """Register the second classifier's probability, in percent, the mean over the classes."""

    def percents(values):
        return spread(values, "%", digits=0)

    @claim(f"lesson11-second-{method}", text=percents, holds=holds, seeds=SEEDS)
    def opinion(seed):
        found = [row["second"] for row in compared()[method] if row["seed"] == seed]
        return 100 * float(np.mean(found))


second_opinion("pixels", lambda v: max(v) < 10)
second_opinion("tv", lambda v: np.mean(v) < 50 and min(v) < 20)
second_opinion("tv-best", lambda v: 60 < np.mean(v) < 90)
second_opinion("network", lambda v: min(v) > 60)


def turned_back(method, holds):
    """Register the PSNR to each of three photos; TV at the weight that is best for it."""

    @claim(f"lesson11-back-{method.lower()}", holds, unit="dB")
    def psnr(seed):
        rows = recordings.table("11_layers")["rows"]
        case = (DEPTH, PHOTOS[seed], method)
        found = [row for row in rows if (row["depth"], row["photo"], row["method"]) == case]
        return max(row["PSNR"] for row in found)


turned_back("TV", lambda v: min(v) > 10)
turned_back("network", lambda v: min(v) > 10)
