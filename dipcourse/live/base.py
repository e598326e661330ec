"""What all live panels share: shown once, drawn in the main thread, errors in the panel."""

import asyncio
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from dipcourse._html.shown import Shown
from dipcourse._palette import COLOURS

PAUSE = 0.03  # seconds that work asked for by another thread leaves to waiting cells


class LivePanel(Shown):
    """Controls above a picture that the kernel draws.

    Attributes:
        html: the picture as it is now, as HTML with alt texts.

    Built in lesson 01.
    """

    def __init__(self, rows: Iterable[widgets.Widget], alt: str) -> None:
        self._picture = widgets.HTML()
        self._box = widgets.VBox([*rows, self._picture])
        self._loop = _main_loop()
        super().__init__("", alt)

    @property
    def html(self) -> str:
        return self._picture.value

    @html.setter
    def html(self, html: str) -> None:
        self._picture.value = html

    def show(self) -> None:
        """Show it here and now; outside IPython nothing happens."""
        if (shell := get_ipython()) is not None:
            self._cell = shell.execution_count
            display(self._box)

    def _elsewhere(self) -> bool:
        """Are we in a subshell of JupyterLab, where a student's code must not run?"""
        here = threading.current_thread() is threading.main_thread()
        return self._loop is not None and not here

    def _in_main_thread(self, work: Callable[[], object], wait: float = 0) -> None:
        """Call work now, or after the running cell (and the wait) if this is another thread."""
        if self._loop is not None and self._elsewhere():
            self._loop.call_soon_threadsafe(self._loop.call_later, wait, work)
        else:
            work()


class PageWidget(Shown):
    """A widget whose script runs in the page, and what a program shows that cannot run it.

    The script sends messages, {trait: value}, and changes no state: a page holds a change of state
    back until the kernel has answered the one before, so a cell or a button would overtake it.

    Args:
        widget: with a ``note``, the CSS class that its script hides.
        picture: data: address of the picture that stands in for it.
        about: alt text of that picture.
        help: HTML that says what to do without the widget.
        alt: what this is in a few words.

    Built in lesson 05 (used).
    """

    def __init__(self, widget: Any, picture: str, about: str, help: str, alt: str) -> None:
        image = f'<img alt="{escape(about)}" src="{picture}" style="width: 256px; max-width: 100%">'
        super().__init__(f'<div class="{widget.note}">{image}<p>{help}</p></div>', alt)
        self._widget = widget
        widget.on_msg(_keep)

    def show(self) -> None:
        """Show it here and now; outside IPython nothing happens."""
        if (shell := get_ipython()) is not None:
            self._cell = shell.execution_count
            display(self._widget)
            display({"text/html": self.html, "text/plain": self.alt}, raw=True)


def _keep(widget: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
    """Take what the page sends."""
    for name, value in content.items():
        widget.set_trait(name, value)


def new_note() -> str:
    """A CSS class that no other element of the page has.

    Built in lesson 05 (used).

    >>> new_note() == new_note()
    False
    """
    return f"dipcourse-note-{uuid.uuid4().hex}"


def _main_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's event loop, which runs the cells; None outside a notebook."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def error_text(error: BaseException, what: str = "The picture could not be drawn.") -> str:
    """An exception as HTML: what went wrong, and in which line."""
    lines = traceback.format_exception_only(error)[-1].strip()
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        '<pre role="alert" style="white-space:pre-wrap;border-left:4px solid '
        f'{COLOURS[1]};padding:0.5em">{escape(what)}\n{escape(lines)}\n'
        f"(line {place.lineno}: {escape(place.line or '')})</pre>"
    )
