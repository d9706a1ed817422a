"""The configuration of the autoencoder family."""

from dataclasses import dataclass
from typing import ClassVar

from pixelgan_jax.config import Config
from pixelgan_jax.config.fields import boolean, choice, integer, kernel_size, positives, real, refused, widths
from pixelgan_jax.methods.method import Code


@dataclass(frozen=True)
class Model:
    encoder: str = choice(
        ("deterministic", "gaussian", "noise"),
        "deterministic",
        "of a continuous code; noise: z = f(x, n)",
    )
    encoder_channels: tuple[int, ...] = widths(
        (32, 64, 128), "of 3×3 convolutions, every one but the first of stride 2; all of stride 1 with encoder_pooling"
    )
    encoder_pooling: bool = boolean(
        False,
        "each convolution of the encoder, the first too, has the maximum over 2×2 pixels after it, in place of strides",
        absent=False,
    )
    encoder_units: int = integer(1, 256, "of the dense layer before the code", high=65536)
    encoder_batch_norm: bool = boolean(True, "batch normalisation in every hidden layer of the encoder")
    logits_batch_norm: float = real(0, 0.0, "softmax head: batch-normalised logits times this; 0: plain logits")
    mean_batch_norm: bool = boolean(
        False, "continuous code: batch-normalised mean, in training of s.d. 1 whatever its head's scale", absent=False
    )
    input_standardised: bool = boolean(
        False, "the encoder sees each image with mean 0 and s.d. 1: for photographs", absent=False
    )
    input_noise: float = real(
        0, 0.3, "s.d. of noise on the encoder's input (pixels in [-1, 1], or standardised), in training only"
    )
    input_translation: float = real(
        0,
        0.0,
        "in training the encoder sees a random view, moved by at most so many pixels along either side",
        absent=0.0,
    )
    input_rotation: float = real(0, 0.0, "turned by at most so many degrees", high=180, absent=0.0)
    input_scaling: float = real(
        0, 0.0, "scaled by a factor from 1 / (1 + this) to 1 / (1 - this)", high=1, below=True, absent=0.0
    )
    input_shear: float = real(0, 0.0, "sheared sideways by at most this part of its height", absent=0.0)
    input_thickness: float = real(
        0, 0.0, "strokes widened or thinned by at most this part of the way to 3×3 pixels' extremes", high=1, absent=0.0
    )
    input_inversion: float = real(0, 0.0, "its negative with this probability, light for dark", high=1, absent=0.0)
    input_erasing: float = real(
        0, 0.0, "with this probability a band of a fifth of its rows is blank", high=1, absent=0.0
    )
    noise_dimensions: int = integer(1, 16, "width of the noise n that the noise encoder is fed", high=65536)
    minimum_sd: float = real(
        0, 0.0, "least s.d. of the gaussian encoder's q(z|x), which left alone shrinks to points", absent=0.0
    )
    decoder: str = choice(
        ("pixelcnn", "gated_pixelcnn", "deconv"),
        "pixelcnn",
        "the gated one has no blind spot; deconv: the adversarial autoencoder's",
    )
    channels: int = integer(1, 32, "width of every decoder layer", high=65536)
    layers: int = integer(0, 4, "residual layers after the first", high=1000)
    first_kernel: int = kernel_size("side of the first, strictly causal convolution")
    kernel: int = kernel_size("side of the residual layers' convolutions")
    conditioning: str = choice(
        ("location_invariant", "location_dependent"), "location_invariant", "the code's adaptive bias"
    )
    code_units: tuple[int, ...] = widths(
        (),
        "dense layers of a network between a code and its adaptive biases; (): they are linear in the code",
        empty=True,
        absent=(),
    )
    code_maps: int = integer(
        0, 0, "maps of the image's size that this network gives location_dependent biases", high=4096, absent=0
    )
    likelihood: str = choice(
        ("bernoulli", "categorical", "logistic_mixture"), "bernoulli", "of a pixel; RGB takes the last"
    )
    mixtures: int = integer(1, 10, "components of the logistic mixture", high=1000)
    discriminator_units: tuple[int, ...] = widths((500, 500), "dense layers of the discriminator on the code")
    discriminator_apart: bool = boolean(
        False,
        "of a product code: one for the categories and one for the rest, as in the adversarial autoencoder's paper",
        absent=False,
    )
    discriminator_noise: float = real(0, 0.05, "s.d. of Gaussian noise on the discriminator's input")
    discriminator_draws: bool = boolean(
        False, "show it one-hot draws of the categorical code instead of the softmax", absent=False
    )


