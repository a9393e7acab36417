"""The page at `/-/`: what a tenant has and did, to look at. No build step, no network."""
