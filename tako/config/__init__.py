"""Reading ``tako.yml``: from bytes to the frozen records of ``tako.config.model``.

``loader.load`` is the way in. A file passes through ``reading`` (bytes to text), ``source`` (YAML to plain data, with
the place of everything), ``dialects`` (older spellings to the present ones), ``tidy`` (scalars to text where text is
meant), ``refusals`` (what this version cannot do), ``validate`` (the shape), ``checks`` (what the shape cannot say)
and ``build`` (the records). ``load_thoroughly`` also looks at what only a run would meet: ``expressions`` and the names
in them, ``check_kinds``, ``check_paths``.

For people and editors the language is described by ``descriptions``, as rows (``describe``) and as a JSON Schema
(``json_schema``).
"""
