"""The same work in PyTorch, eager, as its users would write it for speed: fused optimizers, no graph where none is needed."""

import numpy as np
import torch
import torch.nn.functional as F

NAME = "torch"
aten = torch.ops.aten
ACTIVATIONS = {  # forward; what autograd calls for the derivative, from g, z and the output y
    "linear": (torch.clone, lambda g, z, y: g.clone()),
    "sigmoid": (torch.sigmoid, lambda g, z, y: aten.sigmoid_backward(g, y)),
    "tanh": (torch.tanh, lambda g, z, y: aten.tanh_backward(g, y)),
    "relu": (torch.relu, lambda g, z, y: aten.threshold_backward(g, y, 0)),
    "absolute_relu": (torch.abs, lambda g, z, y: g * torch.sign(z)),
    "leaky_relu": (F.leaky_relu, lambda g, z, y: aten.leaky_relu_backward(g, z, 0.01, False)),
    "elu": (F.elu, lambda g, z, y: aten.elu_backward(g, 1.0, 1.0, 1.0, False, z)),
    "relu6": (F.relu6, lambda g, z, y: aten.hardtanh_backward(g, z, 0.0, 6.0)),
    "softplus": (F.softplus, lambda g, z, y: aten.softplus_backward(g, z, 1.0, 20.0)),
    "noisy_relu": (lambda z, noise: torch.relu(z + noise), lambda g, z, y, noise: aten.threshold_backward(g, y, 0)),
}


def version():
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def activation(name, g, z, *beside):
    """{function: run}; derivatives of one number are asked for with g = 1."""
    g, z, *beside = map(torch.from_numpy, (g, z, *beside))
    if name in ACTIVATIONS:
        forward, derivative = ACTIVATIONS[name]
        ones, y = torch.ones_like(z), forward(z, *beside)
        return {name: lambda: forward(z, *beside), name + "_grad": lambda: derivative(ones, z, y, *beside)}
    if name == "prelu":
        (alpha,) = beside

        def prelu_vjp():
            dz, dalpha = aten._prelu_kernel_backward(g, z, alpha)
            return dz, dalpha.sum(0)

        return {"prelu": lambda: F.prelu(z, alpha), "prelu_vjp": prelu_vjp}
    if name == "maxout":
        winner = z.max(-1).indices
        backward = aten.value_selecting_reduction_backward
        return {"maxout": lambda: z.amax(-1), "maxout_vjp": lambda: backward(g, -1, winner, z.shape, False)}
    forward, backward = {
        "softmax": (torch.softmax, aten._softmax_backward_data),
        "log_softmax": (torch.log_softmax, aten._log_softmax_backward_data),
    }[name]
    y = forward(z, -1)
    return {name: lambda: forward(z, -1), name + "_vjp": lambda: backward(g, y, -1, torch.float32)}


def softmax_cross_entropy(z, y):
    z, labels = torch.from_numpy(z), torch.from_numpy(y.argmax(axis=1))
    p, n = torch.log_softmax(z, 1), torch.tensor(float(len(z)))
    one = torch.tensor(1.0)

    def gradient():
        g = aten.nll_loss_backward(one, p, labels, None, 1, -100, n)
        return aten._log_softmax_backward_data(g, p, 1, torch.float32)

    return {"softmax_cross_entropy": lambda: F.cross_entropy(z, labels), "softmax_cross_entropy_grad": gradient}


def batch_norm(x, g, gamma, beta):
    x, g, gamma, beta = map(torch.from_numpy, (x, g, gamma, beta))
    _, mean, inverse = aten.native_batch_norm(x, gamma, beta, None, None, True, 0.1, 1e-5)
    backward = aten.native_batch_norm_backward
    return {
        "batch_norm": lambda: aten.native_batch_norm(x, gamma, beta, None, None, True, 0.1, 1e-5)[0],
        "batch_norm_vjp": lambda: backward(g, x, gamma, None, None, mean, inverse, True, 1e-5, [True] * 3),
    }


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
        "nesterov_at_w": lambda: torch.optim.SGD([w], 0.01, momentum=0.9, nesterov=True, fused=True),
        "adagrad": lambda: torch.optim.Adagrad([w], 0.01, fused=True),
        "rmsprop": lambda: torch.optim.RMSprop([w], 0.001, alpha=0.9, foreach=True),
        "adadelta": lambda: torch.optim.Adadelta([w], 1.0, rho=0.95, foreach=True),
        "adam": lambda: torch.optim.Adam([w], 0.001, fused=True),
        "adamw": lambda: torch.optim.AdamW([w], 0.001, weight_decay=0.01, fused=True),
        "irprop_minus": lambda: torch.optim.Rprop([w], 0.1, foreach=True),
    }.get(name)
    if make is None:
        return None
    optimizer = make()

    def run():
        optimizer.step()
        return w.data

    return run


def model_of(net, params):
    """A network with these parameters. Weights lie the other way round there."""
    parts = []
    for i, (a, b) in enumerate(zip(net.sizes, net.sizes[1:], strict=False)):
        parts.append(torch.nn.Linear(a, b))
        if i < len(net.sizes) - 2:
            parts += [torch.nn.BatchNorm1d(b)] * net.batch_norm
            parts.append({"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}[net.activation]())
            parts += [torch.nn.Dropout(net.dropout)] * (net.dropout > 0)
    model = torch.nn.Sequential(*parts)
    trained = (part for part in parts if list(part.parameters()))
    with torch.no_grad():
        for part, (W, b, *_) in zip(trained, filter(None, params), strict=True):
            part.weight.copy_(torch.from_numpy(W.T))
            part.bias.copy_(torch.from_numpy(b))
    return model


def network(net, params, x, labels, compiled=False):
    """{what: run} for a network."""
    model = model_of(net, params)
    first = {name: a.clone() for name, a in model.state_dict().items()}
    x, labels = torch.from_numpy(x), torch.from_numpy(labels)
    xb, yb = x[: net.batch], labels[: net.batch]

    def loss(x, labels):
        return F.cross_entropy(model(x), labels)

    training_loss = torch.compile(loss) if compiled else loss

    def forward():
        model.eval()
        with torch.no_grad():
            return model(xb)

    def gradients():
        model.train()
        model.zero_grad(set_to_none=True)
        E = training_loss(xb, yb)
        E.backward()
        return E.item()

    def epoch():
        model.load_state_dict(first)
        model.train()
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
        total = 0.0
        for rows in order.split(net.batch):
            optimizer.zero_grad(set_to_none=True)
            E = training_loss(x[rows], labels[rows])
            E.backward()
            optimizer.step()
            total += E.item() * len(rows)
        return total / len(x)

    return {"forward": forward, "forward and backward": gradients, "training epoch": epoch}
