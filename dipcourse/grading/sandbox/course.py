"""The course as a submission finds it: without what its tasks ask for, and without other photos."""

import ast
import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from dipcourse import images
from dipcourse.assignment import ours

PACKAGE = Path(__file__).parents[2]
#: What answers tasks of every assignment, or holds them.
FINISHED = "metrics", "priors", "stopping", "baselines", "fit", "assignment.ours"
#: Parts of these that answer nothing and that set-up cells need.
HARMLESS = "fit.machine", "fit.threads"
#: Rooms whose functions the grader calls for a cell: they compute, and touch no file.
SERVED = "metrics", "priors", "degrade", "nets"
COURSE = "dipcourse.nets.", "dipcourse.degrade."  # whose classes travel with a network
#: Folders of the package that no submission needs.
LEFT_OUT = "grading", "_recordings", "_sounds", "_images", "__pycache__"
ABSENT = '''"""What is not here while a notebook is graded."""

ask = None  # set in the process of a submission


def call(name, values, named):
    """Ask the grader to call a function of the course; it does so outside of tests."""
    return ask(name, values, named)


def missing(name):
    """Say that a class of the course is not here."""
    raise RuntimeError(f"{name} is not there while a notebook is graded: write it yourself")
'''
NO_MORE_PHOTOS = """

def _skimage_folder():
    raise RuntimeError("while a notebook is graded, no photos are there but those of its own cells")
"""


