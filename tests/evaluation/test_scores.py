"""What samples are scored by."""

import numpy as np
import pytest

from pixelgan_jax.evaluation import scores


def test_samples_are_scored_by_what_a_classifier_says_of_them():
    """Three images, sure of 0, of 0 or 1 alike, and of 2 by three quarters."""

    class Judge:
        def predict_proba(self, flat):
            return np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.0, 0.75]])

    found = scores.score(Judge(), np.zeros((3, 4, 4, 1), np.uint8))
    assert found["confidence"] == pytest.approx((1 + 0.5 + 0.75) / 3)
    uneven = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert found["entropy_nats"] == pytest.approx((0 + np.log(2) + uneven) / 3)
    assert found["class_shares"] == pytest.approx([2 / 3, 0, 1 / 3]) and found["rarest_class"] == 0


def test_rows_of_samples_are_scored_by_what_a_classifier_takes_each_for():
    """By hand: a row of 5, 5, 7, 5 and one of 7, 7; pixels of the first are 0 or 255, half each, of the second 0."""

    class Judge:
        def predict(self, flat):
            return np.array([5, 5, 7, 5] if len(flat) == 4 else [7, 7])

    mixed = np.zeros((4, 2, 2, 1), np.uint8)
    mixed[:2] = 255
    rows = [mixed, np.zeros((2, 2, 2, 1), np.uint8)]
    found = {"row_purity": (3 / 4 + 1) / 2, "row_variance": 1 / 8, "sharpness": 0}
    assert scores.score_rows(Judge(), rows) == pytest.approx(found)
    assert scores.score_rows(Judge(), rows, (5, 5))["read_as_asked"] == pytest.approx((3 / 4 + 0) / 2)
    assert scores.error(Judge(), mixed, np.array([5, 7, 7, 7])) == pytest.approx(1 / 2)


def test_a_sharp_edge_is_sharper_than_a_ramp():
    """By hand: a step of 255 between columns 1 and 2 of 4 has second differences 0, 1, -1, 0: variance 1/2."""
    step = np.zeros((3, 4, 4, 1), np.uint8)
    step[:, :, 2:] = 255
    ramp = np.broadcast_to(np.array([0, 85, 170, 255], np.uint8)[:, None], (3, 4, 4, 1))
    assert scores.sharpness(step) == pytest.approx(0.5)
    assert scores.sharpness(ramp) == pytest.approx(1 / 18)
