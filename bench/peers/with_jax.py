"""JAX, optax and diffrax as peers; see peer.py. XLA uses every core."""
from functools import partial

import diffrax
import jax
import jax.numpy as jnp
import optax

import peer

POINTS, TOLERANCE = 1000, 1e-5


def mlp(width, depth):
    """The weights of the network of every case: [x, t] in two dimensions."""
    sizes = [3] + [width] * depth + [2]
    keys = jax.random.split(jax.random.PRNGKey(0), len(sizes))
    bounds = [a**-0.5 for a in sizes]
    return [
        (jax.random.uniform(k, (a, b), minval=-c, maxval=c), jax.random.uniform(k, (b,), minval=-c, maxval=c))
        for k, a, b, c in zip(keys, sizes, sizes[1:], bounds)
    ]


def apply(net, t, x):
    x = jnp.concatenate([x, jnp.broadcast_to(t, x.shape[:-1] + (1,))], -1)
    for w, b in net[:-1]:
        x = jax.nn.silu(x @ w + b)
    w, b = net[-1]
    return x @ w + b


def train(width, depth, batch):
    net, adam = mlp(width, depth), optax.adam(1e-3)

    def loss(net, key):
        a, b, c, d, e = jax.random.split(key, 5)
        x = jax.random.uniform(a, (batch,)) * 4 - 2
        y = jax.random.uniform(b, (batch,)) - 2 * jax.random.bernoulli(c, shape=(batch,)) + jnp.floor(x) % 2
        x1 = jnp.stack([x, y], 1) / 0.45
        x0, t = jax.random.normal(d, (batch, 2)), jax.random.uniform(e, (batch, 1))
        return jnp.mean((apply(net, t, (1 - t) * x0 + t * x1) - (x1 - x0)) ** 2)

    @partial(jax.jit, donate_argnums=0)
    def step(state):
        net, moments, key = state
        key, now = jax.random.split(key)
        update, moments = adam.update(jax.grad(loss)(net, now), moments)
        return optax.apply_updates(net, update), moments, key

    state = net, adam.init(net), jax.random.PRNGKey(1)

    def work():
        nonlocal state
        state = step(state)
        return state
    return {"jax": work}


def conv(backward):
    def forward(x, w):
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    a, b = jax.random.split(jax.random.PRNGKey(0))
    x, w = jax.random.normal(a, (32, 32, 32, 64)), jax.random.normal(b, (3, 3, 64, 64)) / 24
    f = jax.jit(jax.grad(lambda x, w: (forward(x, w) ** 2).sum(), (0, 1)) if backward else forward)
    return {"jax": lambda: f(x, w)}


def solve(field, start, t0, t1, steps=0):
    if steps:
        solver, control, dt = diffrax.Euler(), diffrax.ConstantStepSize(), (t1 - t0) / steps
    else:
        solver, control, dt = diffrax.Dopri5(), diffrax.PIDController(rtol=TOLERANCE, atol=TOLERANCE), None

    @jax.jit
    def run(net, y):
        return diffrax.diffeqsolve(diffrax.ODETerm(field), solver, t0, t1, dt, y, args=net, stepsize_controller=control).ys
    return lambda net: {"diffrax": lambda: run(net, start)}


def sample(width, depth, steps=0):
    x0 = jax.random.normal(jax.random.PRNGKey(1), (POINTS, 2))
    return solve(lambda t, x, net: apply(net, t, x), x0, 0.0, 1.0, steps)(mlp(width, depth))


def logp(width, depth):
    def augmented(t, state, net):
        x = state[0]
        v, jvp = jax.linearize(lambda x: apply(net, t, x), x)
        return v, -sum(jvp(jnp.zeros_like(x).at[:, i].set(1.0))[:, i] for i in range(2))
    x1 = jax.random.normal(jax.random.PRNGKey(1), (POINTS, 2))
    return solve(augmented, (x1, jnp.zeros(POINTS)), 1.0, 0.0)(mlp(width, depth))


def main():
    cases = {f"train mlp{w}x{n} B{b}": partial(train, w, n, b) for w, n, b in peer.training()}
    cases["conv3x3 64-64 32x32 B32 forward"] = partial(conv, False)
    cases["conv3x3 64-64 32x32 B32 forward+backward"] = partial(conv, True)
    for w, n in peer.nets():
        net = f"mlp{w}x{n} n{POINTS}"
        cases[f"sample euler100 {net}"] = partial(sample, w, n, 100)
        cases[f"sample dopri5 1e-5 {net}"] = partial(sample, w, n)
        cases[f"logp exact dopri5 1e-5 {net}"] = partial(logp, w, n)
    peer.serve({"jax": jax.__version__, "diffrax": diffrax.__version__}, cases, jax.block_until_ready)


if __name__ == "__main__":
    main()
