"""Shared fixtures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import front_ends
from tools.front_ends import ClassicNotebook, JupyterLab

ROOT = Path(__file__).parents[1]
COLAB = ROOT / ".venv-colab" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

#: Files that share what is dear to make among the tests of one parameter only.
BY_PARAMETER = "tests/test_lessons.py", "tests/test_assignments.py"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """`make test` runs two at a time: a file stays with one worker, for what its tests share."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            return file + test.partition("[")[2] if file in BY_PARAMETER else file

    return Together(config, log)


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium. It lives for one test file: while it runs, asyncio's loop is taken."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _no_browser("Playwright is not installed")
    with sync_playwright() as playwright:
        try:
            browser = front_ends.launch(playwright)
        except Error as error:
            _no_browser(f"Chromium does not start: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


def _no_browser(reason):
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture
def open_page(chromium):
    """A function (path or URL, **context options) -> Playwright page.

    ``page.requests`` collects every URL that is neither file: nor data:, ``page.complaints`` every
    console error and uncaught exception; the test fails at its end if there are complaints.
    """
    yield from _pages(chromium)


@pytest.fixture(scope="module")
def open_lasting_page(chromium):
    """The same for a page that the tests of a file share."""
    yield from _pages(chromium)


def _pages(chromium):
    contexts, pages = [], []

    def open_(where, **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        pages.append(page)
        page.requests, page.complaints = [], []
        page.on("request", lambda r: _outside(r.url) and page.requests.append(r.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.goto(where if "://" in str(where) else where.resolve().as_uri())
        return page

    yield open_
    complaints = [text for page in pages for text in page.complaints]
    for context in contexts:
        context.close()
    assert not complaints


def _outside(url):
    return not url.startswith(("file:", "data:", "about:", "blob:"))


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """A running JupyterLab server."""
    server = JupyterLab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def classic_notebook(tmp_path_factory, colab, installed):
    """A running Notebook 6 server in the environment with Colab's versions."""
    server = ClassicNotebook(tmp_path_factory.mktemp("classic"), colab, installed)
    yield server
    server.close()


def output(*command, folder, path=()):
    """Run a command in a folder, with PYTHONPATH; return what it prints to stdout."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    process = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]
    return process.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The path of the wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    output(*pip, "-w", folder, ROOT, folder=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", folder)
    output(*pip, wheel, folder=folder)
    return folder


@pytest.fixture(scope="session")
def colab():
    """The Python of the environment with Colab's versions; `make test` makes it."""
    if not COLAB.exists():
        reason = "there is no .venv-colab: run `make test`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return COLAB
