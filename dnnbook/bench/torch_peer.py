"""The same work in PyTorch, eager, as its users would write it for speed: fused optimizers, no graph where none is needed."""

import numpy as np
import torch
import torch.nn.functional as F

NAME = "torch"
aten = torch.ops.aten
ACTIVATIONS = {  # forward; derivative from z and the output y, with g = 1
    "linear": (torch.clone, lambda g, z, y: g.clone()),
    "sigmoid": (torch.sigmoid, lambda g, z, y: aten.sigmoid_backward(g, y)),
    "tanh": (torch.tanh, lambda g, z, y: aten.tanh_backward(g, y)),
    "relu": (torch.relu, lambda g, z, y: aten.threshold_backward(g, y, 0)),
    "absolute_relu": (torch.abs, lambda g, z, y: torch.sign(z)),
    "leaky_relu": (F.leaky_relu, lambda g, z, y: aten.leaky_relu_backward(g, z, 0.01, False)),
    "elu": (F.elu, lambda g, z, y: aten.elu_backward(g, 1.0, 1.0, 1.0, False, z)),
    "relu6": (F.relu6, lambda g, z, y: aten.hardtanh_backward(g, z, 0.0, 6.0)),
    "softplus": (F.softplus, lambda g, z, y: aten.softplus_backward(g, z, 1.0, 20.0)),
}


def version():
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def activation(name, z):
    forward, derivative = ACTIVATIONS[name]
    z = torch.from_numpy(z)
    g, y = torch.ones_like(z), forward(z)
    return lambda: forward(z), lambda: derivative(g, z, y)


def softmax_cross_entropy(z, y):
    z, labels = torch.from_numpy(z), torch.from_numpy(y.argmax(axis=1))
    p, n = torch.log_softmax(z, 1), len(z)
    weight = torch.tensor(float(n))
    one = torch.tensor(1.0)

    def gradient():
        g = aten.nll_loss_backward(one, p, labels, None, 1, -100, weight)
        return aten._log_softmax_backward_data(g, p, 1, torch.float32)

    return lambda: F.cross_entropy(z, labels), gradient


def batch_norm(x, g, gamma, beta):
    x, g, gamma, beta = map(torch.from_numpy, (x, g, gamma, beta))
    _, mean, inverse = aten.native_batch_norm(x, gamma, beta, None, None, True, 0.1, 1e-5)
    masks = [True] * 3
    return (
        lambda: aten.native_batch_norm(x, gamma, beta, None, None, True, 0.1, 1e-5),
        lambda: aten.native_batch_norm_backward(g, x, gamma, None, None, mean, inverse, True, 1e-5, masks),
    )


def dropout(x, mask, keep):
    x, mask = torch.from_numpy(x), torch.from_numpy(mask)
    return lambda: x * mask * (1 / keep)


def step(name, w, g):
    """One step of an optimizer, fused where PyTorch has it so."""
    w = torch.from_numpy(w).requires_grad_()
    w.grad = torch.from_numpy(g)
    make = {
        "sgd": lambda: torch.optim.SGD([w], 0.01, fused=True),
        "momentum": lambda: torch.optim.SGD([w], 0.01, momentum=0.9, fused=True),
        "nesterov": lambda: torch.optim.SGD([w], 0.01, momentum=0.9, nesterov=True, fused=True),
        "adagrad": lambda: torch.optim.Adagrad([w], 0.01, fused=True),
        "rmsprop": lambda: torch.optim.RMSprop([w], 0.01, foreach=True),
        "adadelta": lambda: torch.optim.Adadelta([w], foreach=True),
        "adam": lambda: torch.optim.Adam([w], fused=True),
        "adamw": lambda: torch.optim.AdamW([w], fused=True),
    }
    return make[name]().step


def network(net, params, x, labels):
    """{what: run} for a network."""
    parts, pairs = [], list(zip(net.sizes, net.sizes[1:], strict=False))
    for i, (a, b) in enumerate(pairs):
        parts.append(torch.nn.Linear(a, b))
        if i < len(pairs) - 1:
            parts += [torch.nn.BatchNorm1d(b)] * net.batch_norm
            parts.append(torch.nn.Sigmoid() if net.activation == "sigmoid" else torch.nn.ReLU())
            parts += [torch.nn.Dropout(net.dropout)] * (net.dropout > 0)
    model = torch.nn.Sequential(*parts)
    weights = [p for p in params if len(p) == 2]

    def start():
        linear = (m for m in model if isinstance(m, torch.nn.Linear))
        with torch.no_grad():
            for m, (W, b) in zip(linear, weights, strict=True):
                m.weight.copy_(torch.from_numpy(W.T.copy()))
                m.bias.copy_(torch.from_numpy(b))
        return torch.optim.Adam(model.parameters(), fused=True)

    x, labels = torch.from_numpy(x), torch.from_numpy(labels)
    xb, yb = x[: net.batch], labels[: net.batch]
    start()

    def forward():
        model.eval()
        with torch.no_grad():
            return model(xb)

    def gradients():
        model.train()
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(xb), yb).backward()

    def epoch():
        optimizer = start()
        model.train()
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
        total = 0.0
        for rows in order.split(net.batch):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return {"forward": forward, "forward and backward": gradients, "training epoch": epoch}
