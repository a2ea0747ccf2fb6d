from __future__ import annotations

import io
import math
import pickle
import warnings
import zipfile
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

from nasturtium.errors import EstimateError
from nasturtium.train.checkpoint import Checkpoint
from nasturtium.train.weights import inherit, load_weights, save_weights


def net(width: int = 4, kernel: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, kernel), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, 2)
    )


def test_equal_shapes_are_copied_whole() -> None:
    parent, child = net(), net()
    report = inherit(child, parent.state_dict())
    assert report.share == 1.0
    assert (report.partly, report.fresh) == ((), ())
    state = child.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in parent.state_dict().items())
    assert child[0].weight.requires_grad


def test_other_widths_stay_fresh_unless_they_may_overlap() -> None:
    parent, child = net(4), net(6)
    before = child[0].weight.detach().clone()
    report = inherit(child, parent.state_dict())
    assert set(report.whole) == {"1.num_batches_tracked", "3.bias"}
    assert torch.equal(child[0].weight, before)

    report = inherit(child, parent.state_dict(), overlap=True)
    assert torch.equal(child[0].weight[:4], parent[0].weight)
    assert torch.equal(child[0].weight[4:], before[4:])
    assert torch.equal(child[3].weight[:, :4], parent[3].weight)
    assert torch.equal(child[1].running_var[:4], parent[1].running_var)
    assert {"0.weight", "0.bias", "3.weight"} <= set(report.partly)
    total = sum(t.numel() for t in child.state_dict().values())
    given = sum(t.numel() for t in parent.state_dict().values())
    assert report.share == pytest.approx(given / total)

    narrow = net(2)
    report = inherit(narrow, parent.state_dict(), overlap=True)
    assert report.share == 1.0
    assert torch.equal(narrow[0].weight, parent[0].weight[:2])


@pytest.mark.parametrize(("own", "other"), [(3, 5), (5, 3), (1, 5), (7, 3)])
def test_kernels_are_cropped_or_padded_about_their_centre(own: int, other: int) -> None:
    parent, child = net(4, other), net(4, own)
    before = child[0].weight.detach().clone()
    assert "0.weight" in inherit(child, parent.state_dict(), overlap=True).fresh
    assert torch.equal(child[0].weight, before)
    assert "0.weight" in inherit(child, parent.state_dict(), crop_kernels=True).whole
    margin = abs(own - other) // 2
    small, large = (child, parent) if own < other else (parent, child)
    inner = large[0].weight[..., margin:-margin, margin:-margin]
    assert torch.equal(small[0].weight, inner)
    if own > other:
        assert torch.equal(child[0].weight.count_nonzero(), inner.count_nonzero())


def test_a_wider_child_keeps_its_new_channels_when_kernels_differ() -> None:
    parent, child = net(4, 3), net(6, 5)
    before = child[0].weight.detach().clone()
    inherit(child, parent.state_dict(), overlap=True, crop_kernels=True)
    assert torch.equal(child[0].weight[4:], before[4:])
    assert torch.equal(child[0].weight[:4, :, 1:-1, 1:-1], parent[0].weight)


def test_tensors_without_counterpart_stay_unchanged() -> None:
    child = nn.Sequential(nn.Linear(3, 2))
    state = {
        "0.weight": torch.ones(2, 3, 1),
        "0.bias": torch.ones(2, dtype=torch.int64),
        "x": torch.ones(1),
    }
    report = inherit(child, state, overlap=True, crop_kernels=True)
    assert report.fresh == ("0.weight", "0.bias")
    assert report.share == 0.0


