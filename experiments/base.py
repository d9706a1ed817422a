"""Every field of a configuration, with its default and what it means.

An experiment is this plus a few overrides; the difference is the experiment.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()

    data = config.data = ConfigDict()
    data.name = "digits"  # "digits", a TFDS name, or a path: folder of .npz or IDX files, or one .npz
    data.dir = ""  # with a TFDS name: where the prepared data set, or its raw files, lie
    data.classes = 0  # only the images of the first so many classes; 0: all
    data.labels = 0  # labelled training images, class-balanced; 0: unsupervised
    data.validation = 200  # images held out of the training split
    data.seed = 0  # of the validation split and of the labelled subset
    data.levels = 2  # grey levels a pixel is quantised to, 2 to 256
    data.binarisation = "stochastic"  # levels = 2: "stochastic" (grey is a probability) or "threshold"

    model = config.model = ConfigDict()
    model.encoder = "deterministic"  # continuous code: "deterministic", "gaussian" or "noise": z = f(x, n)
    model.encoder_channels = (32, 64, 128)  # 3×3 convolutions; every one but the first halves the image
    model.encoder_units = 256  # dense layer before the code
    model.encoder_batch_norm = True  # batch normalisation in every hidden layer of the encoder
    model.logits_batch_norm = 0.0  # softmax head: batch-normalised logits times this; 0: plain logits
    model.input_noise = 0.3  # s.d. of Gaussian noise on the encoder's input (pixels in [-1, 1]), training only
    # views: in training the encoder's input is changed at random, by at most
    model.input_translation = 0.0  # pixels along either side
    model.input_rotation = 0.0  # degrees
    model.input_scaling = 0.0  # of its size
    model.input_shear = 0.0  # of its height, sideways
    model.input_thickness = 0.0  # of the way to the maximum, or the minimum, of 3×3 pixels: strokes widen or thin
    model.noise_dimensions = 16  # width of the noise n that the "noise" encoder is fed
    model.decoder = "pixelcnn"  # "pixelcnn", "gated_pixelcnn" (no blind spot) or "deconv" (the AAE's)
    model.channels = 32  # width of every decoder layer
    model.layers = 4  # residual layers after the first
    model.first_kernel = 3  # side of the first, strictly causal convolution; odd
    model.kernel = 3  # side of the residual layers' convolutions; odd
    model.conditioning = "location_invariant"  # the code's adaptive bias, or "location_dependent"
    model.likelihood = "bernoulli"  # "bernoulli", "categorical" (grey), "logistic_mixture" (grey or RGB)
    model.mixtures = 10  # components of the logistic mixture
    model.discriminator_units = (500, 500)  # dense layers of the discriminator on the code
    model.discriminator_noise = 0.05  # s.d. of Gaussian noise on the discriminator's input
    model.discriminator_draws = False  # show it one-hot draws of the categorical code instead of the softmax

    prior = config.prior = ConfigDict()
    prior.name = "categorical"  # "none", "gaussian", "categorical" or "product" (categorical × gaussian)
    prior.categories = 10  # K, width of the categorical code
    prior.dimensions = 2  # d, width of the Gaussian code
    prior.adversarial = True  # match the aggregated posterior to the prior

    optim = config.optim = ConfigDict()
    optim.reconstruction_rate = 1e-3  # Adam, encoder and decoder
    optim.discriminator_rate = 5e-4  # Adam, discriminator
    optim.generator_rate = 1e-3  # Adam, encoder against the discriminator
    optim.supervised_rate = 1e-3  # Adam, encoder on labels
    optim.momentum = 0.9  # Adam's b1 for reconstruction and labels
    optim.adversarial_momentum = 0.5  # Adam's b1 for discriminator and generator
    optim.schedule = "cosine"  # "cosine" to zero over the run, or "constant"
    optim.warmup = 0.0  # fraction of the run that rates grow linearly from zero
    optim.clip = 0.0  # largest global gradient norm of a phase; 0: no clipping
    optim.view_information = 0.0  # weight of the mutual information of two views' codes in the generator's loss
    optim.ema = 0.999  # decay of the averaged parameters that are evaluated

    train = config.train = ConfigDict()
    train.steps = 1000
    train.batch_size = 128  # over all devices; labelled mini-batches have the same size
    train.seed = 0  # of initialisation, data order and every draw
    train.checkpoint_every = 500  # steps
    train.evaluate_every = 500  # steps, on the validation split
    train.log_every = 50  # steps
    train.steps_per_call = 0  # steps in one compiled call; 0: one on CPU, where more do not pay, 25 on accelerators
    train.dtype = "auto"  # of the networks' arithmetic: "float32", "bfloat16"; "auto": the second on accelerators
    train.replicates = 1  # seeds trained one after another, from `seed` up

    sample = config.sample = ConfigDict()
    sample.count = 64  # images of a grid
    sample.seed = 0
    sample.method = "auto"  # or "cached", "fixed_point", "oracle": the same images, at different speeds
    sample.temperature = 1.0  # below 1 the likelier pixels become likelier still

    return config
