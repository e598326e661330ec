"""The names under which measurements are registered, and the modules that register them."""

import importlib
import pkgutil
import re
from collections.abc import Container

MODULES = "claims", "studies"


def check(name: str, taken: Container[str]) -> None:
    """Raise ValueError unless a name is NN_what and still free."""
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", name):
        raise ValueError(f"{name!r}: call it NN_what, such as '04_long'")
    if name in taken:
        raise ValueError(f"{name} is registered twice")


def import_all(only: Container[str] = ()) -> None:
    """Import what the lessons register; ``only``: these folders of tools/measured."""
    import tools.measured as room

    for folder in pkgutil.iter_modules(room.__path__):
        if folder.ispkg and (not only or folder.name in only):
            package = importlib.import_module(f"{room.__name__}.{folder.name}")
            for module in pkgutil.iter_modules(package.__path__):
                if module.name in MODULES:
                    importlib.import_module(f"{package.__name__}.{module.name}")
