"""One plain function per operation, grouped by area."""
