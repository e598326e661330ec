"""Shared fixtures."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[1]
COLAB = ROOT / ".venv-colab" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium. It lives for one test file: while it runs, asyncio's loop is taken."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _no_browser("Playwright is not installed")
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        try:
            browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
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
    contexts, pages = [], []

    def open_(where, **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
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


class Server:
    """A Jupyter server of its own in ``folder``, which knows no user's settings."""

    TOKEN = "test"

    def __init__(self, folder, command, options, environment=None):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR")
        own = {name: str(folder / f".{name}") for name in places}
        self.process = subprocess.Popen(
            [*command, *(option.format(port=self.port, folder=folder) for option in options)],
            env={**os.environ, **own, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            try:
                self.ask("GET", "api/status")
            except URLError:
                time.sleep(0.2)
            else:
                return
        self.close()
        pytest.fail(f"{command} did not start")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}?token={self.TOKEN}"

    def ask(self, method, path):
        """The answer of the server's REST interface."""
        with urlopen(Request(self.url(path), method=method), timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def kill_kernels(self):
        for kernel in self.ask("GET", "api/kernels"):
            self.ask("DELETE", f"api/kernels/{kernel['id']}")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class JupyterLab(Server):
    PAGE, CELL, SLIDER = "lab/tree", ".jp-Cell", "[role=slider]"
    OPTIONS = (
        "--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={Server.TOKEN}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--no-browser",
        "--allow-root",
    )

    def __init__(self, folder):
        super().__init__(folder, [sys.executable, "-m", "jupyterlab"], self.OPTIONS)

    def run_all(self, page):
        """Run all cells of the notebook that the page shows."""
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
        page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status
            === 'idle'""",
            timeout=60_000,
        )
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")


class ClassicNotebook(Server):
    """Notebook 6 with ipywidgets 7.7.1: the widgets that Colab has."""

    PAGE, CELL, SLIDER = "notebooks", ".cell", ".ui-slider-handle"
    OPTIONS = (
        "--port={port}",
        "--ip=127.0.0.1",
        "--notebook-dir={folder}",
        f"--NotebookApp.token={Server.TOKEN}",
        "--no-browser",
        "--allow-root",
    )

    def __init__(self, folder, python, packages):
        environment = {"PYTHONPATH": str(packages)}
        super().__init__(folder, [python, "-m", "notebook"], self.OPTIONS, environment)

    def run_all(self, page):
        """Run all cells of the notebook that the page shows."""
        page.wait_for_function(
            """() => window.Jupyter?.notebook?.kernel?.is_connected()
            && Jupyter.notebook.kernel.widget_manager""",
            timeout=60_000,
        )
        # Until its manager has given up on a comm that this kernel lacks (4 s), it draws nothing.
        page.wait_for_timeout(6_000)
        page.evaluate("() => Jupyter.notebook.execute_all_cells()")


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    """A running JupyterLab server."""
    server = JupyterLab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="module")
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
