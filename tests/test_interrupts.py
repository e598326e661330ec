"""Ctrl-C and the stop button: in scripts, in kernels, and while something is imported."""

import os
import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest
from conftest import ROOT
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

# a job in the background of a script is started with interrupts ignored
PRELUDE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
def press():
    os.kill(os.getpid(), signal.SIGINT)
"""
FITS = """
import torch
from dipcourse import _interrupts, degrade, fit, nets, player, show

y = torch.rand(1, 1, 16, 16)


class Net(nets.PixelImage):
    def forward(self, z):
        self.calls += 1
        if self.calls - 1 in self.presses:
            press()
        return super().forward(z)


def interrupted_at(*presses, steps=60):  # the History's own look at the net is a call, too
    net = Net(y)
    net.calls, net.presses = 0, presses
    return fit.fit(net, None, y, degrade.Identity(), steps=steps, progress=False)


def later():
    _interrupts._last -= _interrupts.AGAIN
"""


def python(code, command=(sys.executable,), **environment):
    """Run code in a fresh Python; what it says and how it ends."""
    return subprocess.run(
        [*command, "-c", PRELUDE + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=120,
    )


# ---- what is imported late


def test_an_interrupt_cuts_no_import_of_the_first_fit_in_half():
    result = python(
        """
        names = {"torch._dynamo", "sympy.core.numbers", "sympy.polys"}
        def hook(event, arguments):
            if event == "import" and arguments[0] in names:
                names.discard(arguments[0])
                press()
        sys.addaudithook(hook)
        for attempt in range(6):
            try:
                import torch
                from dipcourse import degrade, fit, nets
                y = torch.rand(1, 1, 8, 8)
                fit.fit(nets.PixelImage(y), None, y, degrade.Identity(), steps=2, progress=False)
                print("fitted")
                break
            except KeyboardInterrupt:
                print("interrupted")
        """
    )
    assert result.stdout.split() == ["interrupted", "fitted"], result.stderr


def test_after_the_set_up_nothing_is_imported_open_to_an_interrupt():
    result = python(
        """
        import tempfile
        import torch
        from dipcourse.fit import optimizers
        from dipcourse import check, degrade, fit, images, live, metrics, nets, player, presets
        from dipcourse import priors, recordings, show, stopping

        found = []
        def hook(event, arguments):
            held = "held" in getattr(signal.getsignal(signal.SIGINT), "__qualname__", "")
            if event == "import" and not held:
                found.append(arguments[0])

        sys.addaudithook(hook)
        y = images.load("astronaut", 32)
        hide = degrade.random_mask(32, 32, 0.1, torch.Generator().manual_seed(1))

        def run(**settings):
            net, z = nets.UNet(8, 3, widths=(8, 8), skip=2), nets.fixed_input(8, 32, 32)
            A = degrade.Identity()
            return fit.fit(net, z, y, A, steps=6, **{"progress": False, **settings})

        for name in (*optimizers.OPTIMIZERS, torch.optim.AdamW, torch.optim.RMSprop):
            run(optimizer=name, precision="float32")
        run(precision="bfloat16")
        history = run(
            jitter=0.1, rollback=1.001, window=3, holdout=hide, prior=priors.total_variation,
            progress=True,
        )
        metrics.psnr(history.final, y), metrics.ssim(history.final, y)
        metrics.explained_energy(history.final, y)
        stopping.oracle(history, y)
        show.images({"y": y}, y), show.curves({"loss": history.loss}, log="xy")
        show.strip(history, y), show.reference("03_curves")
        player.iterations(history, y), player.compare(y, history.final)
        recordings.load("00_overfit"), recordings.text(recordings.table("04_jpeg"))
        live.fit_panel(nets.PixelImage(y), None, y, degrade.Identity()).step()
        live.damage_panel({"y": y}), live.draw_mask(y), live.iterations(history)
        check.expect("one", 1, want=1)
        with tempfile.TemporaryDirectory() as folder:
            history.save(f"{folder}/fit", rounding=4)
            show.images({"y": y}).save(f"{folder}/y.png")
            images.load(f"{folder}/y.png")
        print("open:", found)
        """
    )
    assert result.stdout.endswith("open: []\n"), result.stdout + result.stderr


def test_held_interrupts_come_after_the_block():
    result = python(
        """
        from dipcourse._interrupts import held
        try:
            with held():
                press()
                press()
                print("to the end")
            print("not reached")
        except KeyboardInterrupt:
            print("then raised")
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with held():
            press()
        print("ignored")
        """
    )
    assert result.stdout.split("\n") == ["to the end", "then raised", "True", "ignored", ""]


# ---- in scripts


def test_a_script_stops_one_fit_then_everything(start):
    result = python(
        FITS
        + """
