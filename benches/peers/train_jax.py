"""Trains one of the comparison's networks in JAX and prints one line of JSON.

Written for speed: a whole epoch is one compiled call that scans over the batches, samples stay on the device as bytes,
state is donated, and the loss is read once an epoch. The scan is unrolled four times and the loss picks its class by a
one-hot product, since both measured a little faster than without.
"""

from __future__ import annotations

import functools
import os
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mnist import BETA_1, BETA_2, EPSILON, LEARNING_RATE, TEST_BATCH, Options, Outcome, Samples, options

UNROLL = 4

Layers = list[tuple[Array, Array]]  # weight (I, O) and bias (O) of each


class State(NamedTuple):
    """All that training changes."""

    layers: Layers
    first_moment: Layers
    second_moment: Layers
    steps: Array


def initial(widths: list[int], seed: int) -> State:
    """Weights as He proposed them, biases zero."""
    keys = jax.random.split(jax.random.key(seed), len(widths) - 1)
    layers = [
        (jax.random.normal(key, (inputs, units)) * np.float32((2 / inputs) ** 0.5), jnp.zeros(units))
        for key, inputs, units in zip(keys, widths, widths[1:])
    ]
    zeros = functools.partial(jax.tree.map, jnp.zeros_like)
    return State(layers, zeros(layers), zeros(layers), jnp.float32(0))


def logits(layers: Layers, images: Array) -> Array:
    """Logits (B, O) of bytes (B, I)."""
    x = images.astype(jnp.float32) * (1 / 255)
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def mean_loss(layers: Layers, images: Array, classes: Array) -> Array:
    log_softmax = jax.nn.log_softmax(logits(layers, images))
    return -jnp.mean(jnp.sum(log_softmax * jax.nn.one_hot(classes, log_softmax.shape[1]), axis=1))


def step(state: State, images: Array, classes: Array) -> tuple[State, Array]:
    """One step of Adam; also the loss before it."""
    loss, gradients = jax.value_and_grad(mean_loss)(state.layers, images, classes)
    steps = state.steps + 1
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, state.first_moment, gradients)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, state.second_moment, gradients)
    correction = jnp.sqrt(1 - BETA_2**steps)
    rate, epsilon = LEARNING_RATE * correction / (1 - BETA_1**steps), EPSILON * correction
    layers = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + epsilon), state.layers, first, second)
    return State(layers, first, second, steps), loss


@functools.partial(jax.jit, static_argnums=4, donate_argnums=0)
def epoch(state: State, order: Array, images: Array, classes: Array, batch: int) -> tuple[State, Array]:
    """One pass in this order, the shorter last batch included; also the mean loss of its samples."""
    count = order.shape[0]
    whole = count // batch

    def body(state: State, rows: Array) -> tuple[State, Array]:
        return step(state, images[rows], classes[rows])

    batches = order[: whole * batch].reshape(whole, batch)
    state, losses = jax.lax.scan(body, state, batches, unroll=min(UNROLL, whole))
    total = losses.sum() * batch
    if whole * batch < count:
        state, loss = body(state, order[whole * batch :])
        total += loss * (count - whole * batch)
    return state, total / count


def accuracy(layers: Layers, test: Samples) -> float:
    """The part of the test samples that is named rightly."""
    named = jax.jit(lambda images: jnp.argmax(logits(layers, images), axis=1))
    starts = range(0, len(test.classes), TEST_BATCH)
    right = [named(test.images[s : s + TEST_BATCH]) == test.classes[s : s + TEST_BATCH] for s in starts]
    return float(np.mean(np.concatenate(right)))


def run(asked: Options) -> Outcome:
    train, test = asked.load()
    random = np.random.default_rng(asked.seed)
    count = len(train.classes)

    started = time.perf_counter()
    device = jax.devices("gpu" if asked.device == "cuda" else "cpu")[0]
    jax.config.update("jax_default_device", device)
    images, classes = jnp.asarray(train.images), jnp.asarray(train.classes.astype(np.int32))
    state = initial(asked.widths, asked.seed)

    def order(samples: int) -> Array:
        return jnp.asarray(random.permutation(count)[:samples].astype(np.int32))

    # A step by itself, so that its time is known; it trains too.
    state, loss = epoch(state, order(asked.batch), images, classes, asked.batch)
    float(loss)
    time_to_first_step = time.perf_counter() - started
    started = time.perf_counter()
    compiled = epoch.lower(state, order(count), images, classes, asked.batch).compile()
    compile_seconds = time.perf_counter() - started

    epoch_seconds = []
    for _ in range(asked.epochs):
        started = time.perf_counter()
        state, loss = compiled(state, order(count), images, classes)
        train_loss = float(loss)
        jax.block_until_ready(state)
        epoch_seconds.append(time.perf_counter() - started)
    return Outcome(
        framework="jax",
        version=jax.__version__,
        device=device.device_kind,
        threads=os.cpu_count() if device.platform == "cpu" else None,
        compile_seconds=compile_seconds,
        time_to_first_step=time_to_first_step,
        epoch_seconds=epoch_seconds,
        train_loss=train_loss,
        test_accuracy=accuracy(state.layers, test),
    )


if __name__ == "__main__":
    asked = options(modes=["jit"], devices=["cpu", "cuda"])
    run(asked).print(asked)
