"""What an interrupt does (Ctrl-C, the stop button): one stops one fit, two stop everything."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from IPython import get_ipython

AGAIN = 10  # seconds in which a second interrupt stops everything
_last: float = -AGAIN  # when a fit was last stopped


class Stopped(KeyboardInterrupt):
    """Everything is stopped: a notebook shows one line instead of a traceback, and Run All ends.

    Attributes:
        history: History of the fit that was running, or None.

    Built in lesson 00 (used).
    """

    def __init__(self, message: str, history: Any = None) -> None:
        super().__init__(message)
        self.history = history

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [str(self)]


class Interrupts:
    """The interrupts of one fit: the first breaks its step off, a second waits for the History.

    Whatever else is interrupted in the block ends as ``Stopped`` in a notebook. Under grading, in
    another thread, and where a program handles interrupts itself, all stays as it is.

    Built in lesson 00 (used).
    """

    def __init__(self) -> None:
        grading = "NBGRADER_EXECUTION" in os.environ
        self._shell = None if grading else get_ipython()
        self._number = _cell.begin(self._shell) if self._shell else 0
        self._ours = not grading and is_main() and signal.getsignal(signal.SIGINT) in _RAISING
        self._pressed: list[float] = []
        self._waiting = False
        self._after: Any = None

    def __enter__(self) -> Self:
        if self._ours:
            self._after = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._after)
        if kind is KeyboardInterrupt and self._shell:
            raise Stopped("Everything is stopped; the last fit has no result.") from None

    def _press(self, *_: object) -> None:
        self._pressed.append(time.monotonic())
        first, hangs = len(self._pressed) == 1, len(self._pressed) > 2
        if hangs or (first and not self._waiting):
            raise KeyboardInterrupt

    def notice(self) -> None:
        """A KeyboardInterrupt has come; also where it does not come from here."""
        self._pressed = self._pressed or [time.monotonic()]

    def wait(self) -> None:
        """From here on, interrupts wait for the answer."""
        self._waiting = True

    def answer(self, history: Any) -> None:
        """If the fit was interrupted say so, and raise if it was the second time."""
        global _last
        if not self._pressed:
            return
        again = len(self._pressed) > 1 or self._pressed[0] - _last < AGAIN
        _last = -AGAIN if again else time.monotonic()
        if self._shell and history.interrupted:
            _cell.stop(self._shell, self._number, history)
        how = f"was {history.unfinished}" if history.interrupted else "was finished already"
        if not again:
            self._after = _between if self._shell and self._ours else self._after
            print(
                f"Stopped by hand: this fit {how}. Interrupt again within {AGAIN} s to stop "
                "everything."
            )
        elif self._shell:
            raise Stopped(
                f"Everything is stopped. The last fit {how}; its History is sys.last_value.history",
                history,
            )
        else:
            raise KeyboardInterrupt


class _Cell:
    """The fits of the cell that runs: its last line says which of them were stopped."""

    def __init__(self) -> None:
        self.cell: int | None = None
        self.fits = 0
        self.stopped: list[str] = []

    def begin(self, shell: Any) -> int:
        """Count a fit; its number in the cell."""
        if shell.execution_count != self.cell:
            self.cell, self.fits, self.stopped = shell.execution_count, 0, []
        self.fits += 1
        return self.fits

    def stop(self, shell: Any, number: int, history: Any) -> None:
        """Keep in mind that a fit of the cell was stopped."""
        self.stopped.append(f"fit {number} ({history.settings['net']}, {history.unfinished})")
        for event, work in (("pre_run_cell", self._next), ("post_run_cell", self._ended)):
            shell.events.register(event, work)  # once, even if it is registered already

    def _next(self, *_: object) -> None:
        """The kernel has set the handler of interrupts anew."""
        if time.monotonic() - _last < AGAIN and signal.getsignal(signal.SIGINT) in _RAISING:
            signal.signal(signal.SIGINT, _between)
        else:
            get_ipython().events.unregister("pre_run_cell", self._next)

    def _ended(self, *_: object) -> None:
        get_ipython().events.unregister("post_run_cell", self._ended)
        if self.fits > 1:
            print(
                f"Of the {self.fits} fits of this cell, some were stopped by hand, and their "
                f"results are unfinished: {'; '.join(self.stopped)}. Run the cell again to have "
                "them whole."
            )


class Watch:
    """The interrupts of something that plays in the kernel's event loop.

    Between messages the kernel ignores interrupts; in a message of a widget it would raise
    KeyboardInterrupt at any line, in a tick or beside it, and forget it. So the first interrupt
    asks the loop for ``stop``, after the running tick; the next breaks off the tick's work.

    Args:
        loop: the event loop, or None: all stays as it is.
        is_playing: function that tells whether ticks come.
        stop: function that ends them.

    Built in lesson 02 (used).
    """

    def __init__(
        self,
        loop: Any,
        is_playing: Callable[[], bool],
        stop: Callable[[], None],
    ) -> None:
        self._loop, self._is_playing, self._stop = loop, is_playing, stop
        self._shell = get_ipython()
        self._asked = self._working = False

    @contextmanager
    def tick(self) -> Iterator[None]:
        """The time of one tick."""
        if self._loop is None or not is_main():
            yield
            return
        before = signal.signal(signal.SIGINT, self._press)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def work(self) -> Iterator[None]:
        """What a second interrupt may break off with a KeyboardInterrupt."""
        self._working = True
        try:
            yield
        finally:
            self._working = False

    def between_ticks(self) -> None:
        """Listen if ticks come: to be called when they start, after each, and when they end."""
        if self._loop is None:
            return
        if self._shell and self._is_playing():
            self._shell.events.register("pre_execute", self._message)  # once
        elif self._shell:
            with suppress(ValueError):  # it is not registered
                self._shell.events.unregister("pre_execute", self._message)
        self._loop.call_soon_threadsafe(self._listen)  # not while a message is handled

    def _listen(self) -> None:
        handler = signal.getsignal(signal.SIGINT) if is_main() else None
        if handler == signal.SIG_IGN and self._is_playing():
            signal.signal(signal.SIGINT, self._press)
        elif handler == self._press and not self._is_playing():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _message(self) -> None:
        """A message begins, a cell's or a widget's; the kernel sets the handler back at its end."""
        if is_main() and self._shell.get_parent().get("msg_type") == "comm_msg":
            signal.signal(signal.SIGINT, self._press)

    def _press(self, *_: object) -> None:
        if self._asked and self._working:
            raise KeyboardInterrupt
        self._asked = True
        self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._asked = False
        self._stop()


@contextmanager
def held() -> Iterator[None]:
    """Hold interrupts back until the block has ended.

    An import that is cut in half may leave modules behind that never work again.

    >>> with held():
    ...     import json
    """
    if not is_main() or signal.getsignal(signal.SIGINT) is None:
        yield  # a handler that is written in C could not be put back
        return
    pressed: list[bool] = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def is_main() -> bool:
    """Is this the main thread, the only one that interrupts reach?"""
    return threading.current_thread() is threading.main_thread()


def _between(*_: object) -> None:
    """An interrupt that meets no fit, but may come soon after one that did."""
    global _last
    soon, _last = time.monotonic() - _last < AGAIN, -AGAIN
    raise Stopped("Everything is stopped.") if soon else KeyboardInterrupt


_RAISING = signal.default_int_handler, _between  # handlers that a fit may replace
_cell = _Cell()
