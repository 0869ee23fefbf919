"""Training as in PyTorch: from the same weights, on the same batches, with the same masks, the loss goes the same way."""

from itertools import pairwise

import numpy as np
import pytest

from dnnbook import network, optimizers, schedules, train

torch = pytest.importorskip("torch")
nn, tf = torch.nn, torch.nn.functional
torch.set_num_threads(1)  # small matrices: on busy cores two threads wait for each other

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("default")]

N, BATCH, STEPS, KEEP = 80, 16, 200, 0.75
SIZES = (6, 12, 10, 4)
EPOCHS = STEPS * BATCH // N


def rng(seed=0):
    return np.random.default_rng(seed)


X = rng(1).normal(size=(N, SIZES[0]))
Y = (np.abs(X @ rng(2).normal(size=SIZES[0])) * 2).astype(int).clip(0, SIZES[-1] - 1)


class Mask(nn.Module):
    """Dropout with masks drawn as ours are, from a generator that is set before each pass."""

    def forward(self, x):
        mask = self.chance.random(tuple(x.shape)) < KEEP
        return x * torch.from_numpy(mask / KEEP)


def same_network(params, batch_norm, dropout):
    """A PyTorch network with our parameters; weights lie the other way round."""
    parts, ours = [], iter([p for p in params if p])
    for i, (n_in, n_out) in enumerate(pairwise(SIZES)):
        dense = nn.Linear(n_in, n_out)
        W, b = next(ours)
        dense.weight.data, dense.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b.copy())
        parts.append(dense)
        if i < len(SIZES) - 2:
            if batch_norm:
                next(ours)  # ones and zeros, as PyTorch's
                parts.append(nn.BatchNorm1d(n_out, dtype=torch.float64))
            parts.append(nn.Tanh())
            if dropout:
                parts.append(Mask())
    return nn.Sequential(*parts)


def in_torch(net, step, chance, rate=None, before=None, penalty=None, after=None):
    """200 steps: (loss of each, loss of prediction on all examples at the end)."""
    for module in net.modules():
        module.chance = chance
    values = []
    while len(values) < STEPS:
        order = chance.permutation(N)
        for rows in order.reshape(-1, BATCH):
            if rate:
                for group in step.param_groups:
                    group["lr"] = rate(len(values))
            step.zero_grad()
            E = tf.cross_entropy(net(torch.from_numpy(X[rows])), torch.from_numpy(Y[rows]))
            values.append(E.item())
            (E if penalty is None else E + penalty(net)).backward()
            if before:
                before(net)
            step.step()
            if after:
                after(net)
    parts = [m for m in net if not isinstance(m, Mask)]
    z = nn.Sequential(*parts).eval()(torch.from_numpy(X))
    return np.array(values), tf.cross_entropy(z, torch.from_numpy(Y)).item()


def ours(net, params, optimizer, **options):
    fitted = train.fit(
        net, params, X, Y, rng=rng(), batch_size=BATCH, epochs=EPOCHS, optimizer=optimizer, progress=False, **options
    )
    return np.array(fitted.history.step_loss), fitted


def compare(make, optimizer, batch_norm=False, dropout=False, options=None, **theirs):
    net = network.mlp(SIZES, "tanh", batch_norm=batch_norm, dropout=1 - KEEP if dropout else 0.0)
    params = network.init(net, rng(3), np.float64)
    values, fitted = ours(net, params, optimizer, validation=(X, Y), **(options or {}))
    peer = same_network(params, batch_norm, dropout)
    expected, prediction = in_torch(peer, make(peer), rng(), **theirs)
    assert len(values) == len(expected) == STEPS
    assert np.abs(np.diff(expected)).max() > 1e-3  # something happens
    np.testing.assert_allclose(values, expected, rtol=1e-10)
    assert fitted.history.validation_loss[-1] == pytest.approx(prediction, rel=1e-10)
    return values


def sgd(**numbers):
    return lambda net: torch.optim.SGD(net.parameters(), **numbers)


OPTIMIZERS = {
    "sgd": ({"eta": 0.1}, sgd(lr=0.1)),
    "momentum": ({"eta": 0.05, "gamma": 0.9}, sgd(lr=0.05, momentum=0.9)),
    "nesterov": ({"eta": 0.05, "gamma": 0.9}, sgd(lr=0.05, momentum=0.9, nesterov=True)),
    "adam": ({"eta": 0.01}, lambda net: torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.9, 0.999), eps=1e-8)),
    "rmsprop": (
        {"eta": 0.005, "beta": 0.9},
        lambda net: torch.optim.RMSprop(net.parameters(), lr=0.005, alpha=0.9, eps=1e-8),
    ),
}


@pytest.mark.parametrize("dropout", [False, True], ids=["", "dropout"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["", "batch_norm"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loss_of_200_steps(name, batch_norm, dropout):
    numbers, make = OPTIMIZERS[name]
    compare(make, optimizers.optimizer(name, **numbers), batch_norm, dropout)


def weights(net):
    return [p for p in net.parameters() if p.ndim > 1]


def groups(net, decay):
    biases = [p for p in net.parameters() if p.ndim == 1]
    return [{"params": weights(net), "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]


def clip_norm(net):
    norm = torch.sqrt(sum((p.grad**2).sum() for p in net.parameters()))
    for p in net.parameters():
        p.grad *= min(1.0, 0.3 / norm.item())


def max_norm(net):
    with torch.no_grad():
        for p in weights(net):
            p.mul_((0.9 / p.norm(dim=1, keepdim=True)).clamp(max=1))  # torch.renorm adds 1e-7 to the length


MOMENTUM = optimizers.optimizer("momentum", eta=0.05)
OPTIONS = {
    "l1": ({"l1": 0.003}, {"penalty": lambda net: 0.003 * sum(p.abs().sum() for p in weights(net))}),
    "l2": ({"l2": 0.01}, {"penalty": lambda net: 0.005 * sum((p**2).sum() for p in weights(net))}),
    "clip_value": ({"clip_value": 0.02}, {"before": lambda net: nn.utils.clip_grad_value_(net.parameters(), 0.02)}),
    "clip_norm": ({"clip_norm": 0.3}, {"before": clip_norm}),
    "max_norm": ({"max_norm": 0.9}, {"after": max_norm}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    options, theirs = OPTIONS[name]
    plain = compare(sgd(lr=0.05, momentum=0.9), MOMENTUM)
    changed = compare(sgd(lr=0.05, momentum=0.9), MOMENTUM, options=options, **theirs)
    assert np.abs(plain - changed).max() > 1e-2


def test_decay_is_that_of_adamw_and_l2_that_of_sgd():
    adam = optimizers.optimizer("adam", eta=0.01)
    compare(lambda net: torch.optim.AdamW(groups(net, 0.5), lr=0.01), adam, options={"decay": 0.5})
    compare(lambda net: torch.optim.SGD(groups(net, 0.05), lr=0.1), optimizers.optimizer("sgd", eta=0.1), options={"l2": 0.05})


def test_a_schedule():
    rate = schedules.schedule("warm_up", eta=schedules.schedule("cosine", eta=0.2, steps=STEPS), steps=20)
    compare(sgd(lr=1.0), optimizers.optimizer("sgd"), options={"schedule": rate}, rate=rate)
    compare(lambda net: torch.optim.Adam(net.parameters()), optimizers.optimizer("adam"), options={"schedule": rate}, rate=rate)
