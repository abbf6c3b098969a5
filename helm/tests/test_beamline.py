"""The chart of one beamline."""

from pathlib import Path

import pytest
import yaml
from cases import values
from conftest import HELM, helm, objects, only, template
from resources import DEFINITIONS_BY_KIND
from values_schema import structural_schema

CHART = "beamline"
EVERYTHING = f"--values={values('beamline-everything')}"
PARTS = ("registry", "control", "queue", "simIoc")
PARENT = {
    "apiVersion": "v2",
    "name": "bl01-services",
    "version": "0.0.0",
    "dependencies": [
        {
            "name": "beamline",
            "version": "0.1.0",
            "repository": f"file://{HELM / CHART}",
            "condition": "beamline.enabled",
        }
    ],
}


def spec(*options: str) -> dict:
    return only(template(CHART, *options), "Beamline")["spec"]


def variables(*options: str) -> dict[str, dict]:
    return {one["name"]: one for one in spec(*options)["control"]["env"]}


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart of somebody else's that depends on ours, with the dependency beside it."""
    chart = tmp_path / "bl01-services"
    (chart / "charts").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump(PARENT))
    (chart / "values.yaml").write_text("beamline: {nameOverride: bl01}\n")
    helm("dependency", "build", str(chart))
    return chart


def test_every_field_of_a_beamline_is_a_value() -> None:
    fields = structural_schema(DEFINITIONS_BY_KIND["Beamline"])["properties"]
    known = yaml.safe_load((HELM / CHART / "values.yaml").read_text())
    assert set(fields) <= set(known)
    for part in PARTS:
        assert set(fields[part]["properties"]) == set(known[part])
    rendered = spec()
    assert set(rendered) == {name for name in fields if _leaves(known[name])}


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for child in value.values() for leaf in _leaves(child)]
    return [value] if value not in (None, [], {}) else []


def test_a_release_by_itself_moves_nothing_and_simulates_nothing() -> None:
    rendered = spec()
    assert rendered["control"]["readOnly"] is True
    assert rendered["simIoc"]["enabled"] is False
    assert "image" not in rendered, "the pods have the image of the operator"


def test_the_beamline_is_called_after_the_release_unless_told_otherwise() -> None:
    assert only(template(CHART, release="bl07"), "Beamline")["metadata"]["name"] == "bl07"
    assert only(template(CHART, EVERYTHING), "Beamline")["metadata"]["name"] == "bl23"


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ("12", "12"),
        ("300000000", "300000000"),
        ("12.5", "12.5"),
        ("true", "true"),
        ("text", "text"),
        ("{a,b}", '["a","b"]'),
    ],
)
def test_a_variable_arrives_as_the_settings_read_it(given: str, arrives: str) -> None:
    option = f"--set=control.env.DIRECT_CONTROL_COMMAND_TIMEOUT={given}"
    assert variables(option)["DIRECT_CONTROL_COMMAND_TIMEOUT"]["value"] == arrives


def test_an_unknown_variable_is_handed_on() -> None:
    assert variables("--set=control.env.RUST_BACKTRACE=1")["RUST_BACKTRACE"]["value"] == "1"


