"""What several kernels are made of: arrays, tiles, distances, neighbors, draws, checks."""
