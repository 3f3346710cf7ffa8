"""The expressions in a ``tako.yml``: templates, conditions and version ranges.

The modules a caller uses are ``templates``, ``cel`` and ``versions``. Importing them costs next to nothing; each
loads its library with the first expression that needs it.
"""
