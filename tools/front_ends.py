"""JupyterLab, Notebook 6 and Chromium, started for tests and screenshots."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from urllib.error import URLError
from urllib.request import Request, urlopen

import nbformat

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


def launch(playwright):
    """A headless browser: the system's Chromium, or else the one that Playwright brought."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    return playwright.chromium.launch(executable_path=path, args=SWITCHES)


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
        raise RuntimeError(f"{command} did not start")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}?token={self.TOKEN}"

    def notebook(self, name, *sources):
        """Write a notebook with these code cells; returns where it opens."""
        cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
        python = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), self.folder / name)
        return self.url(f"{self.PAGE}/{name}")

    def ask(self, method, path):
        """The answer of the server's REST interface."""
        with urlopen(Request(self.url(path), method=method), timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def kill_kernels(self):
        for kernel in self.ask("GET", "api/kernels"):
            self.ask("DELETE", f"api/kernels/{kernel['id']}")

    def interrupt_kernels(self):
        """What the stop button of a front end does."""
        for kernel in self.ask("GET", "api/kernels"):
            self.ask("POST", f"api/kernels/{kernel['id']}/interrupt")

    def close(self):
        """End it at once: Notebook 6 takes 20 s to say goodbye."""
        with suppress(URLError):
            self.kill_kernels()
        self.process.kill()
        self.process.wait()


class JupyterLab(Server):
    PAGE, CELL, SLIDER = "lab/tree", ".jp-Cell", "[role=slider]"
    PLAY, PAUSE = 0, 0  # places of the buttons of a Play widget
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

    def __init__(self, folder, environment=None):
        super().__init__(folder, [sys.executable, "-m", "jupyterlab"], self.OPTIONS, environment)

    def run_all(self, page):
        """Start all cells of the notebook that the page shows."""
        self.wait(page)
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def wait(self, page):
        """Wait until the notebook is there and its kernel idle."""
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
        page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status
            === 'idle'""",
            timeout=60_000,
        )


class ClassicNotebook(Server):
    """Notebook 6 with ipywidgets 7.7.1: the widgets that Colab has."""

    PAGE, CELL, SLIDER = "notebooks", ".cell", ".ui-slider-handle"
    PLAY, PAUSE = 0, 1
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
        """Start all cells of the notebook that the page shows."""
        page.wait_for_function(
            """() => window.Jupyter?.notebook?.kernel?.is_connected()
            && Jupyter.notebook.kernel.widget_manager""",
            timeout=60_000,
        )
        # Until its manager has given up on a comm that this kernel lacks (4 s), it draws nothing.
        page.wait_for_timeout(6_000)
        page.evaluate("() => Jupyter.notebook.execute_all_cells()")
