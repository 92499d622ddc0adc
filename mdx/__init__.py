"""Diffusion inference for MindSpore, written the functional way."""
