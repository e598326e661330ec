"""What lesson 11 builds and states; its whole run without a classifier, too."""

import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell
from torch import nn

from dipcourse import degrade, images, recordings
from tools import lesson_code, notebooks
from tools.execute import execute, printed

SIDE = 32
CLASSES = ("cheeseburger", "black swan", "goose", "tree frog")
CELLS = ("build-probability", "build-operator", "build-verdict", "build-ask", "build-tv")
CELLS += ("build-network", "build-features", "build-invert", "build-best", "build-compare")
CELLS += ("build-one-setting",)


@pytest.fixture(scope="module")
def lesson():
    return lesson_code.run("11", *CELLS, SIDE=SIDE)


class Left(nn.Module):
    """A stand-in for a classifier: a goose is what is bright in its left half."""

    def forward(self, x):
        scores = torch.zeros(1, 1000)
        scores[0, 1] = 3.0  # another class that is always likely
        goose = 20 * x[..., : x.shape[3] // 2].mean() - 10
        return scores.index_put((torch.tensor(0), torch.tensor(99)), goose, accumulate=True)

    def features(self, x, depth):
        return nn.functional.avg_pool2d(x, 2**depth)


def test_log_odds_are_those_of_the_probability(lesson):
    x = torch.full((1, 3, SIDE, SIDE), 0.85)
    p = lesson["probability"](Left(), x, "goose")
    assert 0.3 < p < 0.7
    odds = lesson["LogOdds"](Left(), "goose")(x)
    assert odds.shape == (1, 1, 1, 1)
    assert odds.item() == pytest.approx(np.log(p / (1 - p)), abs=1e-4)


def test_the_operator_moves_between_steps_and_only_then(lesson):
    x = images.load("coffee", SIDE)
    operator, again = (lesson["LogOdds"](Left(), "goose", seed=5) for _ in range(2))
    assert torch.equal(operator(x), operator(x))
    seen, shifts = set(), []
    for _ in range(40):
        operator.move()
        again.move()
        assert operator.shift == again.shift
        shifts += operator.shift
        seen.add(operator(x).item())
    assert len(seen) > 1
    assert (min(shifts), max(shifts)) == (-8, 8)


def test_a_fit_shakes_its_own_copy_of_the_operator(lesson):
    seen = []

    class Watched(Left):
        def forward(self, x):
            seen.append(x.detach()[0, 0, :, 0])
            return super().forward(x)

    start = images.load("coffee", SIDE)
    names = lesson_code.run("11", *CELLS, SIDE=SIDE)
    names["grey"] = start
    names["STEPS"] = 6
    names["ask_pixels"](Watched(), "goose", lr=0.0)  # the picture itself stays
    assert len({tuple(column.tolist()) for column in seen}) >= 5


def test_asking_makes_the_classifier_surer(lesson):
    names = lesson_code.run("11", *CELLS, SIDE=SIDE)
    names["STEPS"] = 25
    for asked in (
        names["ask_pixels"](Left(), "goose"),
        names["ask_pixels"](Left(), "goose", prior=names["flat"](1.0)),
        names["ask_network"](Left(), "goose"),
    ):
        assert names["probability"](Left(), asked.final, "goose") > 0.2
    assert names["probability"](Left(), names["grey"], "goose") < 0.01


def test_features_lead_back_to_the_photo(lesson):
    names = lesson_code.run("11", *CELLS, SIDE=SIDE)
    names["STEPS"] = 60
    x, operator = images.load("coffee", SIDE), names["Features"](Left(), 1)
    found = names["invert_pixels"](operator, x)
    start = ((operator(names["grey"]) - operator(x)) ** 2).mean()
    assert found.loss[-1] < 0.05 * start


def test_the_verdict_blurs_and_moves(lesson):
    x = images.load("coffee", SIDE)
    found = lesson["verdict"](Left(), x, "goose")
    p = lesson["probability"]
    assert found["as it is"] == p(Left(), x, "goose")
    assert found["blurred"] == p(Left(), degrade.Blur(1.0)(x), "goose")
    moved = [p(Left(), x.roll(shift, (2, 3)), "goose") for shift in lesson["SHIFTS"]]
    assert found["moved"] == pytest.approx(np.mean(moved))


def test_flat_is_total_variation_for_each_value(lesson):
    step = torch.zeros(1, 1, 9, 9)
    step[..., 5:] = 1  # one edge of 8 pixels
    assert lesson["flat"](2.0)(step).item() == pytest.approx(2 * 8 / 81, rel=0.02)


# ---- what the stored tables say


def kept(rows, test):
    return np.mean([row[test] for row in rows])


def test_the_second_judge_believes_the_network_more_than_tv_and_tv_more_than_pixels(lesson):
    rows = recordings.table("11_answers")["rows"]
    one = {m: lesson["at_one_setting"](rows, m) for m in ("pixels", "TV", "network")}
    assert all(kept(found, "as it is") > 0.95 for found in one.values())
    assert kept(one["pixels"], "second") < 0.05
    assert 0.2 < kept(one["TV"], "second") < kept(one["network"], "second") - 0.2


def test_tv_that_is_chosen_by_the_judge_is_level_with_the_network(lesson):
    rows = recordings.table("11_answers")["rows"]
    chosen, network = (lesson["best_of_each"](rows, m) for m in ("TV", "network"))
    assert kept(chosen, "second") == pytest.approx(kept(network, "second"), abs=0.05)
    better = dict.fromkeys(CLASSES, 0)
    for tv, net in zip(chosen, network, strict=True):
        better[tv["class"]] += net["second"] - tv["second"]
    assert [name for name in CLASSES if better[name] > 0] == ["cheeseburger", "black swan"]


def test_from_deeper_layers_tv_comes_nearer_to_the_photos():
    rows = recordings.table("11_layers")["rows"]
    best = {}
    for row in rows:
        case = row["depth"], row["method"], row["photo"]
        best[case] = max(best.get(case, 0), row["PSNR"])
    mean = {}
    for depth, method in {case[:2] for case in best}:
        found = [value for case, value in best.items() if case[:2] == (depth, method)]
        mean[depth, method] = np.mean(found)
    assert mean[9, "TV"] > mean[9, "network"] + 1
    for depth in (3, 6):
        assert mean[depth, "TV"] == pytest.approx(mean[depth, "network"], abs=0.5)
    for depth in (3, 6, 9, 12):
        assert mean[depth, "pixels"] < mean[depth, "network"] - 1


def test_tv_was_swept_over_weights_and_its_best_is_not_at_an_end(lesson):
    rows = recordings.table("11_answers")["rows"]
    weights = sorted({row["weight"] for row in rows if row["method"] == "TV"})
    assert len(weights) == 13
    for name in CLASSES:
        for seed in (1, 2, 3):
            chosen = lesson["best_row"](rows, "TV", name, seed)["weight"]
            assert weights[0] < chosen < weights[-1]


# ---- without a classifier


@pytest.mark.lesson
@pytest.mark.usefixtures("warm_kernels")
def test_the_lesson_runs_without_a_classifier_and_says_so():
    (path,) = notebooks.LESSONS.glob("11_*.ipynb")
    notebook = notebooks.read(path)
    packages = ("efficientnet_lite_pytorch", "torchvision")
    hide = "import sys\n" + "\n".join(f"sys.modules[{name!r}] = None" for name in packages)
    notebook.cells.insert(0, new_code_cell(hide, id="hide"))
    run = execute(notebook, path.parent, "smoke", timeout=120)
    assert run.ok, f"{run.cell}: {run.error}"
    texts = {cell.id: printed(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert "no trained classifier" in texts["classifier"]
    assert 'pip install "dipcourse[classifier]"' in texts["classifier"]
    assert "✗" not in "".join(texts.values())
