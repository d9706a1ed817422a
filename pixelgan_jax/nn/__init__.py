"""Networks: encoder, discriminator and the three decoders."""
