"""Every field is checked, whatever it is given: a Config comes out, or one line that names the field."""

import dataclasses
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import base
from pixelgan_jax.config import Config, fields, first_difference, to_dict
from pixelgan_jax.config.convert import describe, fields_of
from pixelgan_jax.config.fields import NEVER_ABSENT
from pixelgan_jax.config.schema import groups
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.autoencoder.settings import AutoencoderConfig
from pixelgan_jax.methods.registry import from_dict, from_saved

GROUPS = groups(AutoencoderConfig)
FIELDS = {f"{group}.{name}": field.metadata for group, name, field in fields_of(AutoencoderConfig)}
OWN = [name for name in FIELDS if name != "method.name"]  # which says what the others are
YOUNGER = [name for name, about in FIELDS.items() if about["absent"] is not NEVER_ABSENT]
BY_KIND = {kind: [name for name, about in FIELDS.items() if about["kind"] is kind] for kind in (int, float, str, tuple)}
# a value of every type; a field refuses those that are not its own
OF_TYPE = {int: 3, float: 0.5, str: "none", bool: True, tuple: (3,), dict: {}, bytes: b"3", type(None): None}
CHOICES = {name: about["allowed"][7:].split(", ") for name, about in FIELDS.items() if "one of " in about["allowed"]}


def values():
    return to_dict(from_dict(base.get_config()))


def changed(name, value):
    group, field = name.split(".")
    made = values()
    made[group][field] = value
    return made


def taken(name, value):
    """What the field makes of a value that its own check lets pass, whatever other fields say."""
    group, field = name.split(".")
    about = {each.name: each for each in dataclasses.fields(GROUPS[group])}[field]
    return fields.value_of(name, about, value)


def refused(name, value, allowed=None):
    with pytest.raises(InputError) as caught:
        from_dict(changed(name, value))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"config.{name}: "), message
    assert message.endswith(f" is not allowed: must be {allowed or FIELDS[name]['allowed']}"), message
    return message


@pytest.mark.parametrize("name", OWN)
def test_a_value_of_another_type_is_refused(name):
    kind = FIELDS[name]["kind"]
    for other, value in OF_TYPE.items():
        if other is not kind and (kind, other) != (float, int):
            assert repr(value) in refused(name, value)


@pytest.mark.parametrize("name", BY_KIND[int] + BY_KIND[float])
def test_numbers_are_taken_up_to_their_bounds_and_refused_past_them(name):
    kind, text = FIELDS[name]["kind"], FIELDS[name]["allowed"]
    found = re.fullmatch(r"an? (odd )?(?:integer|number) (from|above) (\S+)(?: (to|to below) (\S+))?", text)
    odd, lower, low, upper, high = found.groups()
    low, high = kind(low), kind(high) if high else math.inf
    step = 2 if odd else 1 if kind is int else 1e-6
    past = [low - step] + ([low] if lower == "above" else [])
    inside = [low + step] if lower == "above" else [low, low + step]
    if high < math.inf:
        past += [high + step] + ([high] if upper == "to below" else [])
        inside += [high - step] + ([] if upper == "to below" else [high])
    for value in past + ([low + 1] if odd else []):
        assert f": {value!r} is" in refused(name, value)
    for value in inside:
        assert taken(name, value) == value


@pytest.mark.parametrize("name", BY_KIND[float])
def test_numbers_are_finite_and_integers_become_real(name):
    for value in (math.nan, math.inf, -math.inf, 10**400, -(10**30)):
        refused(name, value)
    about = FIELDS[name]
    whole = 0 if about["check"](0.0) else 1
    assert type(taken(name, whole)) is float


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_those_that_are_named(name):
    for choice in CHOICES[name]:
        assert taken(name, choice) == choice
        refused(name, choice.upper())
    refused(name, "")


def test_frequencies_are_positive_numbers():
    for value in ((0,), (-1,), ("a",), (True,), ((4,),), (float("nan"),), (1e-7,), (1e13,), (10**400,)):
        refused("prior.frequencies", value)
    assert taken("prior.frequencies", ()) == ()
    counts = (10, 0.5, 6, 4, 1, 1, 1, 1, 1, 1)
    assert taken("prior.frequencies", list(counts)) == counts


@pytest.mark.parametrize("name", sorted(set(BY_KIND[tuple]) - {"prior.frequencies"}))
def test_widths_are_positive_integers(name):
    for value in ((0,), (-1,), (1.5,), ("a",), (True,), ((4,),), (65537,), (4,) * 17):
        refused(name, value)
    assert taken(name, [16, 32]) == (16, 32)
    assert taken(name, (65536,) * 16) == (65536,) * 16
    if name == "model.code_units":  # no network
        assert taken(name, []) == ()
    else:
        refused(name, ())


def test_text_that_no_file_system_takes_is_refused():
    refused("data.name", "")
    for name in ("data.name", "data.dir"):
        refused(name, "a\0b")


