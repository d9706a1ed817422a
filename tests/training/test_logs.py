"""metrics.jsonl and TensorBoard agree with the checkpoint that a run goes on from."""

import json

import numpy as np
import pytest

from pixelgan_jax.training import logs

ROW = {"loss": 1.0}


def _log(folder, after, steps):
    with logs.Log(folder, after) as log:
        for step in steps:
            log.scalars(step, {"loss": step + after / 100})
            log.images(step, {"samples": np.full((4, 6, 1), step, np.uint8)})


def _steps(folder):
    return [row["step"] for row in logs.read(folder)]


def test_rows_are_objects_with_a_step_one_a_line(tmp_path):
    with logs.Log(tmp_path, 0) as log:
        log.scalars(np.int64(1), {"reconstruction_nats": np.float32(0.5), "discriminator_loss": 2})
        # Handed over at once: a reader sees the row while the log is open.
        assert logs.read(tmp_path) == [{"step": 1, "reconstruction_nats": 0.5, "discriminator_loss": 2.0}]
        log.scalars(2, ROW)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_what_is_not_finite_becomes_null(tmp_path):
    with logs.Log(tmp_path, 0) as log:
        log.scalars(1, {"a": float("nan"), "b": np.inf, "c": 1})
    assert logs.read(tmp_path) == [{"step": 1, "a": None, "b": None, "c": 1.0}]
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_no_file_has_no_rows(tmp_path):
    assert logs.read(tmp_path) == []


def test_rows_past_the_restored_step_are_dropped(tmp_path):
    _log(tmp_path, 0, [1, 2, 3, 4])
    _log(tmp_path, 2, [3, 4, 5])
    assert _steps(tmp_path) == [1, 2, 3, 4, 5]
    assert [row["loss"] for row in logs.read(tmp_path)] == [1, 2, 3.02, 4.02, 5.02]


def test_a_file_that_is_whole_is_not_rewritten(tmp_path):
    _log(tmp_path, 0, [1, 2])
    before = (tmp_path / "metrics.jsonl").stat()
    _log(tmp_path, 2, [])
    assert (tmp_path / "metrics.jsonl").stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    "torn",
    [
        b'{"step": 2, "lo',
        b'{"step": 2}',  # whole but for its end: what follows would be glued to it
        b'{"step": 2, "lo\n{"step": 3}\n',  # in the middle: nothing after it is trusted
        b"\xff\xfe\n",
        b"[1]\n",
        b'{"loss": 1}\n',
        b'{"step": null}\n',
        b"\n",
        b"\0\0\0\0",
    ],
)
def test_a_torn_line_and_all_after_it_is_dropped(tmp_path, torn):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + torn)
    assert _steps(tmp_path) == [1]
    _log(tmp_path, 10, [11])
    assert _steps(tmp_path) == [1, 11]
    assert len((tmp_path / "metrics.jsonl").read_bytes().splitlines()) == 2


def test_a_run_resumed_within_a_second_keeps_the_events_before(tmp_path):
    for after in range(3):
        _log(tmp_path, after, [after + 1])
    assert len(list((tmp_path / "tensorboard").iterdir())) == 3


@pytest.mark.parametrize("reader", ["event_accumulator", "plugin_event_accumulator"])
def test_tensorboard_shows_every_step_once_after_resumes(tmp_path, reader):
    # The second is what TensorBoard itself reads with; it treats the first start of a run apart.
    module = pytest.importorskip(f"tensorboard.backend.event_processing.{reader}")
    _log(tmp_path, 0, [1, 2, 3, 4])
    _log(tmp_path, 2, [3, 4, 5, 6])
    _log(tmp_path, 4, [5])
    events = module.EventAccumulator(
        str(tmp_path / "tensorboard"), size_guidance={"images": 0, "scalars": 0, "tensors": 0}
    )
    events.Reload()
    read = [events.Scalars, events.Images] if reader == "event_accumulator" else [events.Tensors, events.Tensors]
    assert [event.step for event in read[0]("loss")] == [1, 2, 3, 4, 5]
    assert [event.step for event in read[1]("samples")] == [1, 2, 3, 4, 5]
    if reader == "event_accumulator":
        assert [round(event.value, 2) for event in events.Scalars("loss")] == [1, 2, 3.02, 4.02, 5.04]
        assert (events.Images("samples")[0].width, events.Images("samples")[0].height) == (6, 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_pictures_are_logged(tmp_path, channels):
    with logs.Log(tmp_path, 0) as log:
        log.images(1, {"samples": np.zeros((4, 4, channels), np.uint8)})


def test_tensorboard_compares_runs_by_fields_and_metrics(tmp_path):
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plugin_data_pb2 = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    with logs.Log(tmp_path, 0) as log:
        log.hyperparameters(
            {"model.channels": 32, "model.units": (8, 9), "data.name": "caf\udce9"}, {"test/error": 0.25}
        )
    events = module.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("test/error")] == [0.25]
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    told = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert told["model.channels"].number_value == 32 and told["model.units"].string_value == "(8, 9)"
    assert told["data.name"].string_value == r"caf\udce9"
