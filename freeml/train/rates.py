"""The learning rate of each weight, as a share of the one asked for.

Adam's steps are as long whatever a weight's size is. Where a model scales its input, the first convolution's weights
take that in (passes/) and are a hundred times smaller than others: one step of the usual rate would undo them.
"""

from __future__ import annotations

import numpy as np

from freeml.ir.types import Array

# Weights that are trained get smaller than they were drawn; so much smaller they are by their scale.
_SMALLER = 4.0


def share_of_rate(weight: Array) -> float:
    """1, or less for a weight (O, ..., I) whose numbers are far below those that such a layer begins training with.

    That is 1 / sqrt(3 n) in the root mean square for n products an output (He et al., "Delving Deep into Rectifiers",
    2015, as torch draws them). Biases, and weights that are all zero, have the whole rate.
    """
    if weight.ndim < 2 or not weight.any():
        return 1.0
    usual = 1 / np.sqrt(3 * weight[0].size)
    left = weight[weight != 0]  # a pruned weight is no smaller for that
    return float(min(1.0, _SMALLER * np.sqrt(np.mean(left.astype(np.float64) ** 2)) / usual))
