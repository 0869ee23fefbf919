"""Comparison with scikit-learn: losses, and the loss curve of its multilayer perceptron."""

import numpy as np
import pytest

from dnnbook import losses, network, optimizers, train

pytestmark = pytest.mark.peers
ETA = 0.1


@pytest.fixture
def metrics():
    return pytest.importorskip("sklearn.metrics")


def test_losses_agree(metrics):
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(4), 50), np.arange(50) % 4
    y_hat, y = rng.normal(size=(2, 50, 3))
    assert float(losses.cross_entropy(p, np.eye(4)[labels])) == pytest.approx(metrics.log_loss(labels, p), rel=1e-14)
    mean = 3 * metrics.mean_squared_error(y, y_hat)  # scikit-learn divides by the number of outputs too
    assert float(losses.mean_squared_error(y_hat, y)) == pytest.approx(mean, rel=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (optimizers.optimizer("sgd", eta=ETA), {"solver": "sgd", "momentum": 0.0}),
        (optimizers.optimizer("momentum", eta=ETA), {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False}),
        (optimizers.optimizer("nesterov", eta=ETA), {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True}),
        # It adds epsilon before the bias correction: too small to matter in either place.
        (optimizers.optimizer("adam", eta=ETA, eps=1e-40), {"solver": "adam", "epsilon": 1e-40}),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_perceptron_follows_scikit_learn(ours, theirs, activation, l2):
    """Same first weights, whole batches: the same losses and weights for 100 steps."""
    neural = pytest.importorskip("sklearn.neural_network")
    rng, n = np.random.default_rng(0), 60
    x, labels = rng.normal(size=(n, 5)), np.arange(n) % 3
    layers = network.mlp([5, 8, 3], activation)
    params = network.init(layers, rng, np.float64)
    common = {"activation": activation, "alpha": l2 * n, "learning_rate_init": ETA, "batch_size": n, "shuffle": False}
    peer = neural.MLPClassifier((8,), **common, **theirs).partial_fit(x, labels, classes=np.arange(3))  # makes its arrays ...
    for k, p in enumerate(p for p in params if p):
        peer.coefs_[k][...], peer.intercepts_[k][...] = p  # ... which start again from ours
    del peer._optimizer, peer.loss_curve_[:]
    for _ in range(100):
        peer.partial_fit(x, labels, classes=np.arange(3))
    fitted = train.fit(layers, params, x, labels, optimizer=ours, l2=l2, batch_size=n, epochs=100, rng=rng, progress=False)
    trained = [p for p in fitted.params if p]
    for k, (W, b) in enumerate(trained):
        np.testing.assert_allclose(W, peer.coefs_[k], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(b, peer.intercepts_[k], rtol=1e-9, atol=1e-12)
    if l2 == 0:  # its curve holds the penalty too, ours the data's loss
        assert fitted.history.loss == pytest.approx(peer.loss_curve_, rel=1e-12)