@dataclass(frozen=True)
class Prior:
    name: str = choice(
        ("none", "gaussian", "categorical", "product"), "categorical", "of the code; product: categorical × gaussian"
    )
    categories: int = integer(2, 10, "K, width of the categorical code", high=65536)
    dimensions: int = integer(1, 2, "d, width of the Gaussian code", high=65536)
    adversarial: bool = boolean(True, "match the aggregated posterior to the prior")
    frequencies: tuple[float, ...] = positives(
        (), "of the K categories, or the classes in their order, in any unit; (): all alike", absent=()
    )

    @property
    def code(self) -> Code:
        """What its codes are made of."""
        categories = self.categories if self.name in ("categorical", "product") else 0
        dimensions = self.dimensions if self.name in ("gaussian", "product") else 0
        return Code(categories, dimensions, self.adversarial, self.frequencies)


@dataclass(frozen=True)
class Optim:
    reconstruction: bool = boolean(
        True,
        "encoder and decoder learn to reconstruct; else the phase of the adversary moves the batch statistics",
        absent=True,
    )
    optimizer: str = choice(("adam", "sgd"), "adam", "of every phase; sgd: with momentum", absent="adam")
    reconstruction_rate: float = real(0, 1e-3, "the optimizer's, encoder and decoder", above=True)
    encoder_share: float = real(
        0,
        1.0,
        "the part of reconstruction_rate that moves the encoder; 0: none, the other phases alone move it",
        high=1,
        absent=1.0,
    )
    discriminator_rate: float = real(0, 5e-4, "the optimizer's, discriminator", above=True)
    generator_rate: float = real(0, 1e-3, "the optimizer's, encoder against the discriminator", above=True)
    supervised_rate: float = real(0, 1e-3, "the optimizer's, encoder on labels", above=True)
    momentum: float = real(0, 0.9, "reconstruction's and labels'; of adam its b1", high=1, below=True)
    adversarial_momentum: float = real(0, 0.5, "discriminator's and generator's; of adam its b1", high=1, below=True)
    schedule: str = choice(
        ("cosine", "step", "constant"),
        "cosine",
        "of the rates; cosine: to zero over the run; step: a tenth from half of the run on",
    )
    warmup: float = real(0, 0.0, "part of the run in which rates grow linearly from zero", high=1, below=True)
    clip: float = real(0, 0.0, "largest global gradient norm of a phase; 0: no clipping")
    ema: float = real(0, 0.999, "decay of the averaged parameters that are evaluated", high=1, below=True)
    view_information: float = real(
        0, 0.0, "weight of the mutual information of two views' codes in the generator's loss", absent=0.0
    )
    temperature: float = real(
        1,
        1.0,
        "of training's softmax as the run begins; its inverse rises to 1 over the first two thirds of the run",
        absent=1.0,
    )