def test_a_secret_is_taken_by_reference_only() -> None:
    name = "queue.env.QSERVER_EMERGENCY_LOCK_KEY_FOR_SERVER"
    assert "EMERGENCY_LOCK_KEY" in template(CHART, f"--set={name}=hunter2", fails=True)
    env = only(template(CHART, EVERYTHING), "Beamline")["spec"]["queue"]["env"]
    assert env[0]["valueFrom"] == {"secretKeyRef": {"name": "queue-keys", "key": "emergency"}}


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ("control.replicas=many", "/control/replicas"),
        ("queue.engine=fortran", "/queue/engine"),
        ("devices.motor.prefiks=x", "prefiks"),
        ("epics.caNameServers=gateway", "/epics/caNameServers"),
        ("httpRoute.enabled=1", "/httpRoute/enabled"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(option: str, field: str) -> None:
    assert field in template(CHART, f"--set={option}", fails=True)


def test_what_users_switch_at_run_time_is_left_to_them() -> None:
    queue = only(template(CHART), "Queue")
    assert queue["metadata"]["name"] == "main"
    assert queue["spec"] == {"engine": "native"}
    assert "kind: Queue\n" not in template(CHART, "--set=queueSettings.create=false")


def test_the_queue_of_the_settings_is_the_one_that_is_served() -> None:
    manifests = template(CHART, EVERYTHING)
    served = only(manifests, "Beamline")["spec"]["queue"]["queueName"]
    assert only(manifests, "Queue")["metadata"]["name"] == served == "plans"


def test_the_name_of_a_device_is_that_of_its_object_unless_told_otherwise() -> None:
    manifests = template(CHART, EVERYTHING)
    assert only(manifests, "Device", "det1")["spec"]["name"] == "det1"
    assert only(manifests, "Device", "sample-x")["spec"]["name"] == "sample_x"


def test_one_secret_makes_all_three_services_ask_for_its_key() -> None:
    def taken(*options: str) -> dict[str, dict[str, dict]]:
        parts = spec("--set=access.existingSecret=bl01-key", *options)
        return {
            part: {one["name"]: one["valueFrom"]["secretKeyRef"] for one in parts[part]["env"]}
            for part in ("registry", "control", "queue")
        }

    key = {"name": "bl01-key", "key": "api-key"}
    queue = "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY"
    assert taken() == {
        "registry": {"CONFIG_API_KEY": key},
        "control": {"DIRECT_CONTROL_API_KEY": key, queue: key},
        "queue": {queue: key},
    }
    other = taken("--set=access.secretKey=other")
    assert other["registry"]["CONFIG_API_KEY"] == {"name": "bl01-key", "key": "other"}
    own = f"queue.env.{queue}.valueFrom.secretKeyRef"
    queues_own = taken(f"--set={own}.name=own", f"--set={own}.key=k")
    assert queues_own["queue"][queue] == {"name": "own", "key": "k"}
    assert queues_own["control"][queue] == key


def test_an_audience_lets_all_three_services_take_tokens_and_ask_about_them() -> None:
    manifests = template(CHART, "--set=access.tokenAudience=lab", release="bl01")
    parts = only(manifests, "Beamline")["spec"]
    assert {part: parts[part]["env"] for part in ("registry", "control", "queue")} == {
        "registry": [{"name": "CONFIG_TOKEN_AUDIENCE", "value": "lab"}],
        "control": [{"name": "DIRECT_CONTROL_TOKEN_AUDIENCE", "value": "lab"}],
        "queue": [{"name": "QSERVER_HTTP_SERVER_TOKEN_AUDIENCE", "value": "lab"}],
    }
    binding = only(manifests, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "system:auth-delegator"
    accounts = [subject["name"] for subject in binding["subjects"]]
    assert accounts == ["bl01-registry", "bl01-control", "bl01-queue"]
    without = objects(template(CHART))
    assert not [one for one in without if one["kind"] == "ClusterRoleBinding"]


def test_without_a_secret_nobody_is_asked() -> None:
    assert all("env" not in spec()[part] for part in ("registry", "control", "queue"))


def test_no_plan_and_no_secret_is_ever_part_of_a_release() -> None:
    kinds = {one["kind"] for one in objects(template(CHART, EVERYTHING))}
    assert not kinds & {"QueueItem", "PlanWorker", "DeviceLocks", "Secret"}


def test_hosts_lead_to_the_service_of_their_part() -> None:
    manifests = template(CHART, EVERYTHING)
    backends = {
        rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"]
        for rule in only(manifests, "Ingress")["spec"]["rules"]
    }
    assert backends == {
        "bl23-control.example.org": "bl23-control",
        "bl23-queue.example.org": "bl23-queue",
    }
    route = only(manifests, "HTTPRoute")
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "bl23-registry", "port": 8004}]


def test_the_test_asks_each_part_that_runs() -> None:
    def asked(*options: str) -> dict[str, list[str]]:
        pods = [one for one in objects(template(CHART, *options)) if one["kind"] == "Pod"]
        return {one["name"]: one["args"] for pod in pods for one in pod["spec"]["containers"]}

    assert set(asked()) == {"queue"}, "without a PV there is nothing to read"
    assert asked("--set=simIoc.enabled=true")["control"][:2] == ["get", "mini:current"]
    assert not asked("--set=queue.enabled=false")


def test_it_is_a_dependency_of_a_chart_without_values_of_its_own(parent: Path) -> None:
    manifests = template(parent, release="anything")
    assert only(manifests, "Beamline")["metadata"]["name"] == "bl01"
    assert not objects(template(parent, "--set=beamline.enabled=false"))
    assert "nonsense" in template(parent, "--set=beamline.nonsense=1", fails=True)


def test_a_parent_stops_all_parts_and_says_where_they_belong(parent: Path) -> None:
    options = ("--set=global.enabled=false", "--set=global.domain=bl01", "--set=global.other=1")
    beamline = only(template(parent, *options), "Beamline")
    assert [beamline["spec"][part]["enabled"] for part in PARTS] == [False] * 4
    assert beamline["metadata"]["labels"]["domain"] == "bl01"
    running = only(template(parent, "--set=global.enabled=true"), "Beamline")["spec"]
    assert running["registry"]["enabled"] is True


def test_charts_can_be_packed(tmp_path: Path) -> None:
    for chart in ("beamline-crds", "beamline-operator", "beamline"):
        helm("package", str(HELM / chart), "--destination", str(tmp_path))
    assert len(list(tmp_path.glob("*.tgz"))) == 3
