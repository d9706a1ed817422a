"""Decoders p(x | z): the PixelCNN, the gated one, the deconvolutional one, and what they are made of."""
