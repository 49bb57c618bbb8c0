"""Recipes that trained the packaged networks: PyTorch, the optional extra `train`; nothing else in refsnn imports it.

python -m refsnn.training.digits_data specs/data          # the three splits, from scikit-learn's copy
python -m refsnn.training.digits specs/data specs/networks  # both networks, weights and provenance
"""
