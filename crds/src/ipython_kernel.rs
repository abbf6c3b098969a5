//! The IPython kernel in which the bluesky engine opens its profile.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin")]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How users reach the kernel (contract queue-server §2.14). Its key is in the connection file and in what `config_get` answers, in no
/// resource.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpythonKernel {
    /// Where it listens: `localhost` when absent, `auto` for the address by which others see this machine or pod, or an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub ip: Option<String>,
    /// Backend of matplotlib; `agg` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub matplotlib: Option<String>,
    /// Name of the connection file. With it, ports and key stay the same from one environment to the next, as long as the file is
    /// there; without, they are new each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub connection_file: Option<String>,
    /// Folder of the connection file, as the worker sees it; that of Jupyter when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub connection_dir: Option<String>,
    /// Port for cells; any free one when absent, as the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub shell_port: Option<i32>,
    /// Port for what is printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub iopub_port: Option<i32>,
    /// Port for what users are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub stdin_port: Option<i32>,
    /// Port for signs of life.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub hb_port: Option<i32>,
    /// Port for interrupts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub control_port: Option<i32>,
}

impl IpythonKernel {
    /// The kernel as the environment of a worker.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Self {
            ip,
            matplotlib,
            connection_file,
            connection_dir,
            shell_port,
            iopub_port,
            stdin_port,
            hb_port,
            control_port,
        } = self;
        let texts = [
            ("BEAMLINE_WORKER_IPYTHON_KERNEL_IP", ip),
            ("BEAMLINE_WORKER_IPYTHON_MATPLOTLIB", matplotlib),
            ("BEAMLINE_WORKER_IPYTHON_CONNECTION_FILE", connection_file),
            ("BEAMLINE_WORKER_IPYTHON_CONNECTION_DIR", connection_dir),
        ];
        let ports = [
            ("BEAMLINE_WORKER_IPYTHON_SHELL_PORT", shell_port),
            ("BEAMLINE_WORKER_IPYTHON_IOPUB_PORT", iopub_port),
            ("BEAMLINE_WORKER_IPYTHON_STDIN_PORT", stdin_port),
            ("BEAMLINE_WORKER_IPYTHON_HB_PORT", hb_port),
            ("BEAMLINE_WORKER_IPYTHON_CONTROL_PORT", control_port),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let ports =
            ports.into_iter().filter_map(|(name, port)| Some((name, port.as_ref()?.to_string())));
        let on = ("BEAMLINE_WORKER_IPYTHON_KERNEL", "ON".to_owned());
        std::iter::once(on).chain(texts).chain(ports).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_told_what_was_said_of_it() {
        assert_eq!(IpythonKernel::default().environment().len(), 1);
        let kernel = IpythonKernel {
            ip: Some("auto".to_owned()),
            connection_file: Some("beamline.json".to_owned()),
            hb_port: Some(60_004),
            ..IpythonKernel::default()
        };
        let expected = [
            ("BEAMLINE_WORKER_IPYTHON_KERNEL", "ON".to_owned()),
            ("BEAMLINE_WORKER_IPYTHON_KERNEL_IP", "auto".to_owned()),
            ("BEAMLINE_WORKER_IPYTHON_CONNECTION_FILE", "beamline.json".to_owned()),
            ("BEAMLINE_WORKER_IPYTHON_HB_PORT", "60004".to_owned()),
        ];
        assert_eq!(kernel.environment(), expected);
    }
}