def test_a_long_or_many_lined_value_is_shown_shortened_on_one_line():
    message = refused("train.steps", base.get_config())  # a ConfigDict's repr has a line for each field
    assert len(message) < 200
    assert "..." in refused("prior.name", "x" * 10_000)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model.layrs", 2, r"config\.model\.layrs: no such field; the nearest of config\.model are layers, "),
        ("nosuch", {}, r"config\.nosuch: no such group; a config has method, data, model, prior, optim, "),
        ("train", 3, r"config\.train: 3 is not allowed: must be a group of fields"),
        ("train", "steps", r"config\.train: 'steps' is not allowed: must be a group of fields"),
        ("train", [("steps", 3)], r"config\.train: \[.*\] is not allowed: must be a group of fields"),
    ],
)
def test_unknown_names_are_refused(path, value, message):
    made = values()
    *group, name = path.split(".")
    (made[group[0]] if group else made)[name] = value
    with pytest.raises(InputError, match=f"^{message}"):
        from_dict(made)


def test_missing_names_are_refused():
    for name in FIELDS:
        group, field = name.split(".")
        made = values()
        del made[group][field]
        with pytest.raises(InputError, match=rf"^config\.{name}: missing; must be "):
            from_dict(made)
    for group in set(GROUPS) - {"method"}:
        made = values()
        del made[group]
        with pytest.raises(InputError, match=rf"^config\.{group}: missing; a config has "):
            from_dict(made)


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("data.levels", 17, {"model.likelihood": "bernoulli"}),
        ("data.labels", 100, {"prior.name": "gaussian"}),
        ("prior.frequencies", (1, 2, 3), {}),
        ("prior.frequencies", (1,) * 10, {"prior.name": "gaussian", "data.labels": 0}),
        ("optim.view_information", 1.0, {"prior.name": "gaussian", "data.labels": 0}),
        ("optim.view_information", 1.0, {"prior.adversarial": False}),
        ("optim.temperature", 2.0, {"prior.name": "gaussian", "data.labels": 0}),
        ("optim.reconstruction", False, {"prior.adversarial": False}),
        ("optim.encoder_share", 0.5, {"optim.reconstruction": False}),
        ("optim.encoder_share", 0.5, {"prior.name": "none", "data.labels": 0}),
        ("optim.encoder_share", 0.0, {"prior.adversarial": False, "data.labels": 0}),
        ("optim.reconstruction", False, {"prior.name": "none", "data.labels": 0}),
        ("prior.name", "none", {"model.decoder": "deconv"}),
        ("optim.warmup", 0.6, {"optim.schedule": "step"}),
        ("model.code_units", (8,), {"prior.name": "none", "data.labels": 0}),
        ("model.code_units", (8,), {"model.decoder": "deconv"}),
        ("model.code_maps", 2, {}),
        ("model.code_maps", 2, {"model.code_units": (8,), "model.conditioning": "location_invariant"}),
        ("model.code_maps", 0, {"model.code_units": (8,), "model.conditioning": "location_dependent"}),
        ("model.code_maps", 2, {"prior.name": "none", "data.labels": 0}),
        ("model.minimum_sd", 0.1, {"model.encoder": "deterministic"}),
        ("model.minimum_sd", 0.1, {"prior.name": "gaussian", "data.labels": 0, "model.encoder": "noise"}),
        ("model.mean_batch_norm", True, {}),
        ("model.mean_batch_norm", True, {"prior.name": "none", "data.labels": 0}),
        ("model.encoder", "gaussian", {"prior.name": "categorical"}),
        ("model.encoder", "noise", {"prior.name": "none"}),
        ("train.seed", 2**31 - 1, {"train.replicates": 2}),
        ("data.seed", 2**31 - 2, {"train.replicates": 3}),
    ],
)
def test_fields_that_do_not_go_together_are_refused(name, value, others):
    made = values()
    for path, each in ({name: value} | others).items():
        group, field = path.split(".")
        made[group][field] = each
    with pytest.raises(InputError, match=rf"^config\.{name}: {re.escape(repr(value))} is not allowed: .*must "):
        from_dict(made)


DISCRIMINATED = ("logits_batch_norm", "discriminator_draws", "discriminator_apart")


@pytest.mark.parametrize(
    ("prior", "idle"),
    [
        ({"name": "product"}, {}),
        ({}, {"discriminator_apart": ": the code has one part"}),
        ({"name": "gaussian"}, dict.fromkeys(DISCRIMINATED, " without a categorical code")),
        ({"adversarial": False}, dict.fromkeys(DISCRIMINATED[1:], " without prior.adversarial")),
    ],
)
def test_fields_that_do_nothing_beside_the_others_are_known(prior, idle):
    config = base.get_config()
    config.model.update(dict.fromkeys(DISCRIMINATED[1:], True), logits_batch_norm=3.0)
    config.prior.update(prior)
    assert from_dict(config).idle() == [f"config.model.{name} does nothing{why}" for name, why in idle.items()]
    config.model.update(dict.fromkeys(DISCRIMINATED[1:], False), logits_batch_norm=0.0)
    assert from_dict(config).idle() == []


