"""Screenshots of every widget of the lessons in JupyterLab, for a person to look at.

    python -m tools.screenshots                     all lessons and the live panels
    python -m tools.screenshots lessons/02*.ipynb   some lessons
    python -m tools.screenshots --panels            the live panels alone

Lessons run at smoke scale, so the pictures in them are rough. The files go to screenshots/:
one for each cell with a widget or a player, named after lesson and cell.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tools import front_ends, notebooks

OUT = notebooks.ROOT / "screenshots"
WINDOW = {"width": 1400, "height": 1500}
RUN_ALL = """() => {
    jupyterapp.shell.collapseLeft();
    return jupyterapp.commands.execute("notebook:run-all-cells").then(() => {});
}"""
WITH_WIDGET = """() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model)
    .filter((model) => model.type === "code" && model.toJSON().outputs
        .some((output) => /widget-view|<script/.test(JSON.stringify(output.data))))
    .map((model) => model.id)"""
CELL = """async (index) => {
    const { content } = jupyterapp.shell.currentWidget;
    content.activeCellIndex = index;
    await content.scrollToItem(index);
    return content.widgets[index].node;
}"""
PANELS = {
    "fit_panel": """
import torch
from dipcourse import degrade, images, live, player, presets
x = images.load("face", size=192)
y = degrade.add_noise(x, 25 / 255, generator=torch.Generator().manual_seed(0))
preset = presets.get("denoise", "laptop")
net, z = preset.make()
panel = live.fit_panel(net, z, y, degrade.Identity(), reference=x, **preset.fit)
""",
    "draw_mask": "drawn = live.draw_mask(x, start=degrade.hole_mask(192, 192, 100, 40, 130, 80))",
    "damage_panel": "damaged = live.damage_panel()",
    "compare": 'player.compare(y, x, ("y: noisy", "x: clean"), reference=x);',
}


def main():
    """Take the screenshots; return 1 if a cell failed."""
    from playwright.sync_api import sync_playwright

    options = _options()
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        smoke = {"DIPCOURSE_SCALE": "smoke"}
        server = front_ends.JupyterLab(Path(folder), smoke)
        browser = front_ends.launch(playwright)
        try:
            good = [shoot_lesson(server, browser, path) for path in options.lessons]
            if options.panels:
                good.append(shoot_panels(server, browser))
        finally:
            browser.close()
            server.close()
    return 0 if all(good) else 1


def shoot_lesson(server, browser, path):
    """Run a lesson and take a picture of each widget; True if no cell failed."""
    notebook = notebooks.read(path)
    (server.folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    own_workspace = f"lab/workspaces/{path.stem}/tree/{path.name}"  # no other lesson's tab in it
    page = _run(server, browser, server.url(own_workspace))
    alive = page.evaluate(WITH_WIDGET)
    for index, cell in enumerate(notebook.cells):
        if cell.id in alive:
            _shoot(page, index, f"{path.stem[:2]}_{cell.id}")
    good = _all_ran(page, path.name)
    page.context.close()
    server.kill_kernels()
    return good


def shoot_panels(server, browser):
    """Use the live panels and take a picture of each; True if no cell failed."""
    page = _run(server, browser, server.notebook("panels.ipynb", *PANELS.values()))
    cell = page.evaluate_handle(CELL, 0).as_element()
    buttons = cell.query_selector_all("button")
    buttons[server.PLAY].click()
    page.wait_for_timeout(20_000)
    buttons[server.PAUSE].click()
    page.get_by_text("· paused").wait_for()
    for index, name in enumerate(PANELS):
        if name == "draw_mask":
            canvas = page.evaluate_handle(CELL, index).as_element().wait_for_selector("canvas")
            box = canvas.bounding_box()
            page.mouse.move(box["x"] + 60, box["y"] + 40)
            page.mouse.down()
            page.mouse.move(box["x"] + 260, box["y"] + 110, steps=9)
            page.mouse.up()
        _shoot(page, index, f"panels_{name}")
    good = _all_ran(page, "the panels")
    page.context.close()
    return good


def _options():
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("lessons", nargs="*", type=Path)
    parser.add_argument("--panels", action="store_true", help="the live panels")
    options = parser.parse_args()
    if not options.lessons and not options.panels:
        options.lessons, options.panels = notebooks.lessons(), True
    return options


def _run(server, browser, url):
    page = browser.new_context(viewport=WINDOW).new_page()
    page.set_default_timeout(600_000)
    page.goto(url)
    page.add_style_tag(content=".Toastify { display: none; }")  # JupyterLab's own messages
    server.wait(page)
    page.evaluate(RUN_ALL)
    return page


def _shoot(page, index, name):
    cell = page.evaluate_handle(CELL, index).as_element()
    page.wait_for_timeout(1_000)  # pictures are decoded
    path = OUT / f"{name}.png"
    cell.screenshot(path=path)
    print(path.relative_to(notebooks.ROOT), flush=True)


def _all_ran(page, name):
    failed = page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model)
        .filter((model) => model.type === "code" && model.toJSON().outputs
            .some((output) => output.output_type === "error"))
        .map((model) => model.id)"""
    )
    if failed:
        print(f"{name}: these cells failed: {', '.join(failed)}", file=sys.stderr)
    return not failed


if __name__ == "__main__":
    sys.exit(main())
