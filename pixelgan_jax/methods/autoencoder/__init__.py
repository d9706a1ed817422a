"""PixelGAN autoencoders, adversarial autoencoders and PixelCNNs: one family of decoders, codes and adversaries."""
