"""PyTorch files: archives and streams, by an interpreter of the opcodes that plain data need."""
