"""The reference of the package, for the book: a page a room, made from the docstrings.

``tools.book`` calls ``write``. Sphinx reads the docstrings themselves, so nothing stands twice;
"Built in lesson NN" becomes a link to that lesson.
"""

import importlib
import inspect
import re
from functools import partial
from pathlib import Path
from types import ModuleType

import dipcourse
from tools import notebooks

#: Rooms of the package in the order in which a reader meets them.
ROOMS = (
    *("images", "sounds", "degrade", "priors", "nets", "metrics", "baselines", "fit", "history"),
    *("stopping", "presets", "recordings", "classifiers", "show", "player", "live"),
    *("check", "handin", "assignment", "grading"),
)
RETURNS = re.compile(r"^Returns:\n((?:    .*\n?)+)", re.MULTILINE)
BUILT_IN = re.compile(r"^Built in .*$", re.MULTILINE)
BUILT = re.compile(r"\b(lesson (\d\d)|assignment (\d))\b")

INDEX = """\
# The package

Each room of the helper package, with its functions. Every function says which lesson builds it.

| room | what lives there |
|---|---|
{rooms}

## Notation

```text
{notation}
```

```{{toctree}}
:hidden:

{names}
```
"""
ROOM = """\
# {room}

{about}

```{{eval-rst}}
{members}
```
"""
MEMBER = ".. auto{kind}:: dipcourse.{room}.{name}\n{options}"


def write(folder: Path) -> None:
    """Write the pages ``package.md`` and ``package-ROOM.md`` into a folder of the book."""
    modules = {room: importlib.import_module(f"dipcourse.{room}") for room in ROOMS}
    rows = [f"| [`{room}`](package-{room}.md) | {_promise(m)} |" for room, m in modules.items()]
    notation = inspect.cleandoc(dipcourse.__doc__ or "").partition("Notation: ")[2]
    index = INDEX.format(
        rooms="\n".join(rows),
        notation=notation.partition("\n\n")[0].replace("``", ""),
        names="\n".join(f"package-{room}" for room in ROOMS),
    )
    (folder / "package.md").write_text(index, encoding="utf-8")
    for room, module in modules.items():
        (folder / f"package-{room}.md").write_text(_page(room, module), encoding="utf-8")


def public(module: ModuleType) -> list[tuple[str, object]]:
    """The functions and classes that a room offers: (name, what it is)."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]
    values = {name: getattr(module, name) for name in names}
    made = [(n, v) for n, v in values.items() if inspect.isfunction(v) or inspect.isclass(v)]
    if hasattr(module, "__all__"):  # that is in the order of the alphabet
        made.sort(key=partial(_place, module.__name__.split(".")[-1]))
    return made


def _place(room: str, member: tuple[str, object]) -> tuple[bool, bool]:
    """First what is called like the room, then functions, then classes."""
    name, value = member
    return name != room, inspect.isclass(value)


def _page(room: str, module: ModuleType) -> str:
    members = []
    for name, value in public(module):
        kind, options = ("class", "   :members:\n") if inspect.isclass(value) else ("function", "")
        members.append(MEMBER.format(kind=kind, room=room, name=name, options=options))
    about = inspect.cleandoc(module.__doc__ or "")
    return ROOM.format(room=room, about=about, members="\n".join(members))


def _promise(module: ModuleType) -> str:
    """The first sentence of a room's docstring, without its full stop."""
    text = inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split()).removesuffix(".").replace("|", "\\|")


def setup(app):  # type: ignore[no-untyped-def]
    """Called by Sphinx: docstrings are changed before they are read."""
    app.connect("autodoc-process-docstring", _as_rest, priority=1)  # before napoleon
    return {"parallel_read_safe": True}


def _as_rest(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    """Change the lines of a docstring, in place, into what Sphinx takes for what they mean."""
    pages = {path.stem[:2]: path.stem for path in notebooks.lessons()}
    text = "\n".join(lines).replace("|", "\\|")  # amounts, no substitutions
    text = RETURNS.sub(_returned, text)
    text = BUILT_IN.sub(lambda line: _linked(line[0], app.env.found_docs, pages), text)
    lines[:] = text.split("\n")


def _returned(section: re.Match[str]) -> str:
    """The section as one field: napoleon would take all before a colon for a type."""
    words = " ".join(section[1].split())
    return f":returns: {words}\n"


def _linked(line: str, book: set[str], pages: dict[str, str]) -> str:
    return BUILT.sub(lambda found: _link(book, pages, found), line)


def _link(book: set[str], pages: dict[str, str], found: re.Match[str]) -> str:
    """A link to a lesson in this book, or to a lesson or an assignment in the repository."""
    words, lesson, assignment = found.groups()
    if lesson and pages[lesson] in book:
        return f":doc:`{words} <{pages[lesson]}>`"
    path = f"lessons/{pages[lesson]}.ipynb" if lesson else f"assignments/{_folder(assignment)}"
    where = notebooks.configured()
    return f"`{words} <https://github.com/{where['repository']}/blob/{where['tag']}/{path}>`__"


def _folder(assignment: str) -> str:
    (folder,) = (notebooks.ROOT / "assignments").glob(f"a{assignment}_*")
    return folder.name