def raises(*presses):
    try:
        interrupted_at(*presses)
    except KeyboardInterrupt as error:
        print(f"raised {type(error).__name__}")

history = interrupted_at(20)
assert history.interrupted and len(history.loss) == 20, len(history.loss)
assert history.steps[-1] == 19
print("went on")
later()
assert len(interrupted_at(5).loss) == 5
later()
print("before the first step:")
raises(0)
print("while the History is made:")
raises(5, 6)
os.environ["NBGRADER_EXECUTION"] = "autograde"
print("under grading:")
raises(5)
raises(5)
del os.environ["NBGRADER_EXECUTION"]
print("twice:")
interrupted_at(7)
interrupted_at(5)
print("not reached")
""",
        start.command,
    )
    stopped = "Stopped by hand: this fit was stopped after {} of 60 steps. Interrupt again within "
    stopped += "10 s to stop everything."
    assert result.stdout.splitlines() == [
        stopped.format(20),
        "went on",
        stopped.format(5),
        "before the first step:",
        "raised KeyboardInterrupt",
        "while the History is made:",
        "raised KeyboardInterrupt",
        "under grading:",
        "raised KeyboardInterrupt",
        "raised KeyboardInterrupt",
        "twice:",
        stopped.format(7),
    ], result.stderr
    assert result.stderr.endswith("KeyboardInterrupt\n")
    assert result.returncode in (1, 130, -signal.SIGINT)


# ---- in notebooks


@pytest.fixture(scope="module", params=["new", "colab"])
def kernel(request, start):
    """A function that runs a cell in a kernel that knows the code above."""
    manager, environment = KernelManager(), dict(os.environ)
    command = start.command
    if request.param == "colab":  # ipykernel 6.17 and IPython 7.34
        command = [str(request.getfixturevalue("colab"))]
        environment["PYTHONPATH"] = str(request.getfixturevalue("installed"))
    launch = [*command, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=launch, display_name="", language="python")
    manager.start_kernel(cwd=ROOT, env=environment)
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)

    def run(code):
        said = SimpleNamespace(text="", error=None, shown="")

        def listen(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                said.text += content["text"]
            elif message["msg_type"] == "error":
                said.error = content
            elif message["msg_type"] in ("display_data", "execute_result"):
                said.shown += str(content["data"])

        # after an error, a busy old kernel would refuse the next cell for a moment
        options = {"stop_on_error": False, "timeout": 120}
        reply = client.execute_interactive(code, output_hook=listen, **options)
        said.status = reply["content"]["status"]
        return said

    begun = run("import os, signal\n" + PRELUDE.split("handler)")[1] + FITS)
    assert begun.status == "ok", begun
    yield SimpleNamespace(run=run, client=client, manager=manager)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


SWEEP = """
for presses in ((), (5,), ()):
    history = interrupted_at(*presses)
    print(f"loss {history.loss[-1]:.5f}")
