"""Speed and memory of tinkerproof, as ratios taken in one run: `python -m benchmarks [NAME ...]`."""
