"""Recorded fits and tables: what is kept, how it is made, and what the course's own are like."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dipcourse import degrade, fit, metrics, nets, recordings
from dipcourse.history import History
from tools import notebooks
from tools.measured import circumstances, long, tables
from tools.measured import recordings as record

FACTS = {"command", "device", "threads", "torch", "scale", "date"}
FITS = sorted(recordings.FOLDER.glob("*.npz"))
TABLES = sorted(recordings.FOLDER.glob("*.json"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of recordings."""
    monkeypatch.setattr(recordings, "FOLDER", tmp_path)
    return tmp_path


def film(count=4, size=16):
    """A history of noise, which can hardly be packed."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, count, 3, size, size)
    frames, means = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    last = torch.rand(2, 1, 3, size, size, generator=generator)
    return History(np.linspace(1, 0.1, count), np.arange(count), frames, means, *last, 2.0)


def small_fit(preset):
    """A short fit.

    And more about it.
    """
    y = torch.full((1, 3, preset.size, preset.size), 0.5)
    net, z = preset.make()
    return fit.fit(net, z, y, degrade.Identity(), steps=5, frames=3, progress=False)


# ---- the course's own


def faults(path):
    """What is wrong with a kept file, as texts."""
    found = [f"{path.stat().st_size} bytes"] if path.stat().st_size > record.LIMIT else []
    if path.suffix == ".npz":
        facts, needed = History.load(path).settings, FACTS | {"preset", "shows", "codec psnr"}
        if facts.get("codec psnr", 0) < 35:
            found.append("its frames are rounded too coarsely")
        if not facts.get("command", "").endswith(f"python -m tools.measured record {path.stem}"):
            found.append("the command would not make it")
    else:
        facts, needed = json.loads(path.read_text(encoding="utf-8")), FACTS | {"rows"}
    found += [f"no {name}" for name in sorted(needed) if not facts.get(name)]
    if re.search(r"(^|[\s\"'])/\w", json.dumps({k: facts.get(k) for k in FACTS})):
        found.append("it names a path of the machine that made it")
    return found


@pytest.mark.parametrize("path", FITS + TABLES, ids=lambda path: path.name)
def test_what_the_course_keeps_is_small_and_tells_where_it_comes_from(path):
    assert faults(path) == []


@pytest.mark.parametrize("path", FITS, ids=lambda path: path.name)
def test_what_the_course_plays_can_be_made_again(path):
    assert path.stem in record.registered()


def test_faults_are_found(folder):
    film().save(folder / "99_film.npz")
    (folder / "99_table.json").write_text('{"command": "python /home/me/study.py", "rows": []}')
    assert {"no date", "no command", "no preset"} <= set(faults(folder / "99_film.npz"))
    assert {"no date", "no rows", "it names a path of the machine that made it"} <= set(
        faults(folder / "99_table.json")
    )
    (folder / "99_table.json").write_text(json.dumps({"rows": "-" * 1_000_001}))
    assert "1000013 bytes" in faults(folder / "99_table.json")


def test_lessons_name_recordings_that_there_are():
    for path in notebooks.lessons():
        code = "\n".join(c.source for c in notebooks.read(path).cells if c.cell_type == "code")
        for kind, name in re.findall(r"recordings\.(load|table)\(\"(\w+)\"\)", code):
            getattr(recordings, kind)(name)


# ---- reading


def test_unknown_names_get_the_list(folder):
    with pytest.raises(ValueError, match="no recorded fit '07_x'; there are: none"):
        recordings.load("07_x")
    film().save(folder / "07_long.npz")
    film().save(folder / "04_long.npz")
    (folder / "04_widths.json").write_text("{}")
    with pytest.raises(ValueError, match=r"there are: 04_long, 07_long$"):
        recordings.load("07_x")
    with pytest.raises(ValueError, match=r"no recorded table '04_long'; there are: 04_widths$"):
        recordings.table("04_long")


def test_a_recording_that_is_cut_off(folder):
    path = folder / "07_long.npz"
    film().save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"07_long\.npz is not a complete History"):
        recordings.load("07_long")


def test_only_what_was_recorded_says_where_it_comes_from():
    with pytest.raises(ValueError, match="computed just now"):
        recordings.about(film())


# ---- making fits


def test_a_recording_is_made_and_loaded(folder, monkeypatch):
    monkeypatch.setattr(record, "_registered", {})
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    assert record.recording("99_short", preset="curves")(small_fit) is small_fit
    made = record._registered["99_short"]
    assert "not made yet" in record.describe(made, folder)
    record.record(made, folder)
    history = recordings.load("99_short")
    assert faults(folder / "99_short.npz") == []
    assert len(history) == 3
    assert history.settings["shows"] == "A short fit."
    assert history.settings["preset"] == "curves"
    assert history.settings["scale"] == "smoke"
    assert history.settings["lr"] == 0.01  # what fit chose stays
    command = "DIPCOURSE_SCALE=smoke python -m tools.measured record 99_short"
    assert f"with `{command}` on {circumstances.device()}" in recordings.about(history)
    assert re.search(r"99_short: A short fit\.\n +\d+ kB, JPEG at", record.describe(made, folder))


def test_frames_are_rounded_no_more_than_needed(tmp_path):
    history, path = film(), tmp_path / "99_film.npz"
    finest = record.pack(history, path)
    assert finest.settings["rounding"] == 2
    coarser = record.pack(history, path, limit=int(0.9 * path.stat().st_size))
    assert coarser.settings["rounding"] > 2
    assert coarser.settings["codec psnr"] < finest.settings["codec psnr"]
    assert coarser.settings["codec psnr"] == pytest.approx(
        record.codec_psnr(history, coarser), abs=0.01
    )


def test_frames_are_left_out_when_rounding_is_not_enough(tmp_path):
    history, path = film(40), tmp_path / "99_film.npz"
    history.save(path, rounding=8)
    half = path.stat().st_size // 2
    kept = record.pack(history, path, limit=half)
    assert path.stat().st_size <= half
    assert 8 <= len(kept) < 25
    assert kept.settings["rounding"] == 8
    assert {0, 39} <= set(kept.steps)
    for i, step in enumerate(kept.steps):
        assert metrics.psnr(kept.frame(i), history.frame(step)) > 30
        assert metrics.psnr(kept.frame(i, mean=True), history.frame(step, mean=True)) > 30


def test_too_large_a_recording_is_refused_and_not_lost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "package"
    with pytest.raises(SystemExit, match=r"It is here.* make the picture smaller"):
        record.pack(film(), package / "99_film.npz", limit=3000)
    assert not package.exists()
    assert len(History.load("99_film.npz")) == len(film())


def test_names_are_checked(monkeypatch):
    monkeypatch.setattr(record, "_registered", {})
    record.recording("99_short", preset="curves")(small_fit)
    with pytest.raises(ValueError, match="registered twice"):
        record.recording("99_short", preset="curves")
    for name in ("short", "99-short", "99_Short", "../99_short"):
        with pytest.raises(ValueError, match="call it NN_what"):
            record.recording(name, preset="curves")


def test_the_command_lists_and_makes(monkeypatch, capsys):
    known = {"99_short": record.Recording("99_short", "curves", small_fit)}
    monkeypatch.setattr(record, "registered", lambda: known)
    made = []
    monkeypatch.setattr(record, "record", lambda which, limit: made.append((which, limit)))
    record.main([])
    assert capsys.readouterr().out == "99_short: A short fit.\n    not made yet\n"
    assert made == []
    record.main(["99_short"])
    record.main(["99_short", "--limit", "2.5"])
    assert made == [(known["99_short"], 1_000_000), (known["99_short"], 2_500_000)]
    with pytest.raises(SystemExit):
        record.main(["99_shrt"])
    assert "no such recording: 99_shrt" in capsys.readouterr().err


def test_studies_are_searched_for_recordings():
    known = record.registered()
    assert list(known) == sorted(known)
    assert known["00_overfit"].preset == "overfit"
    assert all(r.shows for r in known.values())


# ---- making tables


def test_a_table_is_kept_row_by_row(folder):
    table = tables.Table("99_widths", ("width", "seed"), folder)
    table.add({"width": 8, "seed": 0, "PSNR": 25.0})
    table.add({"width": 16, "seed": 0, "PSNR": 26.0})
    assert recordings.table("99_widths")["rows"] == table.rows
    again = tables.Table("99_widths", ("width", "seed"), folder)
    assert again.has(width=8, seed=0)
    assert not again.has(width=8, seed=1)
    again.add({"width": 8, "seed": 0, "PSNR": 25.5})
    again.add({"width": 8, "seed": 1, "PSNR": 24.5})
    kept = recordings.table("99_widths")
    assert [row["PSNR"] for row in kept["rows"]] == [25.5, 26.0, 24.5]
    assert faults(folder / "99_widths.json") == []
    assert recordings.about(kept).startswith(f"Recorded on {kept['date']} with `{kept['command']}`")
    assert str(again).splitlines()[0].split() == ["width", "seed", "PSNR"]
    assert (folder / "99_widths.json").read_text(encoding="utf-8").count("\n") == 12


@pytest.mark.parametrize("fact", ["device", "threads", "torch", "scale"])
def test_one_head_is_true_of_all_rows(folder, monkeypatch, fact):
    tables.Table("99_widths", ("width",), folder).add({"width": 8})
    here = circumstances.now
    monkeypatch.setattr(circumstances, "now", lambda: here() | {fact: "another"})
    with pytest.raises(SystemExit, match=rf"other circumstances \({fact}: .*, now another\)"):
        tables.Table("99_widths", ("width",), folder)


def test_numbers_that_are_none_do_not_enter_a_table(folder):
    with pytest.raises(ValueError, match="JSON"):
        tables.Table("99_widths", ("width",), folder).add({"width": 8, "PSNR": float("nan")})


def test_the_command_is_told_as_one_types_it(monkeypatch):
    monkeypatch.delenv("DIPCOURSE_SCALE", raising=False)
    main = sys.modules["__main__"]
    monkeypatch.setattr(sys, "argv", ["/home/me/course/tools/measured/__main__.py", "tables", "x"])
    monkeypatch.setattr(main, "__spec__", SimpleNamespace(name="tools.measured.__main__"))
    assert circumstances.command() == "python -m tools.measured tables x"
    monkeypatch.setattr(main, "__spec__", SimpleNamespace(name="tools.book"))
    monkeypatch.setenv("DIPCOURSE_SCALE", "paper")
    assert circumstances.command() == "DIPCOURSE_SCALE=paper python -m tools.book tables x"


def test_text_has_columns_for_all_rows():
    lines = recordings.text({"rows": [{"a": "wide", "b": 1}, {"c": 0.126}]}).splitlines()
    assert lines == ["   a  b     c", "wide  1      ", "         0.13"]


# ---- fits of hours


KEEP = fit.frame_steps(30, 4)


def long_fit(**settings):
    torch.manual_seed(0)
    net, z = nets.UNet(4, 3, widths=(8, 8)), nets.fixed_input(4, 32, 32)
    y = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return fit.Stepper(net, z, y, degrade.Identity(), jitter=0.05, window=5, threads=1, **settings)


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path, monkeypatch):
    whole = long.go_on("99_long", long_fit, 30, KEEP, tmp_path / "whole", every=1e9).history()
    step, made = fit.Stepper.step, []

    def interrupted(stepper):
        if len(made) == 17:
            raise KeyboardInterrupt
        made.append(step(stepper))

    monkeypatch.setattr(fit.Stepper, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        long.go_on("99_long", long_fit, 30, KEEP, tmp_path, every=0)
    rest_of_it = []
    monkeypatch.setattr(fit.Stepper, "step", lambda one: rest_of_it.append(step(one)))
    rest = long.go_on("99_long", long_fit, 30, KEEP, tmp_path, every=1e9).history()
    assert len(rest_of_it) == 13
    assert (rest.loss == whole.loss).all()
    assert (rest.variance[4:] == whole.variance[4:]).all()
    assert torch.equal(rest.frames, whole.frames)
    assert torch.equal(rest.final, whole.final)
    assert torch.equal(rest.mean, whole.mean)
    assert 0 < rest.seconds < 1000


def test_a_fit_that_is_done_is_not_made_again_and_none_passes_for_another(tmp_path, monkeypatch):
    done = long.go_on("99_long", long_fit, 30, KEEP, tmp_path).history()
    monkeypatch.setattr(fit.Stepper, "step", lambda stepper: pytest.fail("made again"))
    again = long.go_on("99_long", long_fit, 30, KEEP, tmp_path).history()
    assert (again.loss == done.loss).all()
    assert torch.equal(again.frames, done.frames)
    with pytest.raises(SystemExit, match="other settings: delete it"):
        long.go_on("99_long", lambda: long_fit(lr=0.5), 30, KEEP, tmp_path)


def test_what_is_noted_after_each_step_outlives_an_interruption(tmp_path):
    def begin():
        stepper = long_fit()
        stepper.seen = []
        return stepper

    def note(stepper):
        stepper.seen.append(stepper.k)

    def note_till_8(stepper):
        note(stepper)
        if stepper.k == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        long.go_on("99_long", begin, 12, KEEP, tmp_path, every=0, after_step=note_till_8)
    rest = long.go_on("99_long", begin, 12, KEEP, tmp_path, every=0, after_step=note)
    assert rest.seen == [*range(1, 13)]
