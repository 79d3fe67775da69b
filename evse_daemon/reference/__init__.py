"""The reference of everything that is declared: docs/topics.md, docs/asyncapi.yaml, docs/manifests (see __main__.py)."""
