"""What a checkpoint says of itself, as JSON beside its arrays."""

import json
import math
import zlib
from typing import Any, NamedTuple

from pixelgan_jax.config import Config
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.methods.registry import from_saved


class Meta(NamedTuple):
    """What a checkpoint says of itself: the experiment and its configuration, the data that it was trained on (shape
    (H, W, C) of an image, names of classes, CRC-32 of the training images and of their labels; 0 or () where an earlier
    version did not say them), and the seconds spent training and compiling."""

    experiment: str
    config: Config
    shape: tuple[int, int, int]
    classes: int
    seconds: float
    compile_seconds: float
    images: int = 0
    labels: int = 0
    names: tuple[str, ...] = ()
    images_crc: int = 0
    labels_crc: int = 0

    @property
    def data(self) -> DataSpec:
        """What its method was told of the data."""
        return DataSpec(self.shape, self.classes, self.images, self.labels)


def checksum(described: dict[str, Any]) -> int:
    """CRC-32 of a description as JSON, which it holds under "checksum" against accidents."""
    return zlib.crc32(json.dumps(described, sort_keys=True).encode())


def read(document: dict[str, Any]) -> Meta:
    """Raises ValueError (or what a missing value raises) where a value is not what a run writes."""
    given = Meta._field_defaults | {name: document[name] for name in Meta._fields if name in document}
    spent, shape = (given["seconds"], given["compile_seconds"]), tuple(given["shape"])
    counts = (given["classes"], given["images"], given["labels"], given["images_crc"], given["labels_crc"])
    good = type(given["experiment"]) is str and all(type(count) is int and count >= 0 for count in counts)
    names = given["names"]
    good = good and type(names) in (list, tuple) and all(type(name) is str for name in names)
    good = good and all(type(seconds) in (int, float) and 0 <= seconds < math.inf for seconds in spent)
    if not good or len(shape) != 3 or not all(type(side) is int and 0 < side < 2**16 for side in shape):
        raise ValueError("its description has a value that no run writes")
    return Meta(**given | {"config": from_saved(given["config"]), "shape": shape, "names": tuple(names)})