def test_weights_round_trip_in_equal_files(tmp_path: Path) -> None:
    model = net()
    save_weights(tmp_path / "deep" / "a.pt", model)
    save_weights(tmp_path / "b.pt", model.state_dict())
    assert (tmp_path / "deep" / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    state = load_weights(tmp_path / "b.pt")
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in state.items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.pt", "deep"]


class Trap:
    """A pickle that writes a file when it is loaded carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.path, "code has run")


def test_an_untrusted_file_runs_no_code(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    pickle.loads(pickle.dumps(Trap(witness)))
    assert witness.exists()  # the trap works
    witness.unlink()
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Trap(witness), protocol=2))
    torch.save({"weight": Trap(witness)}, tmp_path / "zip.pt")
    for name in ("bare.pt", "zip.pt"):
        with pytest.raises(EstimateError, match=f"{name} cannot be read as weights"):
            load_weights(tmp_path / name)
    Checkpoint("me", 1, 0.0, (), {"trap": Trap(witness)}).write(tmp_path / "c")
    assert Checkpoint.read(tmp_path / "c", "me") is None
    assert not witness.exists()


def test_messages(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.pt", net())
    (tmp_path / "cut.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:300])
    torch.save([1, 2], tmp_path / "list.pt")
    for name, message in (
        ("absent.pt", "absent.pt cannot be read as weights"),
        ("cut.pt", "cut.pt cannot be read as weights"),
        ("list.pt", "does not hold tensors by name"),
    ):
        with pytest.raises(EstimateError, match=message) as caught:
            load_weights(tmp_path / name)
        assert "\n" not in str(caught.value)


# -- damaged and hostile files ---------------------------------------------------------------------


def claiming(tensors, replaced):
    """The bytes of saved tensors with the pickle's text replaced, in a sound archive."""
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    made = io.BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(made, "w") as new:
        for one in old.infolist():
            content = old.read(one)
            if one.filename.endswith("data.pkl"):
                for before, after in replaced.items():
                    assert before in content
                    content = content.replace(before, after)
            new.writestr(one.filename, content)
    return made.getvalue()


def test_damaged_weights_are_one_line_whatever_byte_is_wrong(tmp_path):
    path = tmp_path / "weights.pt"
    save_weights(path, {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)})
    whole = path.read_bytes()
    rng = Random(0)
    cut = [whole[: rng.randrange(len(whole))] for _ in range(40)]
    flipped = []
    for _ in range(400):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 4, 64))):
            changed[rng.randrange(len(whole))] = rng.randrange(256)
        flipped.append(bytes(changed))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for content in (*cut, *flipped, b"", b"PK", b"\x80\x02N."):
            path.write_bytes(content)
            with suppress(EstimateError):
                assert all(isinstance(one, torch.Tensor) for one in load_weights(path).values())
    path.write_bytes(b"PK")
    with pytest.raises(EstimateError, match=r"^[^\n]*it is not an archive of tensors[^\n]*$"):
        load_weights(path)


def test_sizes_that_are_claimed_take_no_memory(tmp_path):
    path = tmp_path / "weights.pt"
    number = b"K\x06"  # the pickle's whole number 6: how many numbers the memory is said to hold
    huge = b"J\x00\x00\x00\x7f"
    path.write_bytes(claiming({"weight": torch.arange(6.0)}, {number: huge}))
    with pytest.raises(EstimateError, match=r"claims to be larger|is damaged"):
        load_weights(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        archive.writestr("archive/data/0", bytes(10**7))
    with pytest.raises(EstimateError, match="it claims to be larger than it is"):
        load_weights(path)
    state = {"weight": torch.zeros(1).expand(10**9)}
    torch.save(state, path)
    with pytest.raises(EstimateError, match="a tensor claims to be larger than it is"):
        load_weights(path)


def test_a_checkpoint_of_other_types_is_ignored(tmp_path):
    path = tmp_path / "checkpoint.pt"
    point = {"epoch": 1.0, "train_loss": 1.0}
    good = Checkpoint("identity", 3, 1.5, (point,), {"model": {"weight": torch.ones(2)}})
    good.write(path)
    assert Checkpoint.read(path, "identity").epoch == 3
    points = ("x", {**point, "loss": "x"}, {"epoch": 1.0}, {**point, "epoch": math.nan})
    for wrong in (
        *({"epoch": one} for one in ("x", -1)),
        *({"curve": (one,)} for one in points),
        *({"seconds": one} for one in ("s", math.inf)),
    ):
        replace(good, **wrong).write(path)
        assert Checkpoint.read(path, "identity") is None
        assert not Checkpoint.copy(path, tmp_path / "copy.pt")
    for content in (b"", b"PK", b"\x80\x02N."):
        path.write_bytes(sha256(content).digest() + content)
        assert Checkpoint.read(path, "identity") is None
    assert not Checkpoint.copy(tmp_path / "absent.pt", tmp_path / "copy.pt")
    assert not (tmp_path / "copy.pt").exists()