@dataclass(frozen=True)
class AutoencoderConfig(Config):
    """An experiment with a PixelGAN or adversarial autoencoder, or a PixelCNN."""

    model: Model = Model()
    prior: Prior = Prior()
    optim: Optim = Optim()

    removed: ClassVar[dict[str, object]] = {
        "optim.consistency": 0.0,
        "optim.view_perturbation": 0.0,
        "model.input_contrast": 0.0,
    }

    def check(self) -> None:
        super().check()
        model, prior, data = self.model, self.prior, self.data
        categorical = prior.name in ("categorical", "product")
        if model.likelihood == "bernoulli" and data.levels != 2:
            raise refused("data.levels", data.levels, "2 with likelihood bernoulli")
        if data.labels and not categorical:
            raise refused("data.labels", data.labels, f"0 with prior.name {prior.name}; labels need a categorical code")
        if prior.frequencies and len(prior.frequencies) != prior.code.categories:
            allowed = f"() or as many as there are categories, {prior.code.categories}"
            raise refused("prior.frequencies", prior.frequencies, allowed)
        if self.optim.view_information and not (prior.adversarial and categorical):
            allowed = "0 without a categorical code or without prior.adversarial"
            raise refused("optim.view_information", self.optim.view_information, allowed)
        if self.optim.temperature != 1 and not categorical:
            raise refused("optim.temperature", self.optim.temperature, "1 without a categorical code")
        if not (self.optim.reconstruction or prior.code.width and prior.adversarial):
            raise refused("optim.reconstruction", False, "True without a code or without prior.adversarial")
        if self.optim.schedule == "step" and self.optim.warmup > 0.5:
            raise refused("optim.warmup", self.optim.warmup, "at most 0.5 with optim.schedule step, which falls there")
        self._check_encoder_share()
        if prior.name == "none" and model.decoder == "deconv":
            raise refused("prior.name", prior.name, "another with the deconv decoder, which must have a code")
        self._check_code_network()
        if prior.name in ("none", "categorical") and model.encoder != "deterministic":
            allowed = f"deterministic with prior.name {prior.name}, which has no continuous code"
            raise refused("model.encoder", model.encoder, allowed)

        if model.minimum_sd and model.encoder != "gaussian":
            raise refused("model.minimum_sd", model.minimum_sd, f"0 with model.encoder {model.encoder}")
        if model.mean_batch_norm and not prior.code.dimensions:
            allowed = f"False with prior.name {prior.name}, which has no continuous code"
            raise refused("model.mean_batch_norm", True, allowed)

    def idle(self) -> list[str]:
        code, fields = self.prior.code, ("logits_batch_norm", "discriminator_draws", "discriminator_apart")
        told = dict.fromkeys(fields, "" if code.categories else " without a categorical code")
        if code.categories and not code.dimensions:
            told["discriminator_apart"] = ": the code has one part"
        if not self.prior.adversarial:
            told |= dict.fromkeys(fields[1:], " without prior.adversarial")
        idle = [name for name, why in told.items() if why and getattr(self.model, name)]
        return [f"config.model.{name} does nothing{told[name]}" for name in idle]

    def _check_encoder_share(self) -> None:
        share = self.optim.encoder_share
        if share != 1 and not (self.optim.reconstruction and self.prior.code.width):
            raise refused("optim.encoder_share", share, "1 without a code or without optim.reconstruction")
        if not share and not (self.prior.adversarial or self.data.labels):
            allowed = "above 0 without prior.adversarial or labels, since nothing else moves the encoder"
            raise refused("optim.encoder_share", share, allowed)

    def _check_code_network(self) -> None:
        model, name = self.model, self.prior.name
        if model.code_units and name == "none":
            raise refused("model.code_units", model.code_units, "() with prior.name none, which has no code")
        if model.code_units and model.decoder == "deconv":
            raise refused("model.code_units", model.code_units, "() with decoder deconv, which has no adaptive bias")
        if model.code_maps and not model.code_units:
            raise refused("model.code_maps", model.code_maps, "0 without model.code_units")
        if model.code_maps and model.conditioning == "location_invariant":
            raise refused("model.code_maps", model.code_maps, "0 with model.conditioning location_invariant")
        if model.code_units and not model.code_maps and model.conditioning == "location_dependent":
            allowed = "at least 1 with model.code_units and model.conditioning location_dependent"
            raise refused("model.code_maps", model.code_maps, allowed)
