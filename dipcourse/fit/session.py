"""The person before a fit: the progress bar, the stop button, and nobody there under grading."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from dipcourse._interrupts import Interrupts, held
from dipcourse.fit.stepper import Stepper

with held():  # what the first bar imports
    tqdm.get_lock()


class Session(Interrupts):
    """The time in which one fit is made.

    Args:
        progress: show a progress bar; None does so except under grading.
    """

    def __init__(self, progress: bool | None) -> None:
        self.grading = "NBGRADER_EXECUTION" in os.environ
        self.quiet = self.grading if progress is None else not progress
        super().__init__()

    def bar(self, steps: int) -> tqdm:
        """A progress bar for so many steps."""
        return tqdm(
            total=steps, unit="step", file=sys.stdout, disable=self.quiet, ncols=80, mininterval=0.3
        )

    @contextmanager
    def stoppable(self, stepper: Stepper) -> Iterator[None]:
        """A block that an interrupt ends, once a step was made."""
        try:
            yield
        except KeyboardInterrupt:
            if self.grading or stepper.k == 0:
                raise
            self.notice()
        self.wait()