"""


def test_one_interrupt_stops_one_fit_and_the_cell_says_which(kernel):
    kernel.run("later()")
    said = kernel.run(SWEEP)
    assert said.status == "ok"
    assert said.text.count("loss") == 3
    assert "Stopped by hand: this fit was stopped after 5 of 60 steps. Interrupt again" in said.text
    last = said.text.splitlines()[-1]
    assert last.startswith("Of the 3 fits of this cell")
    assert "fit 2 (Net, stopped after 5 of 60 steps)." in last
    assert "by hand" not in kernel.run("interrupted_at(); interrupted_at()").text  # a new cell
    kernel.run("later()")
    alone = kernel.run("history = interrupted_at(7)").text
    assert alone.count("stopped") == 1  # with a single fit, its line is enough
    assert "fits of this cell" not in alone


def test_a_second_interrupt_ends_everything_in_one_line(kernel):
    kernel.run("later()")
    kernel.run("interrupted_at(5)")
    said = kernel.run("interrupted_at(9)")
    assert said.status == "error"
    assert said.error["ename"] == "Stopped"
    (line,) = said.error["traceback"]
    assert line.startswith("Everything is stopped. The last fit was stopped after 9 of 60 steps;")
    assert "9\n" in kernel.run("import sys; print(len(sys.last_value.history.loss))").text
    assert kernel.run("interrupted_at(5)").status == "ok"  # begins anew: one stops one


def test_two_fast_interrupts_end_in_one_line_and_keep_the_history(kernel):
    kernel.run("later()")
    said = kernel.run("interrupted_at(5, 6)")  # the second while the History is made
    assert said.error["ename"] == "Stopped"
    assert len(said.error["traceback"]) == 1
    assert "5\n" in kernel.run("import sys; print(len(sys.last_value.history.loss))").text


def test_an_interrupt_while_the_history_of_a_whole_fit_is_made_waits(kernel):
    kernel.run("later()")
    said = kernel.run("history = interrupted_at(20, steps=20); print(history.interrupted)")
    assert "this fit was finished already. Interrupt again" in said.text
    assert said.text.endswith("False\n")


def test_an_interrupt_before_the_first_step_is_one_line(kernel):
    kernel.run("later()")
    said = kernel.run("interrupted_at(0, 1)")
    assert said.error["ename"] == "Stopped"
    assert said.error["traceback"] == ["Everything is stopped; the last fit has no result."]


@pytest.mark.parametrize("cell", ["interrupted_at(5); press()", "interrupted_at(5)#press()"])
def test_the_second_interrupt_may_meet_no_fit(kernel, cell):
    """In the same cell, or in a later one."""
    kernel.run("later()")
    said = [kernel.run(code) for code in cell.split("#")][-1]
    assert said.error["traceback"] == ["Everything is stopped."]
    again = kernel.run("press()")
    assert again.error["ename"] == "KeyboardInterrupt"  # no fit, and not soon after one


def test_run_all_ends(kernel):
    kernel.run("later()")
    client = kernel.client
    # the second is in the kernel's queue before the first ends, also on a busy machine
    first = "import time; time.sleep(1); interrupted_at(5, 6)"
    requests = [client.execute(code) for code in (first, "print('not reached')")]
    replies = {}
    while set(replies) != set(requests):
        reply = client.get_shell_msg(timeout=60)
        replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
    assert replies[requests[0]] == "error"
    assert replies[requests[1]] in ("aborted", "error")


def test_a_stopped_fit_is_marked_where_it_is_shown(kernel):
    kernel.run("later()")
    said = kernel.run(
        "history = interrupted_at(5); show.strip(history); player.iterations(history)"
    )
    assert said.shown.count("step 4 (stopped after 5 of 60 steps)") >= 1
    assert "Iterations (stopped after 5 of 60 steps)" in said.shown
    assert "History (stopped after 5 of 60 steps) of 5 steps" in kernel.run("history").shown


ENDLESS = """
def tell(x):
    tell.calls += 1
    if tell.calls == 3:
        print("fitting")
    return 0 * x.sum()
tell.calls = 0
net = nets.PixelImage(y)
history = fit.fit(
    net, None, y, degrade.Identity(), steps=10**7, frames=2, prior=tell, progress=False
)
print(history.interrupted)
"""


def test_the_stop_button_of_a_front_end(kernel):
    kernel.run("later()")
    text = ""
    kernel.client.execute(ENDLESS)
    while not text.endswith("True\n"):
        message = kernel.client.get_iopub_msg(timeout=60)
        assert message["msg_type"] != "error"
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
            if text == "fitting\n":
                kernel.manager.interrupt_kernel()
    assert "Stopped by hand: this fit was stopped after " in text
    assert kernel.client.get_shell_msg(timeout=60)["content"]["status"] == "ok"


PANEL = """
from dipcourse import live
panel = live.fit_panel(nets.PixelImage(0 * y), None, y, degrade.Identity(), steps=10**6)
panel.play.observe(lambda change: change.new == 2 and press(), names="value")  # after the tick
print(panel.play.comm.comm_id, panel._playing)
"""


def test_a_panel_hears_an_interrupt_beside_its_ticks(kernel):
    """In a widget's message, which swallows a KeyboardInterrupt; a cell's raises it."""
    kernel.run("later()")
    widget, playing = kernel.run(PANEL).text.split()
    for state in ({playing: True}, {"value": 1}, {"value": 2}):
        content = {"comm_id": widget, "data": {"method": "update", "state": state}}
        content["data"]["buffer_paths"] = []
        kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", content))
    look = "print(panel._is_playing(), live.fitting.STOPPED.split()[0] in panel.html)"
    assert any(kernel.run(look).text == "False True\n" for _ in range(20))  # the loop has a turn
    kernel.run("panel.play.value = 0; setattr(panel.play, panel._playing, True)")
    assert kernel.run("press()").error["ename"] == "KeyboardInterrupt"
    kernel.run("panel.pause()")


@pytest.mark.parametrize("presses", ["5", "5, 6", "0"])
def test_under_grading_an_interrupt_is_what_it_always_was(kernel, presses):
    kernel.run("later(); os.environ['NBGRADER_EXECUTION'] = 'autograde'")
    said = kernel.run(f"interrupted_at({presses})")
    kernel.run("del os.environ['NBGRADER_EXECUTION']")
    assert said.error["ename"] == "KeyboardInterrupt"
    assert said.text == ""
