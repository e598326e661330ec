"""The rooms of the package: arrows go down, and what one room alone knows stays there."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dipcourse"

#: From the bottom to the top. A room may use those of lower layers, and none of its own layer.
LAYERS = (
    {"_interrupts", "_numbers", "_palette", "_text"},
    {"images", "sounds"},
    {"degrade", "history", "metrics", "nets", "priors"},
    {"baselines", "classifiers", "fit", "recordings", "stopping"},
    {"presets"},
    {"_html", "check"},
    {"player", "show"},
    {"assignment", "live"},
    {"handin"},
    {"grading"},
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

#: Libraries, and the rooms that may know them.
KNOWN_TO = {
    "PIL": {"images"},
    "anywidget": {"live"},
    "ipywidgets": {"live"},
    "matplotlib": {"_text", "grading", "images", "show"},
    "nbgrader": {"grading"},
    "psutil": {"fit", "grading"},
    "scipy": {"baselines", "sounds"},
    "skimage": {"baselines", "metrics"},
    "tqdm": {"fit", "grading"},
}


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(tree):
    """The dotted names that a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows():
    """(path, dotted name) for all that is imported in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from ((path, name) for name in imported(tree))


ARROWS = [pair for pair in arrows() if room_of(pair[0]) != "__init__"]


def test_every_room_has_its_layer():
    assert {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"} == set(LEVEL)


def test_arrows_between_rooms_go_down():
    wrong = [
        f"{path.relative_to(PACKAGE)} uses {name}"
        for path, name in ARROWS
        if name.startswith("dipcourse.")
        if (other := name.split(".")[1]) != (own := room_of(path))
        if LEVEL.get(other, len(LAYERS)) >= LEVEL[own]
    ]
    assert not wrong, "\n".join(wrong)


def private_names(path):
    """What a module uses of other rooms although its name begins with an underscore."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = [name for name in imported(tree) if name.startswith("dipcourse.")]
    for name in ours:
        if name.split(".")[1] != room_of(path):
            yield from (part for part in name.split(".")[2:] if part.startswith("_"))
    modules = {name.split(".")[-1] for name in ours}
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for node in used:
        of = getattr(node.value, "id", None)
        if of in modules and node.attr.startswith("_") and not node.attr.startswith("__"):
            yield f"{of}.{node.attr}"


def test_no_room_reaches_into_another_ones_private_names():
    """``_numbers`` and the like are private to the package, not to a room."""
    for path in PACKAGE.rglob("*.py"):
        assert not list(private_names(path)), path


@pytest.mark.parametrize("library", KNOWN_TO)
def test_a_library_is_known_to_its_rooms_alone(library):
    knowing = {room_of(path) for path, name in ARROWS if name.split(".")[0] == library}
    assert knowing == KNOWN_TO[library]


def test_the_package_needs_neither_tests_nor_tools():
    assert not [pair for pair in ARROWS if pair[1].split(".")[0] in ("tests", "tools")]
