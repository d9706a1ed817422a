"""The benchmarks run and count rightly; what they measure is for their authors to look at."""

import importlib.util
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import code_network, cpu_forms, digits_baselines, sampling, training
from pixelgan_jax.data.levels import scale
from pixelgan_jax.methods.autoencoder.phases import learning_rate
from tests import tiny
from tests.decoders import build, codes

RESULTS = (Path(__file__).resolve().parents[1] / "docs/results.md").read_text()
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


@pytest.mark.slow
def test_the_sampling_benchmark_reports_every_method(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sampling", "--trial", "--batches", "3", "--repeats", "1", "--out", str(tmp_path)])
    sampling.main()
    assert "batch 3: oracle" in capsys.readouterr().out
    results = json.loads((tmp_path / "sampling.json").read_text())
    assert (tmp_path / "sampling.png").stat().st_size > 5000
    linux = Path("/proc/cpuinfo")
    if linux.exists() and "model name" in linux.read_text():
        assert f": {results['processor']}\n" in linux.read_text()
    (found,) = results["models"].values()
    assert list(found["batches"]) == ["3"]
    for batch, row in found["batches"].items():
        assert {"cached", "oracle", "fixed_point", "floor"} <= set(row)
        assert row["oracle"]["passes"] == 36 and 1 < row["fixed_point"]["passes"] <= 36
        for method in ("cached", "oracle", "fixed_point"):
            spent = row[method]["microseconds_per_pixel"]
            assert row[method]["pixels_per_second"] == pytest.approx(1e6 * int(batch) / spent, rel=0.02)


def test_the_baselines_of_the_digits_are_those_of_the_docs(capsys):
    """scikit-learn's, which may round otherwise in another version: its neighbours do not."""
    digits_baselines.main()
    neighbours, regression = capsys.readouterr().out.splitlines()
    assert neighbours.endswith("% (7.75, 9.75, 7.25, 9.50, 5.00)") and "7.85 (7.75, 9.75, 7.25, 9.50, 5.00)" in RESULTS
    mean = float(re.match(r"logistic regression: ([0-9.]+) ± ", regression).group(1))
    assert mean == pytest.approx(9.35, abs=0.5) and "logistic regression on the same 100 labels | error 9.35" in RESULTS


def test_a_pixels_operations_are_counted():
    """By hand: 4 channels; a first layer that sees 3 + 1 pixels, one layer that sees 3 + 2, a head."""
    made, params = sampling.tiny()["6×6×1, a trial"]
    head = (4 * 4 + 4) + (4 * 1 + 1)
    assert sampling.step_weights(made, params) == ((4 * 4 + 4) + (5 * 16 + 4) + head, 1 * 4 + 2 * 16 + head)


@needs_torch
@pytest.mark.parametrize("condition", ["linear_invariant", "linear"])
@pytest.mark.parametrize(("decoder", "kind"), [("pixelcnn", "categorical"), ("gated_pixelcnn", "rgb_mixture")])
def test_the_peer_computes_what_ours_does(decoder, kind, condition):
    import torch

    from benchmarks import torch_decoders

    made, params = build(decoder, kind, condition, first=5)
    x = scale(np.random.RandomState(0).randint(0, made.config.data.levels, (4, *made.shape)), made.config.data.levels)
    ours = jax.jit(lambda x: made.decoder.apply({"params": params}, x, codes(4)))(x)
    module = torch_decoders.build(made, params, "cpu")
    with torch.no_grad():
        theirs = module(torch.tensor(np.asarray(x)).permute(0, 3, 1, 2), torch.tensor(codes(4)))
    np.testing.assert_allclose(theirs.numpy(), ours, atol=2e-5, rtol=1e-4)
    levels = made.config.data.levels
    drawn = torch_decoders.naive(module, made.config.model.likelihood, levels, torch.tensor(codes(4)), 3)
    assert torch.any(drawn[:, :, 0, :3] != -1) and torch.all(drawn[:, :, 1:] == -1)
    assert drawn.abs().max() <= 1


@needs_torch
@pytest.mark.parametrize(("experiment", "side"), [("mnist", 7), ("svhn", 6)])
def test_the_peers_step_computes_what_ours_does(experiment, side):
    """In the second step too, where running statistics and averages have moved."""
    training.check(training.case(experiment, 16, side=side, **training.SMALL), experiment == "svhn", steps=2)


@needs_torch
@pytest.mark.parametrize("optim", [{}, {"schedule": "constant"}, {"warmup": 0.25}])
def test_the_peers_rates_are_ours(optim):
    from benchmarks import torch_step

    config = tiny.build(train={"steps": 8}, optim=optim).config
    ours = learning_rate(config, "generator")
    np.testing.assert_allclose(
        [torch_step.rate(config, "generator", i) for i in range(8)], [ours(i) for i in range(8)], rtol=1e-5, atol=1e-12
    )


@pytest.mark.slow
def test_a_steps_operations_are_about_those_of_the_compiled_step_and_grow_with_its_layers():
    shallow, deep = (training.case("digits", 64, **training.SMALL | {"layers": layers}) for layers in (1, 3))
    call, arguments = training.steps(shallow, shallow.mesh)
    compiled = call.lower(*arguments).compile().cost_analysis()["flops"] / 64
    assert training.operations(shallow) == pytest.approx(compiled, rel=0.1)
    # forward and twice backward, two operations each: 8×8 pixels, 5 weights of a mask, 4×4 channels, two more layers
    more = training.operations(deep) - training.operations(shallow)
    assert more == pytest.approx(3 * 2 * 64 * 5 * 16 * 2, rel=0.3)


@needs_torch
def test_the_training_benchmark_reports_both(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["training", "--trial", "--repeats", "1", "--out", str(tmp_path)])
    training.main()
    assert "of the matrix rate" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "training.json").read_text())["cases"].values()
    assert (tmp_path / "training.png").stat().st_size > 5000
    ratio = row["images_per_second"] / row["pytorch"]["images_per_second"]
    assert row["times_as_fast_as_pytorch"] == pytest.approx(ratio, rel=0.02)
    assert row["megaflops_per_image"] > 0.01 and 0 < row["utilisation"] < 1 and row["compile_seconds"] > 0


@pytest.mark.slow
def test_the_benchmark_of_the_code_network_reports_the_ratio_of_the_two(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["code_network", "--batches", "2", "--repeats", "1", "--out", str(tmp_path)])
    code_network.main()
    found = json.loads((tmp_path / "code_network.json").read_text())["decoders"]
    assert set(found) == {"pixelcnn", "gated_pixelcnn"}
    for row in (rows["2"] for rows in found.values()):
        assert row["ratio"] == pytest.approx(row["network"] / row["linear"], rel=0.02)
    assert (tmp_path / "code_network.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_benchmark_of_forms_reports_a_ratio_for_each(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cpu_forms", "--trial", "--out", str(tmp_path)])
    cpu_forms.main()
    out = capsys.readouterr().out
    (row,) = json.loads((tmp_path / "cpu_forms.json").read_text())["cases"].values()
    assert set(row) == {"dense", "seconds", "spread", "sampler_chain", "sampler_turns", "unoptimised_start"}
    assert all(value > 0 for value in row.values()) and f"| `dense` | {row['dense']:.2f}× |" in out
    assert (tmp_path / "cpu_forms.png").stat().st_size > 5000
