"""Train the two packaged networks on the digits' train split and write their weights with provenance.

The last epoch is kept: neither the calibration nor the test split has a say in training.
"""

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from refsnn.training.modules import LIF, QCFS, PerStep, tet_loss

SEED = 1
STEPS = 6  # of the directly trained network
LEVELS = 8


def qcfs_network() -> nn.Sequential:
    """Conv BN QCFS pool, twice; two linear layers. Module numbers are the tensor names of specs/networks/digits.yaml."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), QCFS(LEVELS, 4.0), nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), QCFS(LEVELS, 4.0), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(128, 64), QCFS(LEVELS, 4.0), nn.Linear(64, 10),
    )  # fmt: skip


def lif_network() -> nn.Sequential:
    """The same shape with LIF neurons, BatchNorm over samples and steps; reads [T, N, 1, 8, 8]."""
    return nn.Sequential(
        PerStep(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)), LIF(0.5), PerStep(nn.AvgPool2d(2)),
        PerStep(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)), LIF(0.5), PerStep(nn.AvgPool2d(2), nn.Flatten()),
        PerStep(nn.Linear(128, 64), nn.BatchNorm1d(64)), LIF(0.5), PerStep(nn.Linear(64, 10)),
    )  # fmt: skip


def folded_state(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of the model with every BatchNorm folded into the weight layer before it, as a chip would run it."""
    state = {}
    for name, module in model.named_modules():
        if not isinstance(module, PerStep) or not hasattr(module[0], "weight"):
            continue
        weight, bias = module[0].weight.double(), module[0].bias.double()
        if len(module) > 1:
            norm = module[1]
            factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            weight = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
            bias = (bias - norm.running_mean.double()) * factor + norm.bias.double()
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.detach().float(), bias.detach().float()
    return state


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by -1, 0 or 1 pixel in both directions, zeros coming in."""
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    dy, dx = torch.randint(0, 3, (2, len(x)), generator=generator)
    return torch.stack([image[:, a : a + 8, b : b + 8] for image, a, b in zip(padded, dy, dx, strict=True)])


def train(model: nn.Module, loss: Callable[[nn.Module, Tensor, Tensor], Tensor], x: Tensor, y: Tensor, *,
          epochs: int, lr: float, batch: int = 50) -> nn.Module:  # fmt: skip
    """SGD, momentum 0.9, weight decay 5e-4, cosine annealing over the epochs; shifted images."""
    generator = torch.Generator().manual_seed(SEED)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(x), generator=generator).split(batch):
            optimiser.zero_grad()
            loss(model, shifted(x[rows], generator), y[rows]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def repeated(x: Tensor) -> Tensor:
    return x.expand(STEPS, *x.shape)


RECIPES = {
    "digits": {
        "make": qcfs_network,
        "state": lambda model: {k: v for k, v in model.state_dict().items() if v.is_floating_point()},
        "loss": lambda model, x, y: nn.functional.cross_entropy(model(x), y),
        "predict": lambda model, x: model(x),
        "settings": {"epochs": 200, "lr": 0.1},
        "text": f"QCFS, L={LEVELS}, cross-entropy",
    },
    "digits_lif": {
        "make": lif_network,
        "state": folded_state,
        "loss": lambda model, x, y: tet_loss(model(repeated(x)), y),
        "predict": lambda model, x: model(repeated(x)).sum(0),
        "settings": {"epochs": 120, "lr": 0.05},
        "text": f"LIF decay 0.5, threshold 1, reset to 0, TET loss, T={STEPS}",
    },
}


def main(data: Path, out: Path) -> None:
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # the order of torch's sums depends on the number of threads
    splits = {name: np.load(data / f"digits_{name}.npz") for name in ("train", "calibration", "test")}
    tensors = {name: (torch.tensor(s["x"]), torch.tensor(s["y"])) for name, s in splits.items()}
    for name, recipe in RECIPES.items():
        torch.manual_seed(SEED)
        model = train(recipe["make"](), recipe["loss"], *tensors["train"], **recipe["settings"])
        with torch.no_grad():
            accuracy = {
                split: round(float((recipe["predict"](model, x).argmax(-1) == y).double().mean()), 4)
                for split, (x, y) in tensors.items()
            }
        provenance = {
            "recipe": f"refsnn/training/digits.py, {recipe['text']}",
            "settings": {**recipe["settings"], "batch": 50, "momentum": 0.9, "weight_decay": 5e-4, "shift": 1},
            "seed": SEED,
            "data": "specs/data/digits_train.npz",
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "accuracy": accuracy,
        }
        state = {key: value.contiguous() for key, value in recipe["state"](model).items()}
        # one metadata key: with two, their order in the file changes from run to run
        (out / f"{name}.safetensors").write_bytes(save(state, {"provenance": json.dumps(provenance, sort_keys=True)}))
        print(name, accuracy, list(state))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
