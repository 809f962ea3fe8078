"""FedJAX on the CPU, with its default backend (one compiled step, clients one after the other)."""

import time

import jax

if not hasattr(jax, "tree_map"):  # FedJAX 0.0.17 was written for a JAX that still had it
    jax.tree_map = jax.tree_util.tree_map

import fedjax
import jax.numpy as jnp
import numpy as np
from jax import lax

import workload

LAYERS = {  # weight shapes: convolutions as height, width, in, out
    "lenet": [(5, 5, 3, 6), (5, 5, 6, 16), (400, 120), (120, 84), (84, 10)],
    "cnn": [(3, 3, 3, 32), (3, 3, 32, 64), (12544, 128), (128, 10)],
    "linear": [(workload.FEATURES, 1)],
}


def initial_parameters(name, rng):
    parameters = []
    for shape in LAYERS[name]:
        bound = 1 / np.sqrt(np.prod(shape[:-1]))
        parameters.append((jnp.asarray(rng.uniform(-bound, bound, shape), jnp.float32),
                           jnp.asarray(rng.uniform(-bound, bound, shape[-1]), jnp.float32)))
    return parameters


def conv(x, layer):
    y = lax.conv_general_dilated(x, layer[0], (1, 1), "VALID",
                                 dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(y + layer[1])


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def dense(x, layer):
    return x @ layer[0] + layer[1]


def dropout(x, p, rng):
    return jnp.where(jax.random.bernoulli(rng, 1 - p, x.shape), x / (1 - p), 0)


def forward(name, parameters, x, rng):
    if name == "linear":
        return dense(x, parameters[0])[:, 0]
    if name == "lenet":
        x = pool(conv(pool(conv(x, parameters[0])), parameters[1])).reshape(len(x), -1)
        x = jax.nn.relu(dense(jax.nn.relu(dense(x, parameters[2])), parameters[3]))
        return dense(x, parameters[4])
    rngs = jax.random.split(rng)
    x = dropout(pool(conv(conv(x, parameters[0]), parameters[1])), 0.25, rngs[0])
    x = jax.nn.relu(dense(x.reshape(len(x), -1), parameters[2]))
    return dense(dropout(x, 0.5, rngs[1]), parameters[3])


def make_gradient(name):
    def loss(parameters, batch, rng):
        out = forward(name, parameters, batch["x"], rng)
        if name == "linear":
            return jnp.mean((out - batch["y"]) ** 2)
        picked = jnp.take_along_axis(jax.nn.log_softmax(out), batch["y"][:, None], axis=1)
        return -jnp.mean(picked)

    return jax.grad(loss)


def main():
    args = workload.parse_arguments()
    x, y = workload.load_examples(args.model, args.data, args.population * args.examples)
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        y = y.astype(np.int32)
    clients = [fedjax.ClientDataset({"x": x[mine], "y": y[mine]})
               for mine in (workload.client_slice(args, c) for c in range(args.population))]
    algorithm = fedjax.algorithms.fed_avg.federated_averaging(
        make_gradient(args.model),
        fedjax.optimizers.sgd(args.lr, momentum=args.momentum),
        fedjax.optimizers.sgd(1.0),
        fedjax.ShuffleRepeatBatchHParams(batch_size=args.batch, num_epochs=1, seed=1))
    rng = np.random.default_rng(1)
    state = algorithm.init(initial_parameters(args.model, rng))
    times = [time.perf_counter()]
    for r in range(args.rounds):
        cohort = rng.choice(args.population, args.cohort, replace=False)
        keys = jax.random.split(jax.random.PRNGKey(r), args.cohort)
        state, _ = algorithm.apply(state, [(c, clients[c], k) for c, k in zip(cohort, keys)])
        jax.block_until_ready(state.params)
        times.append(time.perf_counter())
    workload.report("fedjax", args, times)


if __name__ == "__main__":
    main()
