"""The one optimisation of the course: change the parameters of net until A(net(z)) is near y.

It never sees the clean picture, and it draws nothing: it returns a ``History``.
"""

import copy
import inspect
import math
import os
import sys
import time
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from dipcourse import _interrupts, images, memory
from dipcourse._numbers import whole
from dipcourse.history import History

with _interrupts.held():  # what the first optimiser and the first bar import
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0).zero_grad()
    tqdm.get_lock()

LOOK_EVERY = 25  # steps between two looks of the host at the loss; each look waits for a GPU
PROBES = 1024  # values of the output that the windowed variance watches
PRECISIONS = "float32", "bfloat16"
CHECKPOINT_EVERY = 25  # good steps between two checkpoints of the rollback
ROLLBACKS_IN_A_ROW = 20  # to the same checkpoint; then the fit has diverged
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, fused=True),  # one call for all parameters
    # forgets the large gradients of the first steps within 20 steps, not within 1000
    "quick adam": partial(torch.optim.Adam, betas=(0.9, 0.95), fused=True),
    "gradient descent": torch.optim.SGD,
}


class FitDiverged(RuntimeError):
    """The loss became NaN or infinite. ``.history`` holds the steps before."""

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history


def fit(
    net,
    z,
    y,
    operator,
    *,
    steps,
    lr=0.01,
    jitter=0.0,
    prior=None,
    optimizer="adam",
    holdout=None,
    window=None,
    rollback=None,
    average=0.99,
    precision=None,
    device=None,
    seed=0,
    frames=60,
    progress=None,
):
    """Minimise the mean of m·(A(net(z)) − y)² over the parameters of net, from where they are.

    Args:
        net: module whose output for z is a picture (1, C, H, W); its parameters are changed in
            place, and come back on the device they were on.
        z: tensor (1, channels, H, W), the fixed input, or None for a ``PixelImage``.
        y: tensor (1, C, h, w), the measurement.
        operator: A of ``degrade``, from (1, C, H, W) to (1, C, h, w); its mask says what is known.
            One of your own is a module, and without a mask every value counts as known.
        steps: number of updates N.
        lr: learning rate.
        jitter: standard deviation of fresh normal noise that is added to z at each step.
        prior: function of the output that is added to the loss, or None.
        optimizer: "adam", "quick adam" (β₂ = 0.95, not 0.999: fewer steps to a good picture),
            "gradient descent", or a class of torch.optim (not LBFGS, SparseAdam and Muon).
        holdout: tensor (1, 1, h, w), ones where values of y are kept out of the loss; their error
            at each step is in ``history.held_out``. None: nothing.
        window: number of steps W over which ``history.variance`` is taken. None: no variance.
        rollback: a factor above 1: a step whose loss is more than so many times the loss at the
            last checkpoint (or not finite) is undone. Weights, optimiser and running mean go back
            there, the gradient is not used, the learning rate is halved from there on, and
            ``history.rollbacks`` has the step. Looking at every loss slows a GPU down. None: off.
        average: decay β of the running mean m ← β·m + (1 − β)·x̂, which is divided by 1 − βᵏ.
        precision: "float32" or "bfloat16" for the network; None takes bfloat16 where the hardware
            has it.
        device: "cpu", "cuda", …; None takes the best there is.
        seed: of the jitter.
        frames: how many outputs to keep, early ones densely.
        progress: show a progress bar; None does so except under grading.

    Returns:
        History. An interrupt (Ctrl-C, the stop button) stops this fit alone: what there is so far
        is returned, with ``history.unfinished``. A second one within ten seconds stops everything,
        and so does one before the first step or under grading: it raises KeyboardInterrupt.

    Raises:
        ValueError: sizes or settings that do not fit together, an optimiser that cannot be used.
        MemoryError: the fit needs more memory than is free; nothing was started.
        FitDiverged: the loss is not finite; the error's ``history`` holds what came before.

    Source: Ulyanov, Vedaldi, Lempitsky, IJCV 2020, equation 2.
    Built in lesson 00 (used), lesson 01 (pixels) and lesson 02 (networks).

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> net = nets.PixelImage(torch.zeros_like(y))
    >>> history = fit(net, None, y, degrade.Identity(), steps=5, lr=0.1, progress=False)
    >>> round(float(history.loss[0]), 4)
    0.25
    """
    grading = "NBGRADER_EXECUTION" in os.environ
    keep = frame_steps(steps, frames)
    home = next(net.parameters()).device
    quiet = grading if progress is None else not progress
    with _interrupts.Interrupts() as interrupts:
        stepper = Stepper(
            net,
            z,
            y,
            operator,
            lr=lr,
            jitter=jitter,
            prior=prior,
            optimizer=optimizer,
            holdout=holdout,
            window=window,
            rollback=rollback,
            average=average,
            precision=precision,
            device=device,
            seed=seed,
            frames=len(keep),
        )
        try:
            _run(stepper, steps, keep, quiet)
        except KeyboardInterrupt:
            if grading or stepper.k == 0:
                raise
            interrupts.notice()
        interrupts.wait()
        history = stepper.history(planned=steps)
        net.to(home)
        interrupts.answer(history)
    return history


