"""Modules of ours as part of a station of somebody else: what its manager says, and whether it is still there.

Source: reference everest-framework §3.3, §6a, §11. A real manager has no heartbeat and no last will. Where a
contactor depends on it, the kernel that commands it is known by what every EvseManager publishes each second
(energy_flow_request); its silence, as that of the broker, makes our outputs safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto

from evse_daemon.framework.bus import Bus
from evse_daemon.framework.errors import Error
from evse_daemon.mqtt.calls_in import UnanswerableError, read_call
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import Delivery
from evse_daemon.mqtt.outbox import Rank, already
from evse_daemon.mqtt.topics import Topics, TreeTopic
from evse_daemon.standalone.config_messages import read
from evse_daemon.standalone.exchange import QOS, Exchange
from evse_daemon.standalone.remote_module import RemoteModule

LINK_S = 2.0
"""How long the broker may be away before the outputs are made safe."""

KERNEL_S = 5.0
"""How long a kernel that commands our hardware may publish nothing."""


_SPOKEN = Delivery(QOS)

MAX_NAMES = 1000
"""Modules that are kept in mind; anybody can take a name on a broker."""


class News(Enum):
    """What the manager lets us know."""

    READY = auto()
    """All modules of the station are: begin."""
    SHUTDOWN = auto()
    ANEW = auto()
    """It has started anew, and waits for us to do the same."""


class MemberTopics(Topics):
    """The topics of a station of which we are a part: what is retained there is not ours.

    Args:
        name: of this part.
        everest_prefix: of the station.
        external_prefix: of topics outside its tree.
    """

    def __init__(self, name: str, everest_prefix: str, external_prefix: str) -> None:
        super().__init__(everest_prefix, external_prefix)
        self.status = f"evse_daemon/{self.name}/join/{name}/status"
        self.can_be_retained = ()


class Callers(set[str]):
    """Who may call our hardware: every module of the station; the manager does not say who is connected."""

    def __contains__(self, name: object) -> bool:
        return not self or super().__contains__(name)


class Membership(Exchange):
    """The gateway's Peers in somebody else's station.

    Args:
        own: the ids of our modules.
        modules: those of others that ours are connected to.
        bus: of our modules.
        tell: called with what the manager says.
        tell_ready: tells the manager that our modules are ready.
        set_option: what to answer where the manager changes an option of a module; None: it does not do that.
    """

    def __init__(
        self,
        topics: Topics,
        own: tuple[str, ...],
        modules: Mapping[str, RemoteModule],
        bus: Bus,
        tell: Callable[[News], None],
        tell_ready: Callable[[], None],
        set_option: Callable[[str, bytes], bytes] | None = None,
    ) -> None:
        super().__init__(topics, modules)
        self._own = own
        self._bus = bus
        self._tell = tell
        self._tell_ready = tell_ready
        self._set_option = set_option
        self._set_topics = {} if set_option is None else {topics.set_request(name): name for name in own}
        self._waits = True
        """For GlobalReady."""
        self._told = False
        self._connected_s = bus.clock.now_s()
        self._kernels: set[str] = set()
        """Who has called our hardware."""
        self._heard_s: dict[str, float] = {}

    def told(self) -> None:
        """The manager was told that our modules are ready."""
        self._told = True

    def gone(self) -> str:
        """Why nobody looks after our outputs at present; empty where somebody does."""
        now_s = self._bus.clock.now_s()
        if self.connected:
            self._connected_s = now_s
        elif now_s - self._connected_s >= LINK_S:
            return f"the broker is away for {LINK_S:g} s"
        for module_id in sorted(self._kernels):
            heard_s = self._heard_s.get(module_id)
            if heard_s is not None and now_s - heard_s >= KERNEL_S:
                return f"{module_id} has published nothing for {KERNEL_S:g} s"
        return ""

    def subscriptions(self) -> list[tuple[str, int]]:
        topics = [self._topics.ready, self._topics.shutdown, self._topics.definition("module_names")]
        topics += [self._topics.commands_of(module_id) for module_id in self._own]
        topics += [topic for module_id in self._modules for topic in self._topics.said_by(module_id)[:3]]
        topics += self._set_topics
        return [*((topic, QOS) for topic in topics), (self._topics.energy_requests, 0)]

    def leftovers(self) -> tuple[str, ...]:
        return ()

    def said(self, error: Error) -> bool:
        """Nothing is told in the stead of other modules here: they are not ours."""
        return error.module_id in self._modules

    def missing(self) -> list[str]:
        return []

    def reconnected(self) -> None:
        if self._told and self._waits:
            self._tell_ready()  # GlobalReady may have passed meanwhile

    def stopping(self) -> None:
        return

    def _receive(self, message: Inbound) -> bool:
        if message.topic == self._topics.ready:
            if not message.retain and self._waits and read(message.payload) == ("GlobalReady", True):
                self._waits = False
                for module in self._modules.values():
                    module.told_ready()
                self._tell(News.READY)
            return True
        if message.topic == self._topics.shutdown:
            if not message.retain:
                self._tell(News.SHUTDOWN)
            return True
        if self._set_option is not None and (module_id := self._set_topics.get(message.topic)) is not None:
            if not message.retain:
                answer = already(self._set_option(module_id, message.payload))
                self._sender.event(self._topics.set_response(module_id), answer, _SPOKEN, Rank.KEEP)
            return True
        if message.topic == self._topics.definition("module_names"):
            # What was there when we subscribed belongs to the start that we are part of.
            anew = not self._waits or (self._told and not message.retain)
            if message.payload and anew:
                self._tell(News.ANEW)
            return True
        topic = self._topics.parse(message.topic)
        if topic is not None:
            self._notice(topic, message)
            if topic.kind == "var" and topic.module_id not in self._modules:
                return True
        return self.hear(message)

    def _notice(self, topic: TreeTopic, message: Inbound) -> None:
        """Takes note of who commands our hardware, and of its life."""
        if topic.kind == "var":
            known = topic.module_id in self._heard_s or len(self._heard_s) < MAX_NAMES
            if known and not message.retain:
                self._heard_s[topic.module_id] = self._bus.clock.now_s()
            return
        target = self._bus.implementations.get((topic.module_id, topic.implementation_id))
        if topic.kind == "cmd" and target is not None and target.interface.hardware:
            try:
                origin = read_call(message.payload).origin
            except UnanswerableError:
                return
            if origin in target.standalone_callers and len(self._kernels) < MAX_NAMES:
                self._kernels.add(origin)
