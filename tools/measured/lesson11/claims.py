"""What lesson 11 says: who keeps a probability, and how near features lead back to a photo."""

from functools import cache

import numpy as np

from tools.measured.claims import claim
from tools.measured.lesson11 import studies
from tools.measured.tables import rows

compared = cache(studies.compared)


def second_opinion(name, method, holds):
    """Register the second classifier's probability, in percent, the mean over the classes."""

    @claim(f"lesson11-second-{name}", unit="%", digits=0, holds=holds, seeds=studies.SEEDS)
    def opinion(seed):
        found = [row["second"] for row in compared()[method] if row["seed"] == seed]
        return 100 * float(np.mean(found))


second_opinion("pixels", "free pixels, best of 2", lambda v: max(v) < 10)
second_opinion("tv", "TV, one setting", lambda v: np.mean(v) < 50 and min(v) < 20)
second_opinion("tv-best", "TV, best of 26", lambda v: 60 < np.mean(v) < 90)
second_opinion("network", "network, one setting", lambda v: min(v) > 60)


def turned_back(method, holds):
    """Register the PSNR to each of three photos; TV at the weight that is best for it."""

    @claim(f"lesson11-back-{method.lower()}", holds, unit="dB")
    def psnr(seed):
        photo = studies.PHOTOS[seed]
        return max(row["PSNR"] for row in rows("11_layers", depth=9, photo=photo, method=method))


turned_back("TV", lambda v: min(v) > 10)
turned_back("network", lambda v: min(v) > 10)