def _run(stepper, steps, keep, quiet):
    """Make the steps, with a progress bar, and keep some of the outputs."""
    bar = tqdm(total=steps, unit="step", file=sys.stdout, disable=quiet, ncols=80, mininterval=0.3)
    with bar:
        for k in range(steps):
            stepper.step()
            if k in keep:
                stepper.snapshot()
            if k % LOOK_EVERY == LOOK_EVERY - 1 or k == steps - 1:
                bar.set_postfix_str(f"loss {stepper.look():.5f}", refresh=False)
            bar.update()


class Stepper:
    """One fit, a step at a time; the arguments are those of ``fit``.

    Args:
        frames: how many snapshots are planned; only the check of the memory uses it.

    Attributes:
        k: number of updates so far.
        output: tensor (1, C, H, W), the output before the last update.
        mean: tensor (1, C, H, W), the running mean of the outputs.

    Built in lesson 02.

    >>> from dipcourse import degrade, nets
    >>> y = torch.full((1, 1, 8, 8), 0.5)
    >>> stepper = Stepper(nets.PixelImage(y), None, y, degrade.Identity())
    >>> stepper.step()
    >>> stepper.k
    1
    """

    def __init__(
        self,
        net,
        z,
        y,
        operator,
        *,
        lr=0.01,
        jitter=0.0,
        prior=None,
        optimizer="adam",
        holdout=None,
        window=None,
        rollback=None,
        average=0.99,
        precision=None,
        device=None,
        seed=0,
        frames=1,
    ):
        _require(net, z, y, operator, lr, jitter, average)
        seed = whole("seed", seed, 0)
        self.device = _device(device)
        self.precision = precision or best_precision(self.device)
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={precision!r}: use 'float32' or 'bfloat16'")
        memory.require(net, z, self.precision, self.device, frames, prior is not None)
        memory.reuse()
        layout = _layout(self.device, self.precision)
        self.net = net.to(self.device, memory_format=layout).train()
        # a copy: the caller's own operator stays on the device where it is
        self.operator = copy.deepcopy(operator).to(self.device)
        self.z = None if z is None else z.to(self.device, memory_format=layout)
        self.y = y.detach().to(self.device)
        self.jitter, self.prior, self.average = jitter, prior, average
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.optimizer = _optimizer(optimizer, net.parameters(), lr)
        self.known, self.held_out = _split(self.operator, holdout, self.y)
        self.window = None if window is None else _Window(window, seed)
        self.k, self.output, self._sum, self._weight = 0, None, 0, 0
        self._scalars = {"loss": [], "held_out": [], "variance": []}
        self._guard = None if rollback is None else _Rollback(rollback)
        self._film = _Film()
        self._started = time.perf_counter()
        self.settings = {
            "net": type(net).__name__,
            "parameters": sum(p.numel() for p in net.parameters()),
            "operator": type(operator).__name__,
            "optimizer": optimizer if isinstance(optimizer, str) else type(self.optimizer).__name__,
            "lr": lr,
            "jitter": jitter,
            "prior": prior is not None,
            "average": average,
            "window": self.window and self.window.width,
            "rollback": rollback,
            "seed": seed,
            "precision": self.precision,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def step(self):
        """One update of the parameters; the record grows by one."""
        output = self._run(self._jittered())
        measured = self.operator(output)
        if measured.shape != self.y.shape:
            raise ValueError(_misfit(measured, self.y))
        error = (measured - self.y) ** 2
        loss = _mean(error, self.known)
        if self.prior is not None:
            loss = loss + self.prior(output)
        seen = output.detach().clone()  # a PixelImage's output changes with the update
        accepted = self._guard is None or self._guard.accepts(loss.item(), self)
        if accepted:
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self._sum, self._weight = (  # together: an interrupt must not come between them
                self.average * self._sum + (1 - self.average) * seen,
                self.average * self._weight + 1 - self.average,
            )
        self._record(seen, loss.detach(), error.detach())

    def snapshot(self):
        """Keep the current output and running mean as a frame of the film."""
        self._film.add(self.k - 1, self.output, self.mean)

    def look(self):
        """The last loss as a float; raises FitDiverged if one since the last look is not finite."""
        recent = _numbers(self._scalars["loss"][-LOOK_EVERY:])
        if not np.isfinite(recent).all() and len(self.history().loss) < self.k:
            self.give_up()
        return float(recent[-1])

    def give_up(self):
        """Raise FitDiverged with the steps so far."""
        history = self.history()
        raise FitDiverged(
            f"the loss left all bounds after step {len(history.loss)}. Lower the learning rate "
            f"(lr={self.settings['lr']}), or, if it is small already, use precision='float32'. "
            "The steps before are in this error's .history",
            history,
        )

    @property
    def mean(self):
        return self._sum / self._weight

    def history(self, planned=None):
        """All steps so far as a ``History``; steps whose loss is not finite are left out.

        Args:
            planned: how many steps there were to be: with fewer, the History is marked. None: no
                mark.
        """
        if self.k == 0:
            raise ValueError("no step was finished, so there is no history yet")
        film = self._film.copy()  # the last step belongs to this history, not to later ones
        film.add(self.k - 1, self.output, self.mean)
        seconds = time.perf_counter() - self._started
        loss = _numbers(self._scalars["loss"])
        rollbacks = [] if self._guard is None else self._guard.steps
        interrupted = planned is not None and self.k < planned
        plan = {"planned": planned} if interrupted else {}
        finite = np.isfinite(loss)
        finite[rollbacks] = True  # undone, so the steps after it are sound
        good = self.k if finite.all() else max(1, int(finite.argmin()))
        steps, frames, means = film.until(good)
        with torch.no_grad():
            final, mean = self._run(self.z).clone().cpu(), self.mean.cpu()
        if good < self.k:  # the weights are lost: the last good frame stands for the end
            final, mean = (pictures[-1:].float() / 255 for pictures in (frames, means))
        return History(
            loss=loss[:good],
            steps=steps,
            frames=frames,
            means=means,
            final=final,
            mean=mean,
            seconds=seconds,
            settings={**self.settings, "steps": good, **plan},
            held_out=_numbers(self._scalars["held_out"], good),
            variance=_numbers(self._scalars["variance"], good),
            rollbacks=np.array(rollbacks, dtype=int),
            interrupted=interrupted,
        )

    def _run(self, z):
        bfloat16 = self.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            return self.net(z).float()

    def _jittered(self):
        if not self.jitter:
            return self.z
        size = self.z.numel()  # drawn flat: filling another layout than the plain one is slow
        noise = torch.randn(size, generator=self.generator, device=self.device)
        return self.z.add(noise.as_strided(self.z.shape, self.z.stride()), alpha=self.jitter)

    def _record(self, output, loss, error):
        self._scalars["loss"].append(_number(loss))
        if self.held_out is not None:
            self._scalars["held_out"].append(_number(_mean(error, self.held_out)))
        if self.window is not None:
            self._scalars["variance"].append(_number(self.window.push(output)))
        self.output = output
        self.k += 1


class _Film:
    """The kept outputs and running means, in one tensor (F, 2, C, H, W) that doubles when full.

    Kept one by one, they would split the memory like the numbers of ``_number``. The film stays on
    the device of the fit: bringing each frame to the CPU would make a GPU wait.
    """

    def __init__(self):
        self.steps, self.pictures = [], None

    def add(self, step, output, mean):
        count = len(self.steps)
        if step in self.steps:
            return
        if count == 0:
            shape = 16, 2, *output.shape[1:]
            self.pictures = torch.empty(shape, dtype=torch.uint8, device=output.device)
        elif count == len(self.pictures):
            self.pictures = self._with_room(2 * count)
        self.pictures[count, 0], self.pictures[count, 1] = _bytes(output), _bytes(mean)
        self.steps.append(step)

    def copy(self):
        """A film that grows by itself, with room for one more frame."""
        film = _Film()
        if self.steps:
            film.steps = list(self.steps)
            film.pictures = self._with_room(len(self.steps) + 1)
        return film

    def until(self, end):
        """Steps, outputs and means before a step, at least one, on the CPU."""
        count = sum(step < end for step in self.steps) or 1
        return np.array(self.steps[:count]), *self.pictures[:count].cpu().unbind(1)

    def _with_room(self, frames):
        """The pictures so far, in a new tensor with room for so many frames."""
        count = len(self.steps)
        pictures = self.pictures.new_empty(frames, *self.pictures.shape[1:])
        pictures[:count] = self.pictures[:count]
        return pictures


class _Rollback:
    """Goes back to the last checkpoint when the loss jumps."""

    def __init__(self, factor):
        if not factor > 1:
            raise ValueError(f"rollback={factor!r}: use a factor above 1, or None")
        self.factor, self.steps = factor, []
        self._good, self._in_a_row, self._saved = 0, 0, None

    def accepts(self, loss, stepper):
        """True if a step may be made from here; else the stepper is back at its checkpoint."""
        if self._saved is not None and not loss <= self.factor * self._saved["loss"]:
            self._restore(stepper)
            self.steps.append(stepper.k)
            return False
        if self._good % CHECKPOINT_EVERY == 0:
            self._save(loss, stepper)
        self._good += 1
        return True

    def _save(self, loss, stepper):
        # copies: a state_dict holds the live tensors themselves, which the next step overwrites
        state = stepper.net.state_dict(), stepper.optimizer.state_dict()
        self._saved = {
            "loss": loss,
            "state": copy.deepcopy(state),
            "mean": (stepper._sum, stepper._weight),
        }
        self._in_a_row = 0

    def _restore(self, stepper):
        self._in_a_row += 1
        if self._in_a_row > ROLLBACKS_IN_A_ROW:
            stepper.give_up()
        rates = [group["lr"] for group in stepper.optimizer.param_groups]
        weights, optimizer = copy.deepcopy(self._saved["state"])
        stepper.net.load_state_dict(weights)
        stepper.optimizer.load_state_dict(optimizer)
        stepper._sum, stepper._weight = self._saved["mean"]
        for group, lr in zip(stepper.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr / 2  # from the same state the same rate might make the same jump


class _Window:
    """The variance of a few values of the output over the last W steps."""

    def __init__(self, width, seed):
        self.width = whole("window", width, 2, unit=" steps")
        self.seed, self.count, self.values = seed, 0, None

    def push(self, output):
        output = output.flatten()
        if self.values is None:
            generator = torch.Generator().manual_seed(self.seed)
            self.probes = torch.randperm(output.numel(), generator=generator)[:PROBES]
            self.probes = self.probes.to(output.device)
            self.values = output.new_zeros(self.width, len(self.probes))
        self.values[self.count % self.width] = output[self.probes]
        self.count += 1
        if self.count < self.width:
            return output.new_tensor(float("nan"))
        return self.values.var(dim=0, correction=0).mean()


def frame_steps(steps, frames):
    """Which steps to keep: about ``frames`` of 0 … steps − 1, both among them, early ones densely.

    Args:
        steps: number of steps of the fit.
        frames: number of frames wanted, at least 2.

    Returns:
        Set of ints.

    Raises:
        ValueError: less than 1 step or 2 frames, or no whole numbers.

    Built in lesson 00 (used).

    >>> sorted(frame_steps(101, 6))
    [0, 4, 16, 36, 64, 100]
    """
    steps, frames = whole("steps", steps, 1), whole("frames", frames, 2)
    return {round((steps - 1) * (i / (frames - 1)) ** 2) for i in range(frames)}


def best_device():
    """ "cuda" where there is one, else "cpu".

    Returns:
        A string for torch.device.

    Built in lesson 00.

    >>> best_device() in ("cuda", "cpu")
    True
    """
    return "cuda" if torch.cuda.is_available() else "cpu"


def best_precision(device):
    """ "bfloat16" where the hardware computes in it, else "float32".

    Args:
        device: a torch.device or its name.

    Returns:
        "bfloat16" or "float32".

    Built in lesson 00.

    >>> best_precision("cpu") in ("float32", "bfloat16")
    True
    """
    device = torch.device(device)
    if device.type == "cuda":  # torch.cuda.is_bf16_supported also counts emulation
        has = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        query = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # private: may go
        has = query()
    else:
        has = False
    return "bfloat16" if has else "float32"


def _layout(device, precision):
    """How pictures lie in memory: as the convolutions of this hardware want it.

    In float32, channels_last is faster with AVX-512 and slower without (`python -m tools.bench`).
    """
    wide = device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.channels_last if wide or precision == "bfloat16" else torch.contiguous_format


def _require(net, z, y, operator, lr, jitter, average):
    """Refuse here, in plain words, what would go wrong later."""
    images.require(y, "the measurement y")
    if not isinstance(operator, torch.nn.Module):
        raise ValueError(
            f"the operator is a {type(operator).__name__}: use one of degrade, or a module of "
            "your own whose forward is A"
        )
    if not 0 <= average < 1:
        raise ValueError(f"average={average}: use a decay of at least 0 and below 1")
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr={lr}: use a learning rate such as 0.01")
    if not 0 <= jitter < math.inf:
        raise ValueError(f"jitter={jitter}: use a standard deviation such as 0.03, or 0 for none")
    if z is None:
        if jitter:
            raise ValueError(f"jitter={jitter} needs an input z to be added to; with pixels use 0")
        return
    if not isinstance(z, torch.Tensor) or z.ndim != 4:
        raise ValueError("z is no tensor of shape (1, channels, H, W): use nets.fixed_input")
    if z.dtype != (dtype := next(net.parameters()).dtype):
        raise ValueError(f"z has dtype {z.dtype}, the network {dtype}: use z.to({dtype})")
    if not torch.isfinite(z).all():
        raise ValueError("z has values that are NaN or infinite: use nets.fixed_input")
    if 0 < 10 * (top := z.abs().max().item()) < jitter:
        raise ValueError(f"jitter={jitter}: z reaches {top:.3g} only, use less, such as 0.03")


def _device(name):
    try:
        device = torch.device(name or best_device())
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError):  # torch without CUDA raises the first
        raise ValueError(
            f"device={name!r}: there is none here. Use device=None, which takes {best_device()!r}"
        ) from None
    return device


def _misfit(measured, y):
    shapes = f"A(net(z)) has shape {tuple(measured.shape)}, y {tuple(y.shape)}: "
    if measured.ndim == 4 and measured.shape[1] != y.shape[1]:
        return (
            f"{shapes}the channels differ. Make the network for those of y: "
            f"preset.make(channels={y.shape[1]}), or out_channels={y.shape[1]} of a network"
        )
    return (
        f"{shapes}make z so that net(z) is as high and wide as the picture (a UNet keeps the size "
        "of z, a DeepDecoder doubles it at each scale), and y with the same operator"
    )


def _optimizer(choice, parameters, lr):
    """The optimiser of that name or class; ValueError if a fit cannot use it."""
    if isinstance(choice, str) and choice in OPTIMIZERS:
        return OPTIMIZERS[choice](parameters, lr=lr)
    if isinstance(choice, torch.optim.Optimizer):
        raise _unusable(f"{type(choice).__name__}(…)", "a fit makes it itself: give the class")
    if not callable(choice):
        raise _unusable(repr(choice), "it is neither one of the names nor a class")
    name = getattr(choice, "__name__", repr(choice))
    try:
        made = choice(parameters, lr=lr)
    except (TypeError, ValueError) as error:
        raise _unusable(name, error) from None
    if not isinstance(made, torch.optim.Optimizer):
        raise _unusable(name, f"it makes a {type(made).__name__}, no optimiser")
    if any(p.default is p.empty for p in inspect.signature(made.step).parameters.values()):
        raise _unusable(name, "it computes the loss several times a step, a fit does so once")
    if isinstance(made, torch.optim.SparseAdam):
        raise _unusable(name, "it is for sparse gradients, and those of a network are dense")
    return made


def _unusable(name, reason):
    return ValueError(
        f"optimizer={name} cannot be used for a fit: {reason}. Use "
        f"{', '.join(map(repr, OPTIMIZERS))}, or a class such as torch.optim.AdamW"
    )


def _split(operator, holdout, y):
    """The weights of the values that are fitted and of those that are held out; None: all, none."""
    mask = getattr(operator, "mask", None)  # an operator of one's own need not have one
    if mask is not None and mask.shape[2:] != y.shape[2:]:
        raise ValueError(
            f"the operator's mask has {tuple(mask.shape[2:])} pixels, y {tuple(y.shape[2:])}: "
            "make y with the same operator"
        )
    if holdout is None:
        return mask, None
    holdout = torch.as_tensor(holdout)
    if holdout.shape != (1, 1, *y.shape[2:]):
        raise ValueError(
            f"holdout has shape {tuple(holdout.shape)}, needed is {(1, 1, *y.shape[2:])}"
        )
    if not ((holdout == 0) | (holdout == 1)).all():
        raise ValueError("holdout holds only 1 (held out) and 0 (fitted): use (holdout > 0.5)")
    all_known = torch.ones_like(y[:, :1]) if mask is None else mask
    held_out = all_known * holdout.to(all_known)
    known = all_known - held_out
    if not held_out.any() or not known.any():
        raise ValueError("holdout must leave some known values in the loss and hold some out")
    return known, held_out


def _mean(error, weight):
    if weight is None:
        return error.mean()
    return (weight * error).sum() / (weight.sum() * error.shape[1])


def _bytes(x):
    return (x[0].clamp(0, 1) * 255).round().to(torch.uint8)


def _number(value):
    """A float, but from a GPU a tensor: it need not be waited for.

    On the CPU small tensors that are kept would lie between the large ones that come and go: the
    gaps no longer fit, and the memory grows by a picture at each step.
    """
    return value.item() if value.device.type == "cpu" else value


def _numbers(values, count=None):
    if not values:
        return None
    return torch.stack([torch.as_tensor(v) for v in values[:count]]).float().cpu().numpy()
