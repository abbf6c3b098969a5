//! The profile of a site: the Python code with its plans and devices, which the bluesky engine opens.

#![allow(unreachable_pub, reason = "KubeSchema derives a hidden twin")]

use kube::KubeSchema;

use crate::ipython_kernel::IpythonKernel;
use serde::{Deserialize, Serialize};

/// Where the plans and devices of the bluesky engine come from (contract queue-server §6.2). One source
/// at most; without any, the simulated profile of bluesky-queueserver. The native engine has no profile.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.startupDir) ? 1 : 0) + (has(self.startupModule) ? 1 : 0) + (has(self.startupScript) ? 1 : 0) + (has(self.startupProfile) ? 1 : 0) <= 1").message("startupDir, startupModule, startupScript and startupProfile exclude each other"))]
pub struct Profile {
    /// Folder whose `.py` and `.ipy` files are executed in the order of their names, as the worker
    /// sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub startup_dir: Option<String>,
    /// Python module that is imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub startup_module: Option<String>,
    /// Script that is executed, as the worker sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub startup_script: Option<String>,
    /// IPython profile whose startup folder is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub startup_profile: Option<String>,
    /// Leave out plans whose signature cannot be described, instead of failing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_invalid_plans: bool,
    /// How deep the components of devices are described; 0 for all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 100))]
    pub device_max_depth: i32,
    /// Have the active devices of the registry in place of those of the profile that have their
    /// names. An empty registry begins with the devices of the profile.
    #[serde(default, skip_serializing_if = "is_false")]
    pub registry_devices: bool,
    /// Open the profile in an IPython kernel, to which users attach their consoles. `{}` for one that only programs on the machine or
    /// in the pod of the worker reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipython_kernel: Option<IpythonKernel>,
}

impl Profile {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The profile as the environment of a worker.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Self {
            startup_dir,
            startup_module,
            startup_script,
            startup_profile,
            ignore_invalid_plans,
            device_max_depth,
            registry_devices,
            ipython_kernel,
        } = self;
        let sources = [
            ("BEAMLINE_WORKER_STARTUP_DIR", startup_dir),
            ("BEAMLINE_WORKER_STARTUP_MODULE", startup_module),
            ("BEAMLINE_WORKER_STARTUP_SCRIPT", startup_script),
            ("BEAMLINE_WORKER_STARTUP_PROFILE", startup_profile),
        ];
        let said = sources.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let mut all: Vec<_> = said.collect();
        if *ignore_invalid_plans {
            all.push(("BEAMLINE_WORKER_IGNORE_INVALID_PLANS", "ON".to_owned()));
        }
        if *device_max_depth > 0 {
            all.push(("BEAMLINE_WORKER_DEVICE_MAX_DEPTH", device_max_depth.to_string()));
        }
        if *registry_devices {
            all.push(("BEAMLINE_WORKER_REGISTRY_DEVICES", "ON".to_owned()));
        }
        all.extend(ipython_kernel.iter().flat_map(IpythonKernel::environment));
        all
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_in_the_environment() {
        assert!(Profile::default().environment().is_empty());
        let profile = Profile {
            startup_dir: Some("/profile".to_owned()),
            device_max_depth: 3,
            registry_devices: true,
            ipython_kernel: Some(IpythonKernel::default()),
            ..Profile::default()
        };
        let expected = [
            ("BEAMLINE_WORKER_STARTUP_DIR", "/profile".to_owned()),
            ("BEAMLINE_WORKER_DEVICE_MAX_DEPTH", "3".to_owned()),
            ("BEAMLINE_WORKER_REGISTRY_DEVICES", "ON".to_owned()),
            ("BEAMLINE_WORKER_IPYTHON_KERNEL", "ON".to_owned()),
        ];
        assert_eq!(profile.environment(), expected);
    }
}
