"""HDF5 as a tree of groups and arrays, read by a process that can do nothing else."""
