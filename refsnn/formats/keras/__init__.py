"""Keras files of every version, and Sequential and functional models as networks."""
