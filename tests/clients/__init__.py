"""A small correct client, a training loop with it, and broken variants: they test who judges clients."""
