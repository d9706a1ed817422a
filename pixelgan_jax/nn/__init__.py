"""Networks: encoder, discriminator, classifier, the GANs' own; `decoders/`."""
