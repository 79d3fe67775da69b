"""Several stations on one broker: where their topics would be the same (reference everest-framework §2).

The module tree is apart by the everest prefix, the topics for other programs (everest_api/…, everest_external/…) by
the external prefix, which EVerest puts before them as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from evse_daemon.config.document import Item
from evse_daemon.config.environment import EVEREST_PREFIX, EXTERNAL_PREFIX
from evse_daemon.config.model import RunConfig, Settings
from evse_daemon.config.problems import Problem, Report
from evse_daemon.mqtt.settings import client_id

DEFAULT = Settings().mqtt_everest_prefix


def warn_of_prefixes(settings: Settings, item: Item, environ: Mapping[str, str], report: Report) -> None:
    """Warns of prefixes that look as if a second station was thought of, and would not part the two.

    Args:
        settings: with what the environment overrides.
        item: the section of the file.
        environ: the environment.
        report: gets the warnings.
    """
    everest, external = settings.mqtt_everest_prefix, settings.mqtt_external_prefix
    if everest != DEFAULT and not external:
        _warn(
            report,
            item,
            environ,
            "mqtt_everest_prefix",
            f"the everest prefix is {everest}, and there is no external prefix: another such station on this broker "
            "hears the same orders on everest_api/… and everest_external/…",
            f"if there is another station, give each its own, for instance mqtt_external_prefix: {everest}_api/",
        )
    elif external.startswith(f"{everest}/"):
        _warn(
            report,
            item,
            environ,
            "mqtt_external_prefix",
            f"the external prefix {external} lies in the module tree ({everest}/…): EVerest's own modules take what "
            "is published there for messages of the framework",
            f"choose one outside, for instance {everest}_api/",
        )
    elif external and external[-1].isalnum():
        _warn(
            report,
            item,
            environ,
            "mqtt_external_prefix",
            f"no slash is added to the external prefix: the topics are {external}everest_api/…",
            f"write {external}/ if that is not meant",
        )


def shared_topics(configs: Sequence[RunConfig]) -> list[Problem]:
    """Warnings of configurations that would have the same topics on the same broker."""
    found: list[Problem] = []
    for one, other in combinations(configs, 2):
        if one.broker().describe() != other.broker().describe():
            continue
        ours, theirs = one.settings, other.settings
        if ours.mqtt_everest_prefix == theirs.mqtt_everest_prefix:
            found.append(
                Problem(
                    other.file,
                    None,
                    "settings.mqtt_everest_prefix",
                    f"{one.file} has the same everest prefix ({ours.mqtt_everest_prefix}) on the same broker: each "
                    "of the two would answer calls of the other, and disconnect it",
                    "give each station its own mqtt_everest_prefix",
                )
            )
        elif client_id(ours.mqtt_everest_prefix) == client_id(theirs.mqtt_everest_prefix):
            found.append(
                Problem(
                    other.file,
                    None,
                    "settings.mqtt_everest_prefix",
                    f"{one.file} has an everest prefix ({ours.mqtt_everest_prefix}) that gives the same client id on the "
                    "same broker: each of the two would disconnect the other",
                    "choose prefixes that do not only differ in / and .",
                )
            )
        if ours.mqtt_external_prefix == theirs.mqtt_external_prefix:
            prefix = ours.mqtt_external_prefix or "none"
            found.append(
                Problem(
                    other.file,
                    None,
                    "settings.mqtt_external_prefix",
                    f"{one.file} has the same external prefix ({prefix}) on the same broker: an order on "
                    "everest_api/… or everest_external/… reaches both",
                    "give each station its own mqtt_external_prefix",
                )
            )
    return found


def _warn(report: Report, item: Item, environ: Mapping[str, str], name: str, message: str, hint: str) -> None:
    variable = {"mqtt_everest_prefix": EVEREST_PREFIX, "mqtt_external_prefix": EXTERNAL_PREFIX}[name]
    if variable in environ:
        report.warning(None, variable, f"{variable}: {message}", hint)
    else:
        report.warning(item.mapping.get(name, item).line, f"settings.{name}", message, hint)
