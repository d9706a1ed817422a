"""benchmarks/tpu.py: what it makes of a program's text, by hand, and of one that libtpu compiles, where it is there."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys

import jax
import pytest

from benchmarks import hlo, tpu
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.nn import xla_cpu
from pixelgan_jax.nn.platform import made_for, platform
from pixelgan_jax.training import parallel

# a loop of 3 turns, in it a costed fusion, a sum over chips and a custom call; a copy outside
TEXT = """
%cond (p: (s32[])) -> pred[] {
  %bound = s32[]{:T(128)} constant(3)
  %p = (s32[]{:T(128)}) parameter(0)
  ROOT %lt = pred[]{:T(512)} compare(%p, %bound), direction=LT
}

%body (p: (s32[])) -> (s32[]) {
  %dear = f32[4,2]{1,0:T(8,128)} fusion(%p), metadata={op_name="jit(f)/shard_map/while/body/closed_call/phase/jvp(Net)/Conv_0/conv"}, backend_config={"window_config":{"estimated_cycles":"100"}}
  %back = bf16[4]{0} fusion(%p), metadata={op_name="jit(f)/shard_map/while/body/vmap(phase)/transpose(jvp(Net))/add"}, backend_config={"window_config":{"estimated_cycles":"50"}}
  %all = (f32[8]{0}, bf16[2,3]{1,0}) all-reduce(%dear, %back), metadata={op_name="jit(f)/while/body/phase/psum"}
  %odd = f32[1]{0} custom-call(%dear), custom_call_target="x"
  ROOT %t = (s32[]) tuple(%p)
}

ENTRY %main (a: s32[]) -> s32[] {
  %a = s32[] parameter(0)
  %moved = u8[10]{0} copy(%a), backend_config={"window_config":{"estimated_cycles":"7"}}
  %w = (s32[]) while(%t), condition=%cond, body=%body, metadata={op_name="jit(f)/while"}
  ROOT %r = s32[] get-tuple-element(%w), index=0
}
"""  # noqa: E501


def test_a_loops_operations_count_as_often_as_they_run():
    copied, dear, back, summed, odd = hlo.operations(TEXT)
    assert (copied.cycles, copied.times) == (7, 1)
    assert (dear.kind, dear.scope, dear.cycles, dear.times) == ("fusion", "phase/jvp(Net)/Conv_0/conv", 100, 3)
    assert hlo.group(dear.scope) == "phase: Net" and hlo.group(back.scope) == "phase: Net, gradient"
    assert (summed.kind, summed.cycles, summed.times, summed.size) == ("all-reduce", None, 3, 8 * 4 + 6 * 2)
    assert (odd.kind, odd.cycles, odd.times) == ("custom-call", None, 3)


def test_a_loop_that_does_not_tell_its_turns_is_no_guess():
    with pytest.raises(ValueError, match="0 bounds"):
        hlo.operations(TEXT.replace("constant(3)", "copy(%p)"))
    with pytest.raises(ValueError, match="that the counter is less than"):
        hlo.operations(TEXT.replace("direction=LT", "direction=LE"))
    with pytest.raises(ValueError, match="which of its branches"):
        hlo.operations(TEXT.replace("fusion(%p), metadata", "conditional(%p), metadata"))


@pytest.mark.parametrize("name", ["digits", "digits_catgan", "digits_infogan", "digits_temporal_ensembling"])
def test_every_method_has_its_programs(name):
    config = registry.from_dict(importlib.import_module(f"experiments.{name}").get_config())
    data = DataSpec((8, 8, 1), 10, 1197, config.data.labels)
    method = registry.make(config, data)
    found = tpu.programs(config, data, parallel.make_mesh(jax.devices()[:1]))
    has = {"step": True, "evaluate": bool(method.log_prob), "sample": bool(method.draw)}
    assert set(found) == {program for program, there in has.items() if there}


def test_the_clock_is_the_one_of_the_published_peak():
    assert tpu.CHIPS["v5e"].clock == pytest.approx(1.5e9, rel=0.01)
    assert tpu.CHIPS["v5p"].clock == pytest.approx(1.75e9, rel=0.01)


def test_forms_follow_the_platform_that_a_program_is_made_for():
    assert platform() == "cpu" and xla_cpu.chosen("dense")
    with made_for("tpu"):
        assert platform() == "tpu" and not xla_cpu.chosen("dense")
    assert platform() == "cpu"


with_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="libtpu, the TPU's compiler, is not installed"
)


def run(folder, *options):
    """`python -m benchmarks.tpu`, a process of its own: libtpu ends the one that names XLA flags it does not know, as
    conftest.py does."""
    own = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    call = [sys.executable, "-m", "benchmarks.tpu", "--experiment", "digits", *options, "--out", str(folder)]
    done = subprocess.run(call, env=own, capture_output=True, text=True)
    assert done.returncode == 0 and "the compiler's estimates" in done.stdout, done.stderr


@pytest.mark.slow
@with_libtpu
def test_a_sampler_with_its_kernel_is_compiled_for_a_chip(tmp_path):
    for chip in ("v5e", "v6e"):
        run(tmp_path, "--experiment", "mnist", "--batch", "200", "--topology", f"{chip}:1x1", "--program", "sample")
    for row in json.loads((tmp_path / "tpu.json").read_text())["programs"].values():
        assert row["cycles_by_hand"] == 2 * 28**2 * 5 * tpu.BY_HAND < row["cycles_per_step"]


@pytest.mark.slow
@with_libtpu
def test_a_step_of_the_digits_is_compiled_for_a_chip_and_for_four(tmp_path):
    for topology in ("v5e:1x1", "v5e:2x2"):
        run(tmp_path, "--batch", "256", "--topology", topology)
    run(tmp_path, "--batch", "256", "--topology", "v5e:1x1", "--replicates", "2")
    one, four, two_seeds = json.loads((tmp_path / "tpu.json").read_text())["programs"].values()
    assert (tmp_path / "tpu.png").stat().st_size > 5000
    assert one["steps_per_call"] == four["steps_per_call"] == 25
    assert one["collective_milliseconds_per_step"] == 0 < four["collective_milliseconds_per_step"]
    assert four["collectives_per_step"] > 20  # gradients' and batch statistics'
    assert 0 < four["cycles_per_step"] < one["cycles_per_step"]
    # operations of two seeds in one program, and twice as many images
    assert two_seeds["gigaflops_per_step"] == pytest.approx(2 * one["gigaflops_per_step"], rel=0.1)
    assert one["images_per_second_per_chip"] < two_seeds["images_per_second_per_chip"]
    for row in (one, four):
        assert 0.5 < sum(row["parts"].values()) <= 1 and max(row["dearest"].values()) < 0.3
        assert 0 < row["part_of_peak"] < 1 and 0 < row["part_of_memory"] < 0.1
