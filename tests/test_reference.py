"""The reference of the package: complete. How it looks in the book: tests/test_book.py."""

import importlib
import pkgutil

import pytest

import dipcourse
from tools import reference

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
