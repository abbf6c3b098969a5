"""What publishers are started with: flags, and the environment."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .target import Target

# Variable of each flag. The folder is that of the worker.
VARIABLES = {
    "runs_dir": "BEAMLINE_WORKER_RUNS_DIR",
    "zmq": "BEAMLINE_PUBLISH_ZMQ",
    "kafka": "BEAMLINE_PUBLISH_KAFKA",
    "kafka_topic": "BEAMLINE_PUBLISH_KAFKA_TOPIC",
    "kafka_config": "BEAMLINE_PUBLISH_KAFKA_CONFIG",
    "tiled": "BEAMLINE_PUBLISH_TILED",
    "since": "BEAMLINE_PUBLISH_SINCE",
    "metrics": "BEAMLINE_PUBLISH_METRICS",
}
MEANINGS = {
    "runs_dir": "folder of the runs",
    "zmq": "HOST:PORT of the inner side of a bluesky-0MQ-proxy",
    "kafka": "Kafka brokers, HOST:PORT separated by commas",
    "kafka_topic": "topic at these",
    "kafka_config": "JSON file with more settings of librdkafka, such as those of SASL",
    "tiled": "address of a Tiled server; its key is in TILED_API_KEY",
    "since": "day (YYYY-MM-DD, UTC) with which a target that is new begins; yesterday without",
    "metrics": "HOST:PORT of metrics for Prometheus",
}


class SettingsError(ValueError):
    """Settings that are missing or wrong, in a sentence for the user."""


@dataclass(frozen=True)
class Settings:
    """Settings of one publisher process."""

    runs_dir: Path
    zmq: str | None = None
    kafka: str | None = None
    kafka_topic: str | None = None
    kafka_config: Path | None = None
    tiled: str | None = None
    since: str = ""
    metrics: tuple[str, int] | None = None

    @classmethod
    def of(cls, given: argparse.Namespace) -> Settings:
        """The settings that a command line and an environment make.

        Raises:
            SettingsError: with a sentence for the user.
        """
        if not given.runs_dir:
            raise SettingsError(f"{VARIABLES['runs_dir']} is missing")
        if given.kafka and not given.kafka_topic:
            raise SettingsError(f"{VARIABLES['kafka_topic']} is missing")
        return cls(
            runs_dir=Path(given.runs_dir),
            zmq=given.zmq,
            kafka=given.kafka,
            kafka_topic=given.kafka_topic,
            kafka_config=Path(given.kafka_config) if given.kafka_config else None,
            tiled=given.tiled,
            since=given.since or "",
            metrics=_address(given.metrics) if given.metrics else None,
        )

    def targets(self) -> dict[str, Callable[[], Target]]:
        """What makes each target that is set.

        Raises:
            SettingsError: when a package is missing, or a file cannot be read.
        """
        made: dict[str, Callable[[], Target]] = {}
        if address := self.zmq:
            proxy = _import("zmq_proxy", "zmq").ZmqProxy
            made["zmq"] = lambda: proxy(address)
        if servers := self.kafka:
            kafka, config = _import("kafka", "kafka").Kafka, self._kafka_config()
            made["kafka"] = lambda: kafka(servers, self.kafka_topic, config)
        if uri := self.tiled:
            tiled = _import("tiled", "tiled").Tiled
            made["tiled"] = lambda: tiled(uri)
        return made

    def _kafka_config(self) -> Mapping[str, Any]:
        if self.kafka_config is None:
            return {}
        try:
            config = json.loads(self.kafka_config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{self.kafka_config} cannot be read: {error}") from error
        if not isinstance(config, dict):
            raise SettingsError(f"{self.kafka_config} is no JSON object")
        return config


def add_flags(parser: argparse.ArgumentParser, environment: Mapping[str, str] = os.environ) -> None:
    """Adds the flags of all settings; the environment has their defaults."""
    for name, variable in VARIABLES.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=environment.get(variable) or None,
            help=f"{MEANINGS[name]} [{variable}]",
        )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise SettingsError(f"{VARIABLES['metrics']} is not HOST:PORT: {text}")
    return host, int(port)


def _import(module: str, extra: str) -> Any:  # noqa: ANN401
    try:
        return importlib.import_module(f".{module}", __package__)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{error.name} is missing: pip install 'beamline-worker[{extra}]'"
        ) from error
