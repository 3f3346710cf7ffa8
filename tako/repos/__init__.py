"""Repositories: what lies in the cache, who each of them is, what its ``tako.yml`` says, and private copies of it.

The cache (``cache.py``) is shared by all runs and only read here. The root reads it through the index (``index.py``);
a child copies one checkout out of it (``checkout.py``) under the read lock that lies beside it.
"""
