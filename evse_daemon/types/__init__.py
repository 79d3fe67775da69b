"""EVerest's types, one file per namespace (``types/NAMESPACE.yaml``), loaded when first imported."""