def test_a_config_survives_its_dict():
    made = from_dict(base.get_config())
    assert from_dict(to_dict(made)) == made
    assert hash(made) == hash(from_dict(to_dict(made)))  # a static argument of jit
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.train.steps = 3


# a second allowed value of every field, that goes with the others' defaults
OTHER = {bool: False, int: 7, float: 0.25, tuple: (5,)}
SPECIAL = {
    "model.likelihood": "categorical",
    "model.encoder": "gaussian",
    "data.name": "mnist",
    "data.dir": "elsewhere",
    "prior.adversarial": False,
    "optim.temperature": 4.0,
    "prior.frequencies": tuple(range(1, 11)),
}
BESIDES = {  # what some fields need of the others
    "model.code_maps": {"code_units": (3,), "code_maps": 1, "conditioning": "location_dependent"},
    "model.minimum_sd": {"encoder": "gaussian"},
}


@pytest.mark.parametrize("name", OWN)
def test_the_first_difference_is_named_unless_it_is_free(name):
    start = values()
    start["prior"]["name"] = "product"  # an encoder of every kind goes with it
    start["model"]["likelihood"] = "logistic_mixture"  # as any number of levels does
    start["model"].update(BESIDES.get(name, {}))
    group, field = name.split(".")
    old = start[group][field]
    choice = [c for c in CHOICES.get(name, ()) if c != old and not (name == "prior.name" and c == "none")]
    new = SPECIAL.get(name) or (choice[0] if choice else OTHER[FIELDS[name]["kind"]])
    new = not old if FIELDS[name]["kind"] is bool else new
    made = {**start, group: start[group] | {field: new}}
    assert new != old
    difference = first_difference(from_dict(start), from_dict(made))
    if FIELDS[name]["on_resume"]:
        assert difference is None
    else:
        shown = list(new) if isinstance(new, tuple) else new
        assert difference == f"config.{name}: {shown!r} differs from the checkpoint's {old!r}"


def test_a_run_without_a_method_is_an_autoencoders():
    start = values()
    del start["method"]
    assert to_dict(from_dict(start)) == values() and values()["method"] == {"name": "autoencoder"}
    with pytest.raises(InputError, match="^config.method.name: 'nosuch' is not allowed: must be one of autoencoder"):
        from_dict(values() | {"method": {"name": "nosuch"}})


def test_a_run_may_be_resumed_with_other_steps():
    free = {name for name, about in FIELDS.items() if about["on_resume"]}
    assert {"train.steps", "train.checkpoint_every", "train.evaluate_every", "train.steps_per_call"} <= free
    assert first_difference(from_dict(values()), from_dict(values())) is None


@pytest.mark.parametrize("name", YOUNGER)
def test_a_field_younger_than_a_saved_configuration_is_what_it_was_then(name):
    group, field = name.split(".")
    start = values()
    del start[group][field]
    assert to_dict(from_saved(start)) == values() and field not in start[group]
    with pytest.raises(InputError, match=f"config.{name}: missing"):
        from_dict(start)  # an experiment names them all


def test_a_field_that_is_gone_is_left_out_where_it_did_nothing():
    assert not set(AutoencoderConfig.removed) & set(FIELDS)
    for name, value in AutoencoderConfig.removed.items():
        group, field = name.split(".")
        start = values()
        start[group][field] = value
        assert to_dict(from_saved(start)) == values()
        start[group][field] = 1.0
        with pytest.raises(InputError, match=f"config.{name}: no such field"):
            from_saved(start)


def test_every_field_is_described_with_what_is_allowed():
    lines = describe(AutoencoderConfig).splitlines()
    assert [line.split("=")[0].strip() for line in lines[::2]] == [f"--config.{name}" for name in FIELDS]
    for line, about in zip(lines[1::2], FIELDS.values(), strict=True):
        assert line.strip() == f"{about['meaning']}; {about['allowed']}" and about["meaning"]


def test_defaults_are_allowed():
    for group, name, field in fields_of(AutoencoderConfig):
        assert fields.value_of(f"{group}.{name}", field, field.default) == field.default


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(sum(CHOICES.values(), [])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, *GROUPS, "x", "train.x"]), ANYTHING, min_size=1, max_size=3))
def test_any_change_gives_a_config_or_one_line(changes):
    made = values()
    for path, value in sorted(changes.items(), reverse=True):  # a group after its fields
        group, _, field = path.partition(".")
        if not field:
            made[group] = value
        elif isinstance(made.get(group), dict):
            made[group][field] = value
    try:
        result = from_dict(made)
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith("config.")
        assert " is not allowed: " in str(error) or "missing" in str(error) or "no such" in str(error)
    else:
        assert isinstance(result, Config)
        assert from_dict(to_dict(result)) == result
