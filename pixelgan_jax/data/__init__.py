"""Images and labels: where they come from, how they are split, which of them make up a batch."""
