"""Makes the documents that follow from the declarations anew: ``python -m evse_daemon.reference [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from evse_daemon.modules.evse_manager import state_diagram
from evse_daemon.reference import (
    asyncapi,
    config_schema,
    manifests,
    metrics_page,
    reload_page,
    topics_page,
    troubleshoot_page,
)
from evse_daemon.reference.declared import classes

DOCS = Path(__file__).parents[2] / "docs"


def documents() -> dict[str, str]:
    """Their texts by the name of the file, below docs."""
    return {
        "topics.md": topics_page.render(),
        "asyncapi.yaml": asyncapi.render(),
        "metrics.md": metrics_page.render(),
        "troubleshoot.md": troubleshoot_page.render(),
        "reload.md": reload_page.render(),
        "state-diagrams.md": state_diagram.render(),
        "config.schema.json": config_schema.render(),
        **{f"manifests/{name}.yaml": manifests.render(cls) for name, cls in classes().items()},
    }


def main(folder: Path) -> None:
    """Writes them; manifests of classes that are gone are removed."""
    found = documents()
    for name, text in found.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    for file in (folder / "manifests").glob("*.yaml"):
        if f"manifests/{file.name}" not in found:
            file.unlink()


if __name__ == "__main__":
    if len(sys.argv) == 1 and not DOCS.is_dir():
        sys.exit(f"{DOCS} is not there: this is no source tree. Name a folder for the documents.")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
