from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from nasturtium.deploy.export import Exported, export_onnx, export_program  # noqa: E402
from nasturtium.deploy.onnx_runtime import predict_onnx, require_packages  # noqa: E402
from nasturtium.deploy.quantize import quantize_int8  # noqa: E402
from nasturtium.errors import ExportError  # noqa: E402

MEAN, STD = (120.0, 115.0, 100.0), (60.0, 62.0, 65.0)
CLASSES = ("cat", "dog", "ship", "frog")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Hardswish())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.drop((x + self.body(x)).mean((2, 3))))


class Apply(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def images(number: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (number, 3, 12, 12), generator=generator).float()


def normalised(x: Tensor) -> Tensor:
    shape = (1, 3, 1, 1)
    return (x - torch.tensor(MEAN).reshape(shape)) / torch.tensor(STD).reshape(shape)


@pytest.fixture(scope="module")
def net() -> Net:
    generator = torch.Generator().manual_seed(1)
    network = Net()
    with torch.no_grad():
        for tensor in (*network.parameters(), network.stem[1].running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 3)
    return network


@pytest.fixture(scope="module")
def exported(net: Net, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    facts = {"mean": MEAN, "std": STD, "classes": CLASSES}
    return export_onnx(net, path, images(5), values=(0.0, 255.0), **facts)


def answers(net: Net, x: Tensor) -> np.ndarray:
    copy = Net().eval()
    copy.load_state_dict(net.state_dict())
    with torch.no_grad():
        return copy(normalised(x)).numpy()


def test_the_file_answers_raw_images_as_the_network_does(net: Net, exported: Exported) -> None:
    assert net.training
    assert exported.difference <= 1e-4
    assert exported.compared == 5
    assert exported.bytes == exported.path.stat().st_size
    assert [file.name for file in exported.path.parent.iterdir()] == ["net.onnx"]
    for size in (1, 3, 8):
        x = images(size, seed=size)
        expected = answers(net, x)
        np.testing.assert_allclose(
            predict_onnx(exported.path, x.numpy(), batch=3), expected, atol=1e-4
        )


def test_the_file_describes_itself_and_nothing_else(exported: Exported) -> None:
    model = onnx.load(str(exported.path))
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    shape, values = [3, 12, 12], [0.0, 255.0]
    assert metadata == {"classes": list(CLASSES), "input_shape": shape, "input_range": values}
    assert model.opset_import[0].version == exported.opset
    assert [entry.name for entry in model.graph.input] == ["input"]
    assert [entry.name for entry in model.graph.output] == ["output"]
    assert Path(__file__).name.encode() not in exported.path.read_bytes()


def test_a_process_without_torch_gets_the_same_answers(
    net: Net, exported: Exported, tmp_path: Path
) -> None:
    x = images(4, seed=9)
    np.save(tmp_path / "x.npy", x.numpy())
    code = (
        "import sys, numpy as np, onnxruntime as ort\n"
        "session = ort.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "y = session.run(None, {'input': np.load(sys.argv[2] + '/x.npy')})[0]\n"
        "assert 'torch' not in sys.modules and 'nasturtium' not in sys.modules\n"
        "np.save(sys.argv[2] + '/y.npy', y)\n"
    )
    command = [sys.executable, "-c", code, str(exported.path), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), answers(net, x), atol=1e-4)


@torch.library.custom_op("nasturtium_test::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def drifting():
    """A function that an export freezes: its factor is one larger at each call."""
    calls = count(1)
    return lambda x: x * next(calls)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: twice(x), "operator nasturtium_test.twice has no ONNX counterpart"),
        (
            lambda x: x * 2 if x.sum() > 0 else x,
            r"control flow depends on the values of tensors \(lambda x: x \* 2 if",
        ),
        (
            drifting(),
            r"on a batch of 1 the export differs from the network by 1 .*"
            r"the worst is input 0, output \(\d, \d+, \d+\): .* where the network gives",
        ),
        (lambda x: x.reshape(4, -1), "on a batch of 1 the export"),
    ],
    ids=["operator", "data-dependent", "difference", "fixed batch"],
)
def test_a_failed_export_is_one_line_and_leaves_the_older_file(
    function, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("the older file")
    with pytest.raises(ExportError, match=message) as raised:
        export_onnx(Apply(function), path, images(4), mean=MEAN, std=STD)
    assert "\n" not in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    assert path.read_text() == "the older file"
    assert capfd.readouterr() == ("", "")


class Awkward(nn.Module):
    """Attention, recurrent layers, sampling on a grid, and pooling to a given size."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.gru = nn.GRU(4, 6, batch_first=True)
        self.lstm = nn.LSTM(6, 6, batch_first=True, bidirectional=True)
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.head = nn.Linear(12 + 9 * 3, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        theta = torch.eye(2, 3).expand(x.shape[0], 2, 3)
        grid = nn.functional.affine_grid(theta, [x.shape[0], 3, 12, 12], align_corners=False)
        x = nn.functional.grid_sample(x, grid, align_corners=False)
        tokens = nn.functional.adaptive_max_pool2d(x.mean(1, keepdim=True), 4).flatten(1, 2)
        tokens, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        told, _ = self.lstm(self.gru(tokens)[0])
        return self.head(torch.cat([told[:, -1], self.pool(x).flatten(1)], 1))


def test_attention_recurrence_sampling_and_pooling_are_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Awkward().eval()
    path = tmp_path / "net.pt2"
    assert export_program(network, path, images(4), mean=MEAN, std=STD).difference <= 1e-5
    x = images(3, seed=7)
    found = torch.export.load(path).module()(x).detach().numpy()
    with torch.no_grad():
        np.testing.assert_allclose(found, network(normalised(x)).numpy(), atol=1e-5)


def test_a_program_runs_again_without_the_network(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    program = export_program(net, path, images(5), mean=MEAN, std=STD, classes=CLASSES)
    assert program == Exported(path, path.stat().st_size, program.difference, compared=5)
    assert program.difference <= 1e-5
    extra = {"classes": "", "input_shape": ""}
    loaded = torch.export.load(path, extra_files=extra).module()
    assert json.loads(extra["classes"]) == list(CLASSES)
    x = images(3, seed=4)
    np.testing.assert_allclose(loaded(x).detach().numpy(), answers(net, x), atol=1e-5)

    depends = Apply(lambda x: x * 2 if x.sum() > 0 else x)
    with pytest.raises(
        ExportError, match=r"Apply cannot be exported to torch\.export: its control"
    ):
        export_program(depends, path, images(2), mean=MEAN, std=STD)
    with pytest.raises(ExportError, match=r"is a \.pt2 file; got 'net\.onnx'"):
        export_program(net, tmp_path / "net.onnx", images(2), mean=MEAN, std=STD)
    assert [file.name for file in tmp_path.iterdir()] == ["net.pt2"]
    assert torch.equal(torch.export.load(path).module()(x), loaded(x))


def test_quantisation_shrinks_the_file_and_keeps_the_answers(
    exported: Exported, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    x, target = images(64, seed=5).numpy(), tmp_path / "net-int8.onnx"
    small = quantize_int8(exported.path, target, x, batch=10)
    got, wanted = predict_onnx(target, x), predict_onnx(exported.path, x)
    assert small.difference == pytest.approx(np.abs(got - wanted).max() / np.abs(wanted).max())
    assert 0 < small.difference < 0.1
    assert small.agreement == np.mean(got.argmax(1) == wanted.argmax(1)) > 0.8
    assert (small.bytes, small.bytes_before) == (target.stat().st_size, exported.bytes)
    kinds = {tensor.data_type for tensor in onnx.load(str(target)).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert list(tmp_path.iterdir()) == [target]
    assert capfd.readouterr() == ("", "")

    with pytest.raises(ExportError, match="is the float file itself; give another target"):
        quantize_int8(exported.path, exported.path, x)
    with pytest.raises(ExportError, match=r"takes inputs of shape .* failed on \(64, 3, 12, 11\)"):
        quantize_int8(exported.path, target, x[..., 1:])


def meta_net() -> nn.Module:
    with torch.device("meta"):
        return Net()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "no/such/net.onnx"}, "folder no/such does not exist; make it"),
        ({"example": torch.zeros(0, 3, 12, 12)}, r"one at least; got shape \(0, 3, 12, 12\)"),
        ({"mean": (1.0, 2.0)}, "mean has 2 values for inputs of 3 channels; give 3, or one"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be positive"),
        ({"classes": ("one",)}, "1 class names were given for 4 outputs"),
        ({"model": meta_net()}, "Net was built on the meta device and has no weights"),
        ({"model": Apply(lambda x: (x, x))}, "must return one tensor to be exported; got tuple"),
        ({"model": Apply(lambda x: x / 0)}, "values that are not finite on these inputs"),
    ],
)
@pytest.mark.parametrize("export", [export_onnx, export_program])
def test_arguments_that_do_not_fit_are_refused(
    export, net: Net, tmp_path: Path, options: dict, message: str
) -> None:
    arguments = {"model": net, "path": tmp_path / "net.pt2", "example": images(2)}
    with pytest.raises(ExportError, match=message):
        export(**{**arguments, "mean": MEAN, "std": STD, **options})
    assert list(tmp_path.iterdir()) == []


def test_unreadable_files_and_absent_packages_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("not a model")
    with pytest.raises(ExportError, match=r"bad\.onnx cannot be opened by onnxruntime"):
        predict_onnx(tmp_path / "bad.onnx", np.zeros((1, 3)))
    with pytest.raises(ExportError, match=r"one example at least.*got shape \(0, 3\)"):
        predict_onnx(tmp_path / "bad.onnx", np.zeros((0, 3)))
    with pytest.raises(ExportError, match=r"needs no_such_package: pip install nasturtium\[onnx\]"):
        require_packages("onnx", "no_such_package")
