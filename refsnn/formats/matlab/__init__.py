"""MATLAB v5 files."""
