"""Results that show themselves exactly once, in every front end."""

from collections.abc import Callable
from html import escape
from pathlib import Path

from IPython import get_ipython
from IPython.display import display

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root {{ color-scheme: light dark; }}
  body {{ background: Canvas; color: CanvasText; font-family: system-ui, sans-serif; }}
</style></head>
<body>
{html}
</body></html>
"""


class Shown:
    """A piece of HTML that appears once, wherever in a cell it is made.

    A notebook shows only the last line's value by itself, so a result made in a loop must show
    itself; but then the last line would show it twice. ``show`` remembers its cell, and the
    notebook's own request from the same cell is ignored. A later cell shows it again.

    Args:
        html: the piece of HTML, alt texts included.
        alt: what it shows in a few words: the plain text form, and the title of a saved page.

    Built in lesson 00.

    >>> Shown("<b>Hello</b>", alt="a greeting")
    a greeting
    """

    _kind = "a page, which this is,"

    def __init__(self, html: str, alt: str = "") -> None:
        self.html = html
        self.alt = alt or "a result that a notebook shows as a picture"
        self._cell: int | None = None

    def __repr__(self) -> str:
        return self.alt

    def show(self) -> None:
        """Show it here and now; outside IPython nothing happens."""
        if (shell := get_ipython()) is None:
            return
        self._cell = shell.execution_count
        display({"text/html": self.html, "text/plain": self.alt}, raw=True)

    def _ipython_display_(self) -> None:
        shell = get_ipython()
        if shell is not None and shell.execution_count != self._cell:
            self.show()

    def save(self, path: str | Path) -> None:
        """Write it as an HTML page of its own, which needs no notebook and no network.

        Args:
            path: ends in .html (or .htm). A figure of ``show`` can do more, see ``show.Picture``.

        Raises:
            ValueError: another ending. FileNotFoundError: there is no such folder.
        """
        path, writers = Path(path), self._writers()
        if path.suffix.lower() not in writers:
            raise ValueError(
                f"cannot save as {path.name!r}: {self._kind} is saved as {', '.join(writers)}"
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(path.parent)!r}: make it first")
        path.write_bytes(writers[path.suffix.lower()]())

    def _writers(self) -> dict[str, Callable[[], bytes]]:
        """Ending of a file name → function that gives the bytes of such a file."""
        return {".html": self._page, ".htm": self._page}

    def _page(self) -> bytes:
        return PAGE.format(title=escape(self.alt), html=self.html).encode(errors="replace")


def show_once(html: str, alt: str = "") -> Shown:
    """Show a piece of HTML now and return it as a Shown, which does not show it a second time.

    Args:
        html, alt: see ``Shown``.

    Returns:
        The Shown.

    Built in lesson 00.

    >>> show_once("<b>Hello</b>", alt="a greeting").html
    '<b>Hello</b>'
    """
    shown = Shown(html, alt)
    shown.show()
    return shown
