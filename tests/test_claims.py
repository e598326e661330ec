"""Claims: computed over seeds, judged, stored, and quoted in the prose."""

import json
import os
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.measured import claims, names, quoting, where


@pytest.fixture
def course(tmp_path, monkeypatch):
    """An empty course with one lesson, and no claims registered."""
    (tmp_path / "lessons").mkdir()
    (tmp_path / "README.md").write_text("Falls by TBD <!-- claim: lesson98-fall -->.\n", "utf-8")
    lesson = new_notebook(
        cells=[
            new_markdown_cell("It falls by TBD <!-- claim: lesson98-fall -->, TBD.", id="text"),
            new_code_cell("# TBD <!-- claim: lesson98-fall -->", id="code"),
        ]
    )
    nbformat.write(lesson, tmp_path / "lessons" / "98_toy.ipynb")
    store = tmp_path / "claims.json"
    save = quoting.save
    monkeypatch.setattr(quoting, "save", lambda entries: save(entries, store, tmp_path))
    monkeypatch.setattr(claims, "_registered", {})
    monkeypatch.setattr(names, "import_all", lambda only=(): None)
    return tmp_path


def register(id="lesson98-fall", values=(3.14, 3.6, 3.3), holds=None, **options):
    scales = []

    def compute(seed):
        scales.append(os.environ["DIPCOURSE_SCALE"])
        return values[seed]

    holds = holds or (lambda falls: min(falls) >= 3)
    claims.claim(id, holds, unit="dB", **options)(compute)
    return scales


def prose(course):
    cells = nbformat.read(course / "lessons" / "98_toy.ipynb", as_version=4).cells
    return [cell.source for cell in cells]


def test_a_claim_is_stored_and_quoted(course):
    register()
    assert claims.main([]) == 0
    entry = json.loads((course / "claims.json").read_text("utf-8"))["lesson98-fall"]
    assert entry.keys() >= {"device", "threads", "torch", "date", "command"}
    assert entry["text"] == "3.1–3.6 dB"
    assert entry["values"] == [3.14, 3.6, 3.3]
    assert (entry["seeds"], entry["unit"]) == ([0, 1, 2], "dB")
    assert (entry["lesson"], entry["scale"]) == ("lesson98", "laptop")
    assert prose(course) == [
        "It falls by 3.1–3.6 dB <!-- claim: lesson98-fall -->, TBD.",
        "# TBD <!-- claim: lesson98-fall -->",
    ]
    assert "3.1–3.6 dB <!--" in (course / "README.md").read_text("utf-8")


def test_new_values_replace_old_ones_and_others_stay(course):
    register()
    register("lesson97-other")
    claims.main([])
    claims._registered.clear()
    register(values=(5, 6, 7))
    assert claims.main(["--only", "lesson98"]) == 0
    stored = quoting.stored(course / "claims.json")
    assert {id: entry["text"] for id, entry in stored.items()} == {
        "lesson97-other": "3.1–3.6 dB",
        "lesson98-fall": "5.0–7.0 dB",
    }
    assert prose(course)[0].startswith("It falls by 5.0–7.0 dB <!--")


def test_a_claim_that_does_not_hold_is_not_written(course, capsys):
    register(holds=lambda falls: min(falls) >= 4)
    assert claims.main([]) == 1
    assert "DOES NOT HOLD" in capsys.readouterr().out
    assert quoting.stored(course / "claims.json") == {}
    assert prose(course)[0].startswith("It falls by TBD")


def test_a_failed_assertion_stops_no_other_claim(course, capsys):
    @claims.claim("lesson98-first", lambda values: True)
    def first(seed):
        assert seed < 1, "the order is another"
        return seed

    register()
    assert claims.main([]) == 1
    assert "DOES NOT HOLD: the order is another" in capsys.readouterr().out
    assert list(quoting.stored(course / "claims.json")) == ["lesson98-fall"]


def test_scale_is_set_and_restored(course, monkeypatch):
    monkeypatch.setenv("DIPCOURSE_SCALE", "smoke")
    scales = register(scale="paper")
    claims.main([])
    assert scales == ["paper"] * 3
    assert os.environ["DIPCOURSE_SCALE"] == "smoke"


def test_own_words(course):
    register(text=lambda values: f"at least {min(values):.0f} dB")
    claims.main([])
    assert "by at least 3 dB <!--" in prose(course)[0]


def test_registering_wrongly():
    with pytest.raises(ValueError, match="at least 3 seeds"):
        claims.claim("lesson98-few", all, seeds=(0, 1))


def test_registering_twice(course):
    register()
    with pytest.raises(ValueError, match="twice"):
        register()


def test_unknown_names_are_refused(course):
    register()
    with pytest.raises(SystemExit, match="lesson11"):
        claims.main(["--only", "lesson11"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("by TBD <!-- claim: a-b -->", "by 9 dB <!-- claim: a-b -->"),
        ("by 5 dB <!-- claim: a-b -->", "by 9 dB <!-- claim: a-b -->"),
        ("by 9 dB <!-- claim: a-b -->", "by 9 dB <!-- claim: a-b -->"),
        ("by 15 dB <!-- claim: a-b -->", "by 15 dB <!-- claim: a-b -->"),
        ("5 dB and 5 dB <!-- claim: a-b -->", "5 dB and 9 dB <!-- claim: a-b -->"),
        ("TBD <!-- claim: c-d -->", "TBD <!-- claim: c-d -->"),
        (
            "5 dB<!-- claim: a-b -->. TBD <!-- claim: a-b -->",
            "9 dB<!-- claim: a-b -->. 9 dB <!-- claim: a-b -->",
        ),
    ],
)
def test_quoting(before, after):
    assert quoting.quote(before, {"a-b": "9 dB"}, {"a-b": "5 dB"}) == after


def test_every_module_belongs_to_a_lesson():
    """All registered claims carry their lesson's name, and what is stored is registered."""
    registered = {claim.id for claim in claims.registered()}
    stored = {id for id in quoting.stored() if not id.endswith(("-time", "-time-avx2"))}
    assert stored == registered


def test_every_claim_is_read():
    """A number that no page and no lesson quotes is not kept."""
    assert set(quoting.stored()) - set(where.quotes()) == set()


def test_where_tells_code_place_and_circumstances(capsys):
    assert where.main(["lesson00-best"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"computed by tools/measured/lesson00/claims\.py:\d+", said)
    assert "quoted in 00_start_here.ipynb, cell " in said
    assert f"torch {quoting.stored()['lesson00-best']['torch']}" in said


def test_where_finds_numbers_tables_fits_and_figures(capsys):
    number = quoting.stored()["lesson00-best"]["text"]
    for word, found in (
        (number, "claim lesson00-best"),
        ("09_cures", "table 09_cures"),
        ("04_long", "fit 04_long"),
        ("05_seeds", "figure 05_seeds"),
    ):
        assert where.main([word]) == 0
        assert found in capsys.readouterr().out


def test_where_finds_nothing(capsys):
    assert where.main(["123.456"]) == 1
    assert "nothing that is stored" in capsys.readouterr().out
