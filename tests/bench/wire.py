"""An MQTT 3.1.1 client on a blocking socket: it costs little beside what it measures."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from tests.support import raw_mqtt as mqtt
from tests.support.brokers import Mosquitto

TIMEOUT_S = 20.0

DISCONNECT = b"\xe0\x00"
QOS_2_RELEASE = 0x62


class Client:
    """One connection; by TCP with TCP_NODELAY, or by the broker's unix socket."""

    def __init__(self, broker: Mosquitto, client_id: str, *, unix: bool = False) -> None:
        if unix:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(broker.socket_path)
        else:
            self._socket = socket.create_connection((broker.host, broker.port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(TIMEOUT_S)
        self._buffer = b""
        self._last_id = 0
        self._socket.sendall(mqtt.connect(client_id))
        head, body = next(self._packets())
        assert (head, body[1]) == (mqtt.CONNACK, 0), "the broker refuses the client"

    def close(self) -> None:
        self._socket.sendall(DISCONNECT)
        self._socket.close()

    def subscribe(self, topic: str, qos: int) -> None:
        self._socket.sendall(mqtt.packet(mqtt.SUBSCRIBE, self._new_id() + mqtt.string(topic) + bytes([qos])))
        for head, _ in self._packets():
            if head == mqtt.SUBACK:
                return

    def wait_for(self, topic: str) -> None:
        """Until something is published on a topic that is subscribed to at QoS 0."""
        for head, body in self._packets():
            if head & 0xF0 == mqtt.PUBLISH and mqtt.topic_and_rest(body)[0] == topic:
                return

    def round_trip_s(self, topic: str, payload: bytes, qos: int, marker: bytes) -> float:
        """From the publication to the arrival of the answer with the marker in it.

        Returns only when all acknowledgements of both are exchanged, too, so that they do not weigh on the next.
        """
        open_handshakes = 2 if qos else 1  # the call's and the answer's
        answered_s = 0.0
        sent = mqtt.publish(topic, payload, qos, self._next_id() if qos else 0)
        begin_s = time.perf_counter()
        self._socket.sendall(sent)
        for head, body in self._packets():
            if head & 0xF0 == mqtt.PUBLISH:
                if marker in body:
                    answered_s = time.perf_counter() - begin_s
                    assert b'"error"' not in body, body
                if head & 0x06 == 0:
                    open_handshakes -= 1
            answer, ends = _acknowledge(head, body)
            if answer:
                self._socket.sendall(answer)
            open_handshakes -= ends
            if answered_s and not open_handshakes:
                break
        return answered_s

    def pipelined_s(self, topic: str, payloads: Sequence[bytes], qos: int, outstanding: int) -> float:
        """From the first publication to the last answer of calls of which so many are made at once.

        What belongs together is written at once, so that this process leaves the processor to those it measures.
        Returns when all acknowledgements are exchanged.
        """
        left = iter(payloads)
        unanswered = len(payloads)
        open_handshakes = 2 * len(payloads) if qos else 0  # the calls' and the answers'
        took_s = 0.0

        def next_calls(count: int) -> list[bytes]:
            return [
                mqtt.publish(topic, payload, qos, self._next_id() if qos else 0)
                for payload in islice(left, count)
            ]

        begin_s = time.perf_counter()
        self._socket.sendall(b"".join(next_calls(outstanding)))
        while unanswered or open_handshakes:
            out: list[bytes] = []
            for head, body in self._arrived():
                if head & 0xF0 == mqtt.PUBLISH:
                    assert b'"error"' not in body, body
                    unanswered -= 1
                    if not unanswered:
                        took_s = time.perf_counter() - begin_s
                    out += next_calls(1)
                answer, ends = _acknowledge(head, body)
                open_handshakes -= ends
                out.append(answer)
            self._socket.sendall(b"".join(out))
        return took_s

    def _arrived(self) -> list[tuple[int, bytes]]:
        """The packets that are there; waits for the first."""
        packets: list[tuple[int, bytes]] = []
        while not packets:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the broker closed the connection")
            self._buffer += data
            while (found := _first_packet(self._buffer)) is not None:
                head, body, end = found
                self._buffer = self._buffer[end:]
                packets.append((head, body))
        return packets

    def _next_id(self) -> int:
        self._last_id = self._last_id % 65535 + 1
        return self._last_id

    def _new_id(self) -> bytes:
        return struct.pack("!H", self._next_id())

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        """The packets as they come, each as first byte and body."""
        while True:
            while (found := _first_packet(self._buffer)) is not None:
                head, body, end = found
                self._buffer = self._buffer[end:]
                yield head, body
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the broker closed the connection")
            self._buffer += data


def _acknowledge(head: int, body: bytes) -> tuple[bytes, bool]:
    """What is written in answer to a packet of a handshake, and whether the handshake is over then."""
    match head & 0xF0:
        case mqtt.PUBLISH if head & 0x06:
            (start,) = struct.unpack_from("!H", body)
            (message_id,) = struct.unpack_from("!H", body, 2 + start)
            second = bool(head & 0x04)
            return mqtt.ack(mqtt.PUBREC if second else mqtt.PUBACK, message_id), not second
        case mqtt.PUBREC:
            return mqtt.ack(QOS_2_RELEASE, *struct.unpack("!H", body)), False
        case 0x60:
            return mqtt.ack(mqtt.PUBCOMP, *struct.unpack("!H", body)), True
        case mqtt.PUBACK | mqtt.PUBCOMP:
            return b"", True
    return b"", False


def _first_packet(buffer: bytes) -> tuple[int, bytes, int] | None:
    length = 0
    for position in range(1, min(5, len(buffer))):
        length |= (buffer[position] & 0x7F) << (7 * (position - 1))
        if not buffer[position] & 0x80:
            start = position + 1
            end = start + length
            return (buffer[0], buffer[start:end], end) if len(buffer) >= end else None
    return None