def write(folder: Path, assignment: str, cells: list[str]) -> None:
    """Write the package and the photos that a submission of an assignment finds.

    Args:
        folder: an empty folder.
        assignment: its name.
        cells: the code cells of its source, without tests.
    """
    place = folder / "dipcourse"
    shutil.copytree(PACKAGE, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (place / "_absent.py").write_text(ABSENT, encoding="utf-8")
    for room, names in absent(assignment).items():
        for path in _files(place, room):
            module = ".".join(path.relative_to(folder).with_suffix("").parts)
            name = module.removesuffix(".__init__")
            if name.removeprefix("dipcourse.") not in HARMLESS:
                text = path.read_text(encoding="utf-8")
                path.write_text(emptied(text, name, names), encoding="utf-8")
    with open(place / "images" / "files.py", "a", encoding="utf-8") as finder:
        finder.write(NO_MORE_PHOTOS)
    (place / "_images").mkdir()
    for photo in photos(cells):
        source = images.files.find(photo)
        if source.suffix == ".png":
            shutil.copy(source, place / "_images")
    sandbox = folder / "sandboxed"
    sandbox.mkdir()
    for name in ("__init__", "inside", "remote", "wire"):
        source = Path(__file__).with_name(f"{name}.py")
        (sandbox / source.name).write_text("" if name == "__init__" else source.read_text("utf-8"))


def absent(assignment: str) -> dict[str, set[str]]:
    """{room: names in it that a submission does not find; an empty set: all of them}."""
    rooms: dict[str, set[str]] = {room: set() for room in FINISHED}
    for name in ours.ABSENT.get(assignment, ()):
        room, _, part = name.partition(".")
        rooms.setdefault(room, set()).update({part} - {""})
    return rooms


def lacks(assignment: str, name: str) -> bool:
    """Whether something of the course is not there for a submission.

    >>> lacks("a2_random_unet", "dipcourse.nets.UNet")
    True
    >>> lacks("a4_when_to_stop", "dipcourse.nets.UNet")
    False
    """
    room, _, part = name.removeprefix("dipcourse.").rpartition(".")
    names = absent(assignment).get(room)
    return names is not None and (not names or part in names)


def served(assignment: str, name: str) -> bool:
    """Whether a name is a function of the course that the grader may call for a submission."""
    room, _, function = name.removeprefix("dipcourse.").rpartition(".")
    public = name == f"dipcourse.{room}.{function}" and not function.startswith("_")
    return public and room in SERVED and lacks(assignment, name)


def has(assignment: str, module: nn.Module) -> bool:
    """Whether all classes of a network or operator are there for a submission.

    >>> has("a3_restoration", nn.Sequential(nn.Conv2d(1, 1, 1)))
    True
    """
    names = {f"{type(part).__module__}.{type(part).__name__}" for part in module.modules()}
    return all(
        name.startswith("torch.nn.modules.")
        or (name.startswith(COURSE) and not lacks(assignment, name))
        for name in names
    )


def photos(cells: list[str]) -> set[str]:
    """The photos that cells load when they are run.

    >>> photos(["x = images.load('face', 64)", "def look(): images.load('coffee')"])
    {'face'}
    """
    found: set[object] = set()
    for source in cells:
        try:
            tree = ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", source, flags=re.MULTILINE))
        except SyntaxError:
            continue
        for node in _at_once(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "images.load":
                found |= {part.value for part in node.args if isinstance(part, ast.Constant)}
    return {name for name in images.PHOTOS if name in found}


def emptied(text: str, module: str, names: set[str]) -> str:
    """A module's code, in which functions ask the grader, and classes say that they are not there.

    Args:
        text: the code.
        module: its name, "dipcourse.metrics".
        names: the functions and classes in question; empty: all.

    >>> print(emptied("def f(x):\\n    return 2 * x", "dipcourse.metrics", set()))
    from dipcourse import _absent
    <BLANKLINE>
    def f(*values, **named):
        return _absent.call('dipcourse.metrics.f', values, named)
    """
    tree = ast.parse(text)
    body: list[ast.stmt] = []
    for node in tree.body:
        wanted = not names or getattr(node, "name", None) in names
        if isinstance(node, ast.FunctionDef) and wanted:
            node = _asking(node, module)
        elif isinstance(node, ast.ClassDef) and wanted:
            node = _missing(node, module)
        elif _imports(node, "skimage") or _imports(node, "scipy"):
            continue
        body.append(node)
    first = ast.parse("from dipcourse import _absent").body
    future = [node for node in body if _imports(node, "__future__")]
    tree.body = [*future, *first, *(node for node in body if node not in future)]
    return ast.unparse(ast.fix_missing_locations(tree))


def _asking(node: ast.FunctionDef, module: str) -> ast.stmt:
    call = f"return _absent.call({f'{module}.{node.name}'!r}, values, named)"
    return ast.parse(f"def {node.name}(*values, **named):\n    {call}").body[0]


def _missing(node: ast.ClassDef, module: str) -> ast.stmt:
    """A class of this name; whoever makes one of it, or calls a method, is told."""
    call = f"_absent.missing({f'{module}.{node.name}'!r})"
    names = {part.name for part in node.body if isinstance(part, ast.FunctionDef)} | {"__init__"}
    text = "".join(f"    def {name}(*values, **named):\n        {call}\n" for name in sorted(names))
    bases = [ast.unparse(base) for base in node.bases]
    errors = [base for base in bases if base.endswith(("Error", "Exception", "Warning"))]
    return ast.parse(f"class {node.name}({', '.join(errors)}):\n{text}").body[0]


def _imports(node: ast.stmt, root: str) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == root
    return isinstance(node, ast.Import) and node.names[0].name.split(".")[0] == root


def _files(place: Path, room: str) -> Iterator[Path]:
    """The files of a room: a module or a folder."""
    path = place.joinpath(*room.split("."))
    if path.is_dir():
        yield from path.rglob("*.py")
    else:
        yield path.with_suffix(".py")


def _at_once(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a cell that are run with it: what stands in functions is not."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield node
            yield from _at_once(node)


def hidden_packages() -> list[Path]:
    """Folders of installed packages that answer tasks."""
    names = "dipcourse", "skimage", "deepinv", "kornia", "torchmetrics", "piq", "cv2", "monai"
    specs = [importlib.util.find_spec(name) for name in names]
    places = [Path(spec.origin).parent for spec in specs if spec and spec.origin]
    return [place for place in places if "site-packages" in place.parts]
