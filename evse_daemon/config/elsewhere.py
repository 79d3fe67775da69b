"""Entries with ``standalone: true``: modules of other processes, known by their manifest or by a class of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evse_daemon.config.document import Item
from evse_daemon.config.problems import Report, shortened
from evse_daemon.framework import registry
from evse_daemon.framework.module import Module


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is known of other processes."""

    dialect: str
    """The one that the daemon speaks."""
    modules_dir: Path | None
    """Where ``NAME/manifest.yaml`` is, as in EVerest; None where the configuration does not say."""

    def find(
        self, module_id: str, name: str, entry: Mapping[str, Item], report: Report
    ) -> type[Module] | None:
        """The class that stands for a standalone module here; None where there is a problem, which is reported."""
        # Configurations without standalone modules need none of this.
        from evse_daemon.standalone.manifest import (  # noqa: PLC0415 - as said
            ManifestError,
            class_of_manifest,
            class_of_ours,
            read_manifest,
        )

        path = f"active_modules.{module_id}"
        if self.dialect != "everest":
            report.problem(
                entry["standalone"].line,
                f"{path}.standalone",
                f"module {module_id!r} is standalone, and the daemon speaks the dialect {self.dialect}",
                "modules of other processes speak EVerest's own: set daemon.mqtt_dialect to everest",
            )
        line = entry["module"].line
        if self.modules_dir is not None and (self.modules_dir / name / "manifest.yaml").exists():
            try:
                return class_of_manifest(name, read_manifest(self.modules_dir, name))
            except ManifestError as error:
                report.problem(line, f"{path}.module", str(error))
                return None
        try:
            found = registry.find_module_class(name)
        except ImportError as error:
            report.problem(line, f"{path}.module", f"module class {name} cannot be loaded: {error}")
            return None
        if found is not None:
            return class_of_ours(found)
        where = "settings.modules_dir" if self.modules_dir is None else str(self.modules_dir)
        report.problem(
            line,
            f"{path}.module",
            f"nothing is known of the standalone module {module_id!r}: there is no {shortened(name)}/manifest.yaml",
            f"put the manifest of {shortened(name)} into {where}"
            if self.modules_dir is not None
            else "set settings.modules_dir to the folder of EVerest's modules, or to one with this manifest",
        )
        return None
