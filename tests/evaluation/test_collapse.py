"""What counts as a collapsed code, and that a run says so."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax import cli
from pixelgan_jax.commands import modes, run
from pixelgan_jax.evaluation import collapse
from pixelgan_jax.evaluation.trained import initial
from pixelgan_jax.methods.method import Code
from pixelgan_jax.report.pictures import Explored, Pictures
from tests.command_line import DIGITS, SMALL

MATCHED = {
    "examples": 100,
    "clusters_used": 10,
    "code_mean": [0.1] * 10 + [0.4, -0.4],
    "code_sd": [0.3] * 10 + [0.6, 1.9],
}


CODE = Code(10, 2, matched=True)


def of(changed, code=CODE):
    return collapse.warnings(code, MATCHED | changed)


def test_a_code_near_its_prior_is_no_reason_to_warn():
    assert of({}) == []
    assert of({"clusters_used": 2}) == []


@pytest.mark.parametrize(
    ("mean", "sd", "worst"),
    [
        ([0.6, 0.0], [1.0, 1.0], "1 of 2 Gaussian entries are off, entry 0 the furthest with mean 0.60 and"),
        ([0.0, -0.6], [1.0, 1.0], "1 of 2 Gaussian entries are off, entry 1 the furthest with mean -0.60 and"),
        ([0.0, 0.0], [0.4, 2.1], "2 of 2 Gaussian entries are off, entry 0 the furthest with mean 0.00 and"),
        ([0.0, 0.0], [0.9, 2.1], "1 of 2 Gaussian entries are off, entry 1 the furthest with mean 0.00 and"),
        ([9.0, 0.0], [1.0, 0.0], "2 of 2 Gaussian entries are off, entry 1 the furthest with mean 0.00 and"),
    ],
)
def test_moments_that_are_off_are_named(mean, sd, worst):
    (found,) = of({"code_mean": [0.1] * 10 + mean, "code_sd": [0.3] * 10 + sd})
    assert found.startswith(f"the code does not match its prior: {worst}")


def test_one_cluster_for_every_image_is_named():
    assert of({"clusters_used": 1}) == ["the code has collapsed: 1 of 10 clusters is used"]
    assert of({"clusters_used": 1}, CODE._replace(dimensions=0)) == of({"clusters_used": 1})


def test_a_code_without_adversary_and_few_images_are_not_judged():
    off = {"clusters_used": 1, "code_mean": [5.0] * 12}
    assert len(of(off)) == 2
    assert of(off, CODE._replace(matched=False)) == []
    assert of(off | {"examples": 99}) == []
    assert of({"examples": 1000}, Code(0, 0, matched=True)) == []


def test_a_collapsed_code_is_told_of_at_an_evaluation_and_in_the_report(capsys, tmp_path, monkeypatch):
    """An encoder that has stopped to look at its image."""

    def only_validate(method, settings, state, examples, meta, mesh, checkpoints, log, validate):
        validate(state)
        return state, meta._replace(seconds=1.0)

    def collapsed(*given):
        state = initial(*given)
        for params in (state.params["encoder"], state.ema["encoder"]):
            for head in ("logits", "mean"):
                params[head] = {
                    "kernel": params[head]["kernel"] * 0,
                    "bias": 5.0 * jnp.eye(1, len(params[head]["bias"]))[0],
                }
        return state

    monkeypatch.setattr(run.trained, "initial", collapsed)
    # neither the pictures nor the steps: they take longer than all the rest
    nothing = Explored(np.zeros((1, 8, 8, 1), np.uint8), 1, np.array([-1]))
    monkeypatch.setattr(modes, "illustrate", lambda *_: Pictures(nothing))
    monkeypatch.setattr(modes.loop, "train", only_validate)
    change = [
        *("--config.prior.name=product", "--config.model.logits_batch_norm=0.0"),
        *("--config.model.encoder_channels=(4,)", "--config.model.encoder_units=8"),
        "--config.model.discriminator_units=(8,)",
    ]
    status = cli.run_command(["--config", DIGITS, *SMALL, *change, f"--workdir={tmp_path}"])
    told = "".join(capsys.readouterr())
    assert status == 0, told
    warnings = json.loads((tmp_path / "results.json").read_text())["warnings"]
    assert [warning.split(":")[0] for warning in warnings] == [
        "the code has collapsed",
        "the code does not match its prior",
    ]
    for warning in warnings:
        assert f"step 0: warning: {warning}\n" in told
        assert f"<li>{warning}</li>" in (tmp_path / "report.html").read_text()
