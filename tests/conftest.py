"""Shared fixtures."""

import contextlib
import gc
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
import warm

from tools import front_ends
from tools.front_ends import ClassicNotebook, JupyterLab

gc.disable()  # until all is imported, which takes a third longer with it

ROOT = Path(__file__).parents[1]
COLAB = ROOT / ".venv-colab" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

START = pytest.StashKey[warm.Start]()

#: Files that share what is dear to make among the tests of one parameter only.
BY_PARAMETER = "tests/test_lessons.py", "tests/test_assignments.py"

#: What takes long, the longest first: all else comes after it, and `make check` leaves it out.
LONG = (
    "tests/test_assignments.py",
    "tests/test_grading.py",
    "tests/test_class.py",
    "tests/test_lessons.py",
    "tests/test_collect.py",
    "tests/test_sandbox.py",
    "tests/test_handin.py",
    "tests/test_front_ends.py",
    "tests/test_book.py",
    "tests/test_interrupts.py",
    "tests/test_release.py",
    "tests/test_warm.py",
    "tests/test_lesson_90.py",
    "tests/test_machine.py",
    "tests/test_threads.py",
    "tests/test_together.py",
    "tests/test_gpu.py",
    "tests/test_lesson_0",
    "tests/test_lesson_1",
    "tests/test_repository.py",
    "tests/test_presets.py::test_every_candidate_of_the_study_can_be_fitted",
    "tests/test_images.py::test_memory_is_bounded",
    "tests/test_images.py::test_a_200_megapixel_picture_loads",
    "tests/test_fit.py::test_precision_follows_the_hardware",
    "tests/test_fit.py::test_float16_differs_less_than_another_seed",
)


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` is heeded
def pytest_collection_modifyitems(items):
    """What takes long comes first: so no worker waits for the other in the end."""
    places = {id(item): place_of(item.nodeid) for item in items}
    items.sort(key=lambda item: places[id(item)])
    for item in items:
        if places[id(item)] < len(LONG):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """Garbage is collected from now on, seldom, and not among what was imported."""
    gc.freeze()
    gc.set_threshold(5000)
    gc.enable()


def place_of(nodeid):
    """The place of a test in LONG, or behind its end."""
    return next((k for k, start in enumerate(LONG) if nodeid.startswith(start)), len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """`make test` runs three at a time: a file stays with one worker, for what its tests share."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            return file + test.partition("[")[2] if file in BY_PARAMETER else file

    config.option.loadscopereorder = False  # files come in the order of their tests
    return Together(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """The workers of `make test` share a server of warm starts."""
    config = node.config
    if START not in config.stash:
        stack = contextlib.ExitStack()
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config.stash[START] = stack.enter_context(warm.server(Path(folder)))
        config.add_cleanup(stack.close)
    node.workerinput["start"] = tuple(config.stash[START])


@pytest.fixture(scope="session")
def start(request, tmp_path_factory):
    """How Python programs and kernels start that find the libraries imported."""
    shared = getattr(request.config, "workerinput", {}).get("start")
    if shared:
        yield warm.Start(*shared)
        return
    with warm.server(tmp_path_factory.mktemp("warm")) as how:
        yield how


@pytest.fixture(scope="module")
def warm_kernels(start):
    """The kernels that the tests of a file execute start warm."""
    with kernels_start(start):
        yield


@contextlib.contextmanager
def kernels_start(start):
    """A block in which kernels, and the servers of kernels, start so."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in start.environment.items():
            patch.setenv(name, value)
        yield


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
def figures(monkeypatch):
    """The figures of Matplotlib that files hold; here they are drawn as soon as they are made."""
    from matplotlib.figure import Figure

    from dipcourse import show  # takes seconds, which whoever only collects can do without

    seen, write, make = [], Figure.savefig, show.Picture.__init__

    def made(picture, *given):
        make(picture, *given)
        assert picture.png

    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: seen.append(f) or write(f, *a, **k))
    monkeypatch.setattr(show.Picture, "__init__", made)
    return seen


@pytest.fixture
def open_page(chromium):
    """A function (path or URL, **context options) -> Playwright page.

    ``page.requests`` collects every URL that is neither file: nor data:, ``page.complaints`` every
    console error and uncaught exception; the test fails at its end if there are complaints.
    """
    yield from _pages(chromium)


#: A stand-in for the notebook; `saved` and `messages` count what the widget, shown twice, sends.
WIDGET_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>widget</title>
<body style="margin:0"><div class="NOTE">no widget</div><div id="one"></div><div id="two"></div>"""
WIDGET_START = """async ([code, state]) => {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const widget = (await import(url)).default();
    window.state = state;
    window.saved = window.messages = 0;
    const model = {
        get: (name) => state[name],
        set: (name, value) => { state[name] = value; },
        save_changes: () => { saved++; },
        send: (content) => { Object.assign(state, content); messages++; }, // as the kernel does
    };
    await widget.initialize({ model });
    for (const id of ["one", "two"]) widget.render({ model, el: document.getElementById(id) });
}"""


@pytest.fixture
def open_widget(open_page, tmp_path):
    """A function (widget, names of its state, script before it, **context options) -> page."""

    def open_(widget, names, before="() => {}", **options):
        path = tmp_path / "widget.html"
        path.write_text(WIDGET_PAGE.replace("NOTE", widget.note), "utf-8")
        page = open_page(path, viewport={"width": 700, "height": 900}, **options)
        page.evaluate(before)
        state = {name: getattr(widget, name) for name in names}
        page.evaluate(WIDGET_START, [widget._esm, state])
        return page

    return open_


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
def jupyterlab(tmp_path_factory, start):
    """A running JupyterLab server."""
    with kernels_start(start):
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
def archives(tmp_path_factory):
    """A folder with what this checkout is packed into: a wheel and a source archive."""
    folder = tmp_path_factory.mktemp("archives")
    output(sys.executable, "-m", "hatchling", "build", "-d", folder, folder=ROOT)
    return folder


@pytest.fixture(scope="session")
def wheel(archives):
    """The path of the wheel."""
    (path,) = archives.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """A folder that holds what the wheel installs and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def colab():
    """The Python of the environment with Colab's versions; `make test` makes it."""
    if not COLAB.exists():
        reason = "there is no .venv-colab: run `make test`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return COLAB
