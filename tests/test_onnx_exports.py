"""Files that PyTorch exports, against onnxruntime: where both are installed."""

import io

import numpy as np
import pytest

import refsnn
from refsnn.arithmetic import Float64
from refsnn.formats.limits import Limits
from refsnn.formats.model_file import Source
from refsnn.formats.onnx.file import read
from refsnn.formats.onnx.network import network_of
from refsnn.layers import QCFS

torch = pytest.importorskip("torch")
runtime = pytest.importorskip("onnxruntime")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter's own


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x):
        return torch.relu(self.inner(x) + x)


class View(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean([2, 3])


class Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.floor()


class Published(nn.Module):
    """floor(clip(x / up, 0, 1) * t + 0.5) / t * up, as the authors of QCFS write it."""

    def __init__(self, steps, up):
        super().__init__()
        self.steps, self.up = steps, nn.Parameter(torch.tensor([up]))

    def forward(self, x):
        return Floor.apply(torch.clamp(x / self.up, 0, 1) * self.steps + 0.5) / self.steps * self.up


class Steps(nn.Module):
    """clip(floor(x / s + 0.5), 0, 8) * s."""

    def forward(self, x):
        return torch.clamp(torch.floor(x / 0.25 + 0.5), 0, 8) * 0.25


def ours(levels, up):
    from refsnn.training import modules

    return modules.QCFS(levels, up)


NETS = {
    "vgg": ((3, 8, 8), lambda: [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10)]),
    "resnet": ((3, 8, 8), lambda: [nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Residual(4), Residual(4),
               nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]),
    "view": ((1, 8, 8), lambda: [nn.Conv2d(1, 4, 3), nn.ReLU(), View(), nn.Linear(144, 10)]),
    "mean": ((1, 8, 8), lambda: [nn.Conv2d(1, 4, 3), nn.ReLU(), Mean(), nn.Linear(4, 10)]),
    "same": ((1, 8, 8), lambda: [nn.Conv2d(1, 4, 4, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)]),
    "zeros": ((1, 8, 8), lambda: [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)]),
    "signal": ((2, 8), lambda: [nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10)]),
    "padded pools": ((1, 8, 8), lambda: [nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1), nn.Flatten(), nn.Linear(4, 3)]),
    "ours": ((1, 8, 8), lambda: [nn.Conv2d(1, 4, 3, padding=1), ours(8, 1.5), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10)]),
    "published": ((1, 8, 8), lambda: [nn.Conv2d(1, 4, 3, padding=1), Published(4, 1.25), nn.Flatten(), nn.Linear(256, 10)]),
    "steps": ((1, 8, 8), lambda: [nn.Conv2d(1, 4, 3, padding=1), Steps(), nn.Flatten(), nn.Linear(256, 10)]),
}  # fmt: skip


def trained(name):
    """The network with numbers as after training; those of the quantised ones are dyadic, so that no level is in doubt."""
    torch.manual_seed(0)
    shape, parts = NETS[name]
    net = nn.Sequential(*parts()).eval()
    dyadic = name in ("ours", "published", "steps")
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.Conv2d) and dyadic:
            module.weight.data = torch.round(module.weight.data * 16) / 16
            module.bias.data = torch.round(module.bias.data * 16) / 16
    x = np.random.default_rng(0).integers(-32, 33, size=(3, *shape)) / 16
    return net, x.astype(np.float32)


def exported(net, x, opset, open_batch, folded):
    buffer = io.BytesIO()
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(
        net, (torch.from_numpy(x[:1]),), buffer, dynamo=False, opset_version=opset, input_names=["input"], training=mode,
        do_constant_folding=folded, dynamic_axes={"input": {0: "N"}} if open_batch else None,
    )  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("opset", "open_batch", "folded"),
    [(9, False, True), (11, True, True), (13, True, False), (17, True, True), (20, False, False)],
)
def test_an_export_computes_what_onnxruntime_computes(name, opset, open_batch, folded):
    """Within float32's rounding of it: at most 600 products behind each other, each of a value below 8 and a weight below 1."""
    if name == "same" and opset == 9:
        pytest.skip("the exporter writes these pads from operator set 11 on")
    net, x = trained(name)
    content = exported(net, x, opset, open_batch, folded)
    network, report = network_of(read(Source(name, memoryview(content), Limits())), name)
    x = x if open_batch else x[:1]
    theirs = runtime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
    output = refsnn.forward(network, x, arithmetic=Float64()).output
    assert np.abs(output - theirs).max() < 600 * 2**-24 * 8
    assert {entry.fate.value for entry in report} <= {"mapped", "defaulted"}
    if name in ("ours", "published", "steps"):
        (layer,) = [node.layer for node in network.nodes if isinstance(node.layer, QCFS)]
        assert (layer.threshold, layer.levels) == {"ours": (1.5, 8), "published": (1.25, 4), "steps": (2.0, 8)}[name]
