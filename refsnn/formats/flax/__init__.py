"""Flax files: MessagePack with arrays."""
