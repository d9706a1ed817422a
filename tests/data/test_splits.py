import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import Dataset, Split
from pixelgan_jax.data.splits import labelled_indices, split, validation_indices
from pixelgan_jax.errors import InputError

SEEDS = st.integers(0, 2**31 - 1)


def data(**fields) -> Data:
    given_fields = {"name": "digits", "dir": "", "labels": 0, "validation": 5, "seed": 0}
    return Data(**{**given_fields, "classes": 0, "levels": 2, "binarisation": "threshold", **fields})


def dataset(examples: int = 40, classes: int = 4) -> Dataset:
    """Every image is its own number, so that a split's rows can be told."""
    images = np.broadcast_to(np.arange(examples, dtype=np.uint8)[:, None, None, None], (examples, 2, 2, 1))
    train = Split(images, (np.arange(examples) % classes).astype(np.int32))
    return Dataset(train, Split(images[:6] + 200, train.labels[:6]), classes)


@settings(max_examples=50, deadline=None)
@given(examples=st.integers(2, 300), portion=st.floats(0, 1), seed=SEEDS)
def test_validation_and_train_part_the_examples(examples, portion, seed):
    count = 1 + round(portion * (examples - 2))
    train, validation = validation_indices(examples, count, seed)
    assert len(validation) == count
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(examples))
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()


@settings(max_examples=50, deadline=None)
@given(classes=st.integers(2, 6), each=st.integers(0, 4), seed=SEEDS, extra=st.lists(st.integers(0, 1), max_size=30))
def test_labelled_examples_are_class_balanced_and_nested(classes, each, seed, extra):
    labels = np.array([*np.repeat(np.arange(classes), 5), *extra])
    chosen = labelled_indices(labels, each * classes, classes, seed)
    np.testing.assert_array_equal(np.bincount(labels[chosen], minlength=classes), np.full(classes, each))
    assert len(set(chosen.tolist())) == each * classes
    assert set(chosen.tolist()) <= set(labelled_indices(labels, 5 * classes, classes, seed).tolist())


@pytest.mark.parametrize("labels", [0, 4, 20])
def test_split_takes_rows_of_the_right_images(labels):
    source = dataset()
    parts = split(source, data(labels=labels))
    rows = {name: set(getattr(parts, name).images[:, 0, 0, 0].tolist()) for name in ("train", "validation", "test")}
    assert rows["train"] | rows["validation"] == set(range(40)) and not rows["train"] & rows["validation"]
    assert len(rows["validation"]) == 5 and len(np.unique(parts.labelled)) == labels
    assert rows["test"] == set(range(200, 206))
    assert parts.labelled.shape == (labels,) and parts.labelled.dtype == np.int32
    assert np.bincount(parts.train.labels[parts.labelled], minlength=4).tolist() == [labels // 4] * 4
    for part in (parts.train, parts.validation):
        np.testing.assert_array_equal(part.labels, part.images[:, 0, 0, 0] % 4)


def test_split_depends_on_the_seed_alone():
    first, again, other = (split(dataset(), data(labels=8, seed=seed)) for seed in (3, 3, 4))
    for name in ("train", "validation"):
        np.testing.assert_array_equal(getattr(first, name).images, getattr(again, name).images)
        assert not np.array_equal(getattr(first, name).images, getattr(other, name).images)
    np.testing.assert_array_equal(first.labelled, again.labelled)
    assert not np.array_equal(first.labelled, other.labelled)


def test_what_is_drawn_never_changes():
    """Results are compared across versions: the streams are RandomState([seed, 0]) and RandomState([seed, 1])."""
    _, validation = validation_indices(20, 4, 5)
    assert validation.tolist() == sorted(np.random.RandomState([5, 0]).permutation(20)[:4])
    order = np.random.RandomState([5, 1]).permutation(6)
    expected = sorted([next(i for i in order if i < 3), next(i for i in order if i >= 3)])
    assert labelled_indices(np.array([0, 0, 0, 1, 1, 1]), 2, 2, 5).tolist() == expected


@pytest.mark.parametrize("count", [40, 1000])
def test_validation_must_leave_a_training_image(count):
    with pytest.raises(InputError, match=rf"^config\.data\.validation: {count} .* from 1 to 39$"):
        split(dataset(), data(validation=count))


def test_validation_leaves_of_every_class_an_image_to_learn_its_label_from():
    """Two images of 102 are of the third class, which chance would often put into validation both."""
    labels = np.repeat([0, 1, 2], [50, 50, 2]).astype(np.int32)
    whole = dataset(102)
    whole = whole._replace(train=whole.train._replace(labels=labels), classes=3)
    moved = 0
    for seed in range(20):
        parts = split(whole, data(labels=3, validation=40, seed=seed))
        assert np.bincount(parts.train.labels).min() >= 1 and len(parts.validation.images) == 40
        together = np.concatenate([part.images[:, 0, 0, 0] for part in (parts.train, parts.validation)])
        assert np.array_equal(np.sort(together), np.arange(102))
        plain = split(whole, data(validation=40, seed=seed))
        moved += not np.array_equal(plain.validation.images, parts.validation.images)
        assert (2 in plain.train.labels) == np.array_equal(plain.validation.images, parts.validation.images)
    assert moved
    with pytest.raises(InputError, match=r"^config\.data\.validation: 101 is not allowed: leaves some class without"):
        split(whole, data(labels=3, validation=101))


@pytest.mark.parametrize("count", [-4, 1, 6, 40, 4000])
def test_labels_must_be_class_balanced_and_there(count):
    """Of 10 a class, at least 8 are left by the 2 validation images."""
    with pytest.raises(InputError, match=r"^config\.data\.labels: -?\d+ .* 0 or a multiple of 4, at most (32|36)$"):
        split(dataset(), data(labels=count, validation=2))


def test_labels_with_a_class_that_has_no_image():
    with pytest.raises(InputError, match=r"^config\.data\.labels: 3 .* must be 0: some class has no image$"):
        labelled_indices(np.array([0, 0, 2, 2]), 3, 3, 0)
    assert len(labelled_indices(np.array([0, 0, 2, 2]), 0, 3, 0)) == 0
