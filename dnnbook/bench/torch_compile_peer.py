"""Training in PyTorch with torch.compile. It needs a C++ compiler, and compiles for seconds to tens of seconds per network."""

from dnnbook.bench import torch_peer

NAME = "torch.compile"


def version():
    return f"torch.compile of {torch_peer.version()}"


def network(net, params, x, labels):
    """{what: run} for a network: forward pass, loss and backward pass are compiled, the optimizer is the fused one."""
    runs = torch_peer.network(net, params, x, labels, compiled=True)
    return {what: runs[what] for what in ("forward and backward", "training epoch")}
