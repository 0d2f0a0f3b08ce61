#!/usr/bin/env python3
"""Writes data/: the small sets that the golden runs are about. The files are committed; this says where they come from.

    python3 tests/golden/before/make_data.py

digits/  the first 200 training and 60 test images of datasets/mnist (CC BY-SA 3.0, see the README there)
small/   the same, every second pixel of every second row: 14 by 14
*.csv    made up
"""

import gzip
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "data"
MNIST = HERE.parents[2] / "datasets/mnist"
PARTS = {"train": 200, "t10k": 60}
SIDE = 28


def idx(shape, data):
    """A file of bytes in MNIST's format."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(extent.to_bytes(4, "big") for extent in shape) + bytes(data)


def write_images(name, side, images, labels, part):
    directory = DATA / name
    directory.mkdir(parents=True, exist_ok=True)
    files = {f"{part}-images-idx3-ubyte.gz": idx([len(images), side, side], b"".join(images)),
             f"{part}-labels-idx1-ubyte.gz": idx([len(labels)], labels)}
    for name, content in files.items():
        (directory / name).write_bytes(gzip.compress(content, mtime=0))


def small(image):
    return bytes(image[SIDE * y + x] for y in range(0, SIDE, 2) for x in range(0, SIDE, 2))


def images():
    for part, count in PARTS.items():
        with gzip.open(MNIST / f"{part}-images-idx3-ubyte.gz") as file:
            pixels = file.read(16 + SIDE * SIDE * count)[16:]
        with gzip.open(MNIST / f"{part}-labels-idx1-ubyte.gz") as file:
            labels = file.read(8 + count)[8:]
        whole = [pixels[at:at + SIDE * SIDE] for at in range(0, len(pixels), SIDE * SIDE)]
        write_images("digits", SIDE, whole, labels, part)
        write_images("small", SIDE // 2, [small(image) for image in whole], labels, part)
    rows = [small(image) for image in whole[:5]]
    (DATA / "small_rows-idx3-ubyte").write_bytes(idx([5, SIDE // 2, SIDE // 2], b"".join(rows)))


def table(name, lines):
    def cell(value):
        text = f"{value:.3f}" if isinstance(value, float) else str(value)
        return f'"{text}"' if "," in text else text
    (DATA / name).write_text("".join(",".join(map(cell, line)) + "\n" for line in lines))


def fruit(draw):
    """A table of everything: numbers with gaps, categories with gaps, an order, several kinds of targets, weights."""
    yield ["mass", "length", "color", "grade", "crates", "kind", "price", "cost", "sweet", "stored", "ripe",
           "to_eat", "to_press", "to_dry", "share"]
    for _ in range(90):
        kind = draw.randrange(3)
        mass, length = 100 + 40 * kind + draw.uniform(-30, 30), 6 + 2.5 * kind + draw.uniform(-2, 2)
        grade, crates = draw.randrange(3), draw.randrange(1, 9)
        sweet, stored = int(mass + 10 * grade > 140), int(crates > 4)
        price = 0.02 * mass + 0.5 * grade + draw.uniform(-0.2, 0.2)
        eat, press = draw.randrange(1, 10), draw.randrange(1, 6)
        shares = [eat / 16, press / 16, (16 - eat - press) / 16]
        color = ["red", "green", "yellow, pale"][(kind + draw.randrange(2)) % 3]
        yield [mass if draw.random() > 0.08 else "", length if draw.random() > 0.08 else "NA",
               color if draw.random() > 0.05 else "?", ["low", "mid", "high"][grade], crates,
               ["apple", "pear", "plum"][kind], price, 40 * price + draw.uniform(-3, 3), sweet, stored,
               ["no", "yes"][int(length > 8)], *map(str, shares), 0.5 + draw.random()]


def five(draw, label):
    yield ["a", "b", "c", "d", "e", *label]
    for row in range(12):
        yield [*(draw.uniform(-2, 2) for _ in range(5)), *({"label": [row % 3], "x": [0.25 * row, -0.5, 1.0]}[label[0]])]


def tables():
    draw = random.Random(1)
    table("fruit.csv", fruit(draw))
    table("fruit_rows.csv", [["grade", "color", "mass", "length", "crates"], ["low", "red", 120.0, 7.5, 3],
                             ["high", "yellow, pale", "", 11.0, 8], ["mid", "?", 180.5, "NA", 1],
                             ["mid", "green", 95.25, 5.0, 5]])
    table("fruit_numbers.csv", [["mass", "length", "crates"], [120.0, 7.5, 3], [180.5, 11.0, 8], [95.25, 5.0, 5]])
    table("iris_rows.csv", [["sepal_length", "sepal_width", "petal_length", "petal_width"], [5.1, 3.5, 1.4, 0.2],
                            [6.7, 3.1, 4.4, 1.4], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.9, 1.75], [7.2, 3.0, 5.2, 0.1]])
    table("points.csv", [["x", "y"], [0.0, 0.0], [1.0, 0.5], [-1.0, 0.25], [2.0, -0.5]])
    table("line.csv", [["x"], [-1.5], [0.0], [0.75]])
    numbered = list(five(draw, ["label"]))
    names = ["ant", "bee", "cow"]
    table("five_numbered.csv", numbered)
    table("five.csv", [numbered[0]] + [[*line[:-1], names[line[-1]]] for line in numbered[1:]])
    table("five_rows.csv", [line[:5] for line in numbered[:5]])
    table("five_values.csv", five(draw, ["x", "y", "z"]))


if __name__ == "__main__":
    images()
    tables()
