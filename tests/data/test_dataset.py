from __future__ import annotations

import numpy as np
import pytest

from freeml.data import Dataset, fit_inputs
from freeml.errors import BadData


def dataset(x: object, y: object = None, classes: tuple[str, ...] = (), **more: object) -> Dataset:
    inputs = x if isinstance(x, tuple) else (x,)
    return Dataset(inputs, y, classes, "made", "test", **more)


def test_real_inputs_of_codes_are_scale_times_code_minus_zero_point():
    codes = np.array([[-128, 0, 83, 127]], dtype=np.int8)
    real = dataset(codes, quant=((0.5, 83),)).real_inputs()[0]
    assert real.dtype == np.float32
    assert real.tolist() == [[-105.5, -41.5, 0.0, 22.0]]


def test_codes_stay_codes_in_inputs():
    codes = np.zeros((2, 3), dtype=np.int8)
    assert dataset(codes, quant=((0.5, 83),)).inputs[0].dtype == np.int8


def test_take_keeps_samples_and_labels_together():
    x = np.arange(20, dtype=np.float32)[:, None]
    taken = dataset(x, np.arange(20) % 10).take(7)
    assert len(taken) == 7
    assert (taken.inputs[0][:, 0].astype(int) % 10 == taken.labels).all()


X = np.zeros((3, 2), dtype=np.float32)
CONTRADICTIONS = {
    "2 labels": (X, [0, 1], {}),
    "different numbers of samples: 3, 4": ((X, np.zeros((4, 1))), None, {}),
    "below 0": (X, [0, -1, 0], {}),
    "2 class names": (X, [0, 1, 2], {"classes": ("a", "b")}),
    "not a whole number": (X, [0.0, 0.5, 1.0], {"classes": ("a", "b")}),
    "not class numbers": (X, ["a", "b", "c"], {}),
    "not \\(N,\\)": (X, np.eye(3), {}),
    "NaN or infinity in 1 of 3 samples, the first is row 1": (np.array([[0.0], [np.nan], [0.0]]), None, {}),
    "NaN or infinity": (np.array([[1e300], [0.0]]), None, {}),
    "has no samples": (np.zeros((0, 4)), None, {}),
    "samples are numbers": (np.array([["a"]]), None, {}),
    "single number": (np.float32(1), None, {}),
    "must be above 0": (X.astype(np.int8), None, {"quant": ((0.0, 0),)}),
    "outside int8": (X.astype(np.int8), None, {"quant": ((1.0, 200),)}),
    "not integers": (X, None, {"quant": ((1.0, 0),)}),
    "at least one input": ((), None, {}),
}


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_contradictions_are_refused_where_the_data_set_is_made(message):
    x, y, more = CONTRADICTIONS[message]
    with pytest.raises(BadData, match=message):
        dataset(x, y, **more)


def test_whole_float_labels_and_columns_are_class_numbers():
    labels = dataset(X, np.array([[0.0], [1.0], [2.0]])).labels
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1, 2]


IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


def test_channels_move_to_the_end_for_a_channels_last_model():
    fitted = fit_inputs(dataset(IMAGES), [(4, 5, 3)]).inputs[0]
    assert (fitted == IMAGES.transpose(0, 2, 3, 1)).all()
    assert (fit_inputs(dataset(fitted), [(3, 4, 5)]).inputs[0] == IMAGES).all()


def test_time_series_fit_both_axis_orders():
    series = np.arange(2 * 9 * 16, dtype=np.float32).reshape(2, 9, 16)
    assert (fit_inputs(dataset(series), [(16, 9)]).inputs[0] == series.transpose(0, 2, 1)).all()
    assert (fit_inputs(dataset(series), [(9, 1, 16)]).inputs[0] == series[:, :, None]).all()
    assert (fit_inputs(dataset(series), [(1, 16, 9)]).inputs[0] == series.transpose(0, 2, 1)[:, None]).all()


def test_a_dense_network_reads_the_values_in_one_row():
    assert (fit_inputs(dataset(IMAGES), [(60,)]).inputs[0] == IMAGES.reshape(2, 60)).all()


def test_samples_that_do_not_fit_are_named_with_both_shapes():
    with pytest.raises(BadData, match=r"reads \(3, 8, 8\), the samples are \(3, 4, 5\)"):
        fit_inputs(dataset(IMAGES), [(3, 8, 8)])
    with pytest.raises(BadData, match="2 inputs, the data 1"):
        fit_inputs(dataset(IMAGES), [(3, 4, 5), (2,)])
