"""The reference of the package in the book: complete, and each function linked to its lesson."""

import importlib
import pkgutil

import pytest

import dipcourse
from tools import book, notebooks, reference

pytestmark = [  # of myst_parser and Sphinx, about themselves
    pytest.mark.filterwarnings("ignore:.*MystReferenceResolver"),
    pytest.mark.filterwarnings("ignore:The mapping interface for autodoc"),
]
FOR_EVERYBODY = [room for room in reference.ROOMS if room != "grading"]


def members(room):
    return dict(reference.public(importlib.import_module(f"dipcourse.{room}")))


def test_every_room_has_a_page():
    rooms = {m.name for m in pkgutil.iter_modules(dipcourse.__path__) if m.name[0] != "_"}
    assert rooms == set(reference.ROOMS)


@pytest.mark.parametrize("room", FOR_EVERYBODY)
def test_every_function_says_which_lesson_or_assignment_builds_it(room):
    assert members(room)
    for name, value in members(room).items():
        built = [line for line in (value.__doc__ or "").splitlines() if "Built in " in line]
        assert built, name
        assert reference.BUILT.search(built[0]), name


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The rendered reference, beside one lesson: {name of the page: its HTML}."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("book")
    (lesson,) = [path for path in notebooks.lessons() if path.stem.startswith("01")]
    contents = "# Start\n\n```{toctree}\npackage\n" + lesson.stem + "\n```\n"
    (source / "index.md").write_text(contents, encoding="utf-8")
    (source / f"{lesson.stem}.md").write_text("# A lesson\n", encoding="utf-8")
    reference.write(source)
    assert book.render(source, made)  # and Sphinx warns of nothing
    return {path.stem: path.read_text(encoding="utf-8") for path in made.glob("*.html")}


@pytest.mark.parametrize("room", reference.ROOMS)
def test_a_page_shows_every_function_of_its_room(pages, room):
    for name in members(room):
        assert f'id="dipcourse.{room}.{name}"' in pages[f"package-{room}"]


def test_lessons_of_the_book_are_linked_there_and_others_in_the_repository(pages):
    page = pages["package-priors"]
    assert 'href="01_total_variation.html"' in page
    assert f'href="{book.repository()}/lessons/02_' in pages["package-nets"]
    assert f'href="{book.repository()}/assignments/a1_' in pages["package-assignment"]


def test_what_a_function_returns_is_whole(pages):
    """Its first words, before a colon, are not taken for a type."""
    assert (
        "An interrupt (Ctrl-C, the stop button) stops this fit alone: what" in pages["package-fit"]
    )


def test_the_settings_of_a_fit_stand_in_its_help(pages):
    help_ = pages["package-fit"].partition('id="dipcourse.fit.fit"')[2]
    help_ = help_.partition('id="dipcourse.fit.')[0]  # the next one
    assert "standard deviation of fresh normal noise" in help_
