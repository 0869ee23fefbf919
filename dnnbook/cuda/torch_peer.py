"""Training in PyTorch on the GPU, as its users write it for speed: a fused optimizer, no wait for a loss, a graph of a step."""

import torch
import torch.nn.functional as F

from dnnbook.bench.torch_peer import model_of

torch.backends.cuda.matmul.allow_tf32 = False
is_available = torch.cuda.is_available


class Training:
    """An epoch after the other, with the examples on the device.

    Parameters
    ----------
    net : Net
    params, x, labels : as in :func:`dnnbook.train.fit`
    device : str
    """

    def __init__(self, net, params, x, labels, device="cuda"):
        self.model, self.batch, self.on_gpu = model_of(net, params).to(device).train(), net.batch, device == "cuda"
        self.x, self.labels = torch.from_numpy(x).to(device), torch.from_numpy(labels).to(device)
        self.device, self.graph = device, None
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True, capturable=self.on_gpu)

    def step(self, x, labels):
        """The loss before a step, still on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        E = F.cross_entropy(self.model(x), labels)
        E.backward()
        self.optimizer.step()
        return E.detach()

    def recorded(self):
        """The same with its step as a CUDA graph, recorded as PyTorch's documentation says."""
        self.batch_x, self.batch_labels = self.x[: self.batch].clone(), self.labels[: self.batch].clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self.step(self.batch_x, self.batch_labels)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.loss = self.step(self.batch_x, self.batch_labels)
        return self

    def losses(self, order=None):
        """Train for an epoch in this order or in one by chance: the losses of its steps."""
        n = len(self.x)
        order = torch.randperm(n, device=self.device) if order is None else torch.from_numpy(order).to(self.device)
        losses = torch.empty(-(-n // self.batch), device=self.device)
        for i, rows in enumerate(order.split(self.batch)):
            if self.graph is None:
                losses[i] = self.step(self.x[rows], self.labels[rows])
            else:
                torch.index_select(self.x, 0, rows, out=self.batch_x)
                torch.index_select(self.labels, 0, rows, out=self.batch_labels)
                self.graph.replay()
                losses[i] = self.loss
        return losses.cpu().numpy()

    def epoch(self):
        return self.losses()
