"""Train a convolutional policy network (SEENN-II) for a frozen network and write it as an ordinary refsnn network.

python -m refsnn.training.policy NETWORK.yaml TRAIN.npz policy.yaml --steps 8 --beta 0.5

The objective, its settings and what comes back are those of refsnn.policy_training; only the function differs. The last
epoch is kept. TRAIN.npz holds `x` and `y` of a training split; the network itself is converted and run, never changed.
"""

import argparse
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor, nn

import refsnn
from refsnn.layers import BatchNorm, Conv2d, Flatten, Linear, ReLU
from refsnn.network import Network, Node
from refsnn.policy_training import History, PolicyTraining, TrainedPolicy
from refsnn.policy_training.objective import costs
from refsnn.policy_training.training import checked_samples

BLOCK = 500  # samples simulated, or measured, at once


def policy_module(input_shape: tuple[int, ...], steps: int, channels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions of stride 2 with BatchNorm and ReLU, one for each number of channels; a linear layer of T outputs."""
    before, height, width = input_shape
    layers: list[nn.Module] = []
    for after in channels:
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        before, height, width = after, (height + 1) // 2, (width + 1) // 2
    last = nn.Linear(before * height * width, steps)
    nn.init.zeros_(last.weight)  # every number of steps is equally likely at first
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.Flatten(), last)


def expected_cost(logits: Tensor, cost: Tensor, entropy_bonus: float) -> Tensor:
    """mean over samples of sum_k v[k] (cost[k] + entropy_bonus * ln v[k]): the J of refsnn.policy_training.objective."""
    log_v = logits.log_softmax(1)
    return (log_v.exp() * (cost + entropy_bonus * log_v)).sum(1).mean()


def train_convolutional(x: np.ndarray, readout: np.ndarray, labels: np.ndarray, training: PolicyTraining, *,
                        channels: tuple[int, ...] = (16, 32, 64), name: str = "policy") -> TrainedPolicy:  # fmt: skip
    """As refsnn.policy_training.train_policy, with convolutions; `hidden` and `pool` have no meaning here."""
    x, right = checked_samples(x, readout, labels, 1)
    cost = costs(right, training.beta, training.largest_weight, training.discount)
    images, prices = torch.tensor(x, dtype=torch.float32), torch.tensor(cost, dtype=torch.float32)
    generator = torch.Generator().manual_seed(training.seed)
    torch.manual_seed(training.seed)
    model = policy_module(x.shape[1:], len(right), channels)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=training.learning_rate, momentum=training.momentum,
        weight_decay=training.weight_decay, nesterov=training.momentum > 0,
    )  # fmt: skip
    batches = -(-len(x) // training.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.epochs * batches)
    told = []
    for _ in range(training.epochs):
        model.train()
        for rows in torch.randperm(len(x), generator=generator).split(training.batch):
            optimiser.zero_grad()
            expected_cost(model(images[rows]), prices[rows], training.entropy_bonus).backward()
            optimiser.step()
            schedule.step()
        logits = measured_logits(model.eval(), images)
        told.append(measures(logits, prices, right))
    steps = logits.argmax(1).numpy()
    return TrainedPolicy(
        network=exported(model, x.shape[1:], name),
        training=training,
        history=History(*np.array(told).T),
        shares=tuple(float(share) for share in np.bincount(steps, minlength=len(right)) / len(steps)),
    )


def measured_logits(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(block) for block in images.split(BLOCK)]).double()


def measures(logits: Tensor, prices: Tensor, right: np.ndarray) -> tuple[float, float, float, float]:
    """Reward, entropy, mean steps, accuracy."""
    log_v, steps = logits.log_softmax(1), logits.argmax(1).numpy()
    return (
        -float((log_v.exp() * prices).sum(1).mean()),
        -float((log_v.exp() * log_v).sum(1).mean()),
        float(steps.mean()) + 1,
        float(right[steps, np.arange(len(steps))].mean()),
    )


def exported(model: nn.Sequential, input_shape: tuple[int, ...], name: str) -> Network:
    """The module as a refsnn network, BatchNorm folded, float32."""
    nodes: list[Node] = []
    for i, module in enumerate(model):
        nodes.append(
            Node(f"{type(module).__name__.lower()}{i}", layer_of(module), (nodes[-1].name if nodes else "input",))
        )
    folded = refsnn.fold_batch_norm(Network(name, input_shape, tuple(nodes)))
    return Network(name, input_shape, tuple(in_float32(node) for node in folded.nodes))


def layer_of(module: nn.Module):
    """The refsnn layer that computes what the module computes at inference."""
    tensors = {key: value.detach().numpy() for key, value in module.state_dict().items()}
    match module:
        case nn.Conv2d():
            return Conv2d(weight=tensors["weight"], stride=module.stride, padding=module.padding)
        case nn.BatchNorm2d():
            mean, var = tensors["running_mean"], tensors["running_var"]
            return BatchNorm(weight=tensors["weight"], bias=tensors["bias"], mean=mean, var=var, eps=module.eps)
        case nn.Linear():
            return Linear(weight=tensors["weight"], bias=tensors["bias"])
    return {nn.ReLU: ReLU, nn.Flatten: Flatten}[type(module)]()


def in_float32(node: Node) -> Node:
    """Folding leaves float64; what runs is float32."""
    if not isinstance(node.layer, Conv2d | Linear):
        return node
    values = {item.name: getattr(node.layer, item.name) for item in fields(node.layer)}
    cast = {key: value.astype(np.float32) for key, value in values.items() if isinstance(value, np.ndarray)}
    return Node(node.name, type(node.layer)(**(values | cast)), node.inputs)


def readout_of(network: Network, x: np.ndarray, steps: int) -> np.ndarray:
    """The spiking network's readout [T, N, K], some samples at a time."""
    blocks = [x[i : i + BLOCK] for i in range(0, len(x), BLOCK)]
    kept = refsnn.Record(counts=())
    return np.concatenate(
        [refsnn.simulate(network, block, steps=steps, record=kept).readout for block in blocks], axis=1
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="spec of the source network or the spiking one")
    parser.add_argument("train", help="npz with x and y")
    parser.add_argument("output", help="spec to write")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--entropy-bonus", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # the order of torch's sums depends on the number of threads
    network, data = refsnn.load(given.network), refsnn.load_data(given.train)
    spiking = network if network.is_spiking else refsnn.convert(network)
    training = PolicyTraining(
        beta=given.beta, entropy_bonus=given.entropy_bonus, epochs=given.epochs, learning_rate=0.1, seed=given.seed
    )
    readout = readout_of(spiking, data.x, given.steps)
    trained = train_convolutional(data.x, readout, data.labels, training, channels=tuple(given.channels))
    refsnn.dump(trained.network, given.output)
    print(trained)


if __name__ == "__main__":
    main()
