//! The service in front of the pods of a part.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use crate::beamline::validate::{Valid, ValidPart};

/// The service of a part. That of the queue leads to the pod that leads.
pub(super) fn service(valid: &Valid, part: &ValidPart) -> Service {
    let component = part.component;
    let ports = component.ports().iter().map(|(name, port, protocol)| ServicePort {
        name: Some((*name).to_owned()),
        port: *port,
        protocol: Some((*protocol).to_owned()),
        target_port: Some(IntOrString::String((*name).to_owned())),
        ..ServicePort::default()
    });
    let settings = &part.part.service;
    let mut metadata = metadata(valid, component);
    if !settings.annotations.is_empty() {
        metadata.annotations = Some(settings.annotations.clone());
    }
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(settings.type_.as_str().to_owned()),
            selector: Some(component.serving(&valid.name)),
            ports: Some(ports.collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
