"""What is rendered and kept: a chart, a release, its namespace and its values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conftest import HELM, TESTS, template


@dataclass(frozen=True)
class Case:
    name: str
    chart: str
    release: str
    namespace: str
    values: tuple[Path, ...] = ()

    def manifests(self) -> str:
        files = [f"--values={path}" for path in self.values]
        return template(self.chart, f"--namespace={self.namespace}", *files, release=self.release)

    @property
    def golden(self) -> Path:
        return TESTS / "golden" / f"{self.name}.yaml"


def values(name: str) -> Path:
    return TESTS / "values" / f"{name}.yaml"


OPERATOR = ("beamline-operator", "beamline-operator", "beamline-system")
BEAMLINE = ("beamline", "bl01", "bl01")
HA = HELM / "beamline-operator" / "values-ha.yaml"
BEAMLINE_HA = HELM / "beamline" / "values-ha.yaml"

CASES = [
    Case("operator-default", *OPERATOR),
    Case("operator-namespaced", *OPERATOR, (values("operator-namespaced"),)),
    Case("operator-ha", *OPERATOR, (HA, values("operator-observed"))),
    Case("beamline-default", *BEAMLINE),
    Case("beamline-sim", *BEAMLINE, (values("beamline-sim"),)),
    Case("beamline-host-network", *BEAMLINE, (values("beamline-host-network"),)),
    Case("beamline-ha", *BEAMLINE, (BEAMLINE_HA,)),
    Case("beamline-everything", *BEAMLINE, (values("beamline-everything"),)),
]
