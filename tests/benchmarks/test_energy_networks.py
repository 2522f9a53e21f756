"""Networks with exits as devices by table, as benchmarks of energy live them."""

from __future__ import annotations

import numpy as np

from benchmarks.energy_networks import deciding


def test_each_exit_of_a_network_has_its_temperature_scores_and_a_price() -> None:
    """About 4 seconds of processor time."""
    network = deciding("digits", "digits", "msp430fr5994", 64)
    n_exits = len(network.softness)
    assert n_exits == network.load.depths - 1 > 0
    assert all(32_768 <= one.mult < 65_536 for one in network.softness), "scores are told apart"
    for outcomes in (network.calibration, network.test):
        assert outcomes.scores.shape == (64, n_exits, network.n_classes)
        assert outcomes.has_labels
    assert 0.8 < np.mean(network.test.right[:, -1]) <= 1
