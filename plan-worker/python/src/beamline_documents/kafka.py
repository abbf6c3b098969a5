"""Documents for a Kafka topic, as `bluesky_kafka.Publisher` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from .runs import Document
from .target import Refusal, Unreachable

# How long the brokers may take to acknowledge what is sent together, in seconds.
PATIENCE = 10
# What is wrong with the document itself.
REFUSED = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})


class Kafka:
    """Publishes to a topic; the key is the uid of the run, so that one partition has all of it."""

    name = "kafka"

    def __init__(self, servers: str, topic: str, config: Mapping[str, Any]) -> None:
        self._topic = topic
        own = {
            "bootstrap.servers": servers,
            "acks": "all",
            # What is tried again must not overtake.
            "max.in.flight.requests.per.connection": 1,
            "message.timeout.ms": PATIENCE * 1000,
        }
        self._producer = Producer({**own, **config})

    def send(self, run: str, documents: Sequence[Document]) -> Sequence[Refusal]:
        """Delivers documents; see `Target`."""
        refused: list[Refusal] = []
        failures: list[str] = []

        def judge(index: int, error: KafkaError) -> None:
            if error.code() in REFUSED:
                refused.append(Refusal(index, error.str()))
            else:
                failures.append(error.str())

        for index, document in enumerate(documents):

            def reported(error: KafkaError | None, _: Message, index: int = index) -> None:
                if error is not None:
                    judge(index, error)

            try:
                message = msgpack.packb(document)
            except (ValueError, OverflowError, TypeError) as error:
                refused.append(Refusal(index, str(error)))
                continue
            try:
                self._producer.produce(self._topic, message, run, on_delivery=reported)
            except KafkaException as error:
                judge(index, error.args[0])
            except BufferError as error:
                failures.append(str(error))
                break
        # A message fails by itself when its time is over, so that nothing is left behind.
        if self._producer.flush(2 * PATIENCE):
            failures.append("the brokers do not answer")
        if failures:
            self._producer.purge()
            raise Unreachable(failures[0])
        return refused

    def close(self) -> None:
        """Ends the connection; everything is delivered, or known not to be."""
        self._producer.flush(0)
