"""What a trained model comes to on a split, exactly."""
