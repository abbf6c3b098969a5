//! The options of the IPython kernel (contract queue-server §2.15).

use clap::{ArgAction, Args};
use crds::ipython_kernel::IpythonKernel;
use service::settings::lax_bool;

use crate::remote::Usage;

// Read here, and not with the options: in a pod they are nothing to be set.
/// Variable that asks for a kernel.
const KERNEL: &str = "QSERVER_USE_IPYTHON_KERNEL";

/// Options of the kernel in which workers open the profile. They count with `--state`: otherwise the `Queue` says it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The IPython kernel of the worker")]
pub(crate) struct KernelArgs {
    /// Whether workers open the profile in an IPython kernel, to which users attach their consoles: `ON` or `OFF`.
    #[arg(long, value_name = "ON|OFF", value_parser = lax_bool, action = ArgAction::Set)]
    use_ipython_kernel: Option<bool>,
    /// Where the kernel listens: `localhost`, `auto` for the address of this machine, or an address.
    #[arg(long, value_name = "IP")]
    ipython_kernel_ip: Option<String>,
    /// Backend of matplotlib in the kernel; `agg` when absent.
    #[arg(long, value_name = "NAME")]
    ipython_matplotlib: Option<String>,
    /// Name of the connection file. With it, ports and key stay the same from one environment to the next.
    #[arg(long, value_name = "NAME")]
    ipython_connection_file: Option<String>,
    /// Folder of the connection file; that of Jupyter when absent.
    #[arg(long, value_name = "PATH")]
    ipython_connection_dir: Option<String>,
    /// Port of the kernel for cells; any free one when absent, as the others.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ipython_shell_port: Option<u16>,
    /// Port of the kernel for what is printed.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ipython_iopub_port: Option<u16>,
    /// Port of the kernel for what users are asked.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ipython_stdin_port: Option<u16>,
    /// Port of the kernel for signs of life.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ipython_hb_port: Option<u16>,
    /// Port of the kernel for interrupts.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ipython_control_port: Option<u16>,
}

impl KernelArgs {
    /// The kernel that is asked for, if one is. Options count before `variable`s.
    ///
    /// # Errors
    /// [`Usage`] when a value is none.
    pub(crate) fn kernel(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<IpythonKernel>, Usage> {
        let usual = || variable(KERNEL).is_some_and(|word| lax_bool(&word) == Ok(true));
        if !self.use_ipython_kernel.unwrap_or_else(usual) {
            return Ok(None);
        }
        let text = |given: &Option<String>, name: &str| {
            let usual = || variable(name).filter(|text| !text.is_empty());
            given.clone().or_else(usual)
        };
        let port = |given: Option<u16>, name: &str| {
            let given = given.map(|port| Ok(i32::from(port)));
            let usual = || {
                let text = variable(name).filter(|text| !text.is_empty())?;
                let port = text.parse::<u16>().ok().filter(|port| *port > 0).map(i32::from);
                Some(port.ok_or_else(|| Usage(format!("{name}: '{text}' is no port"))))
            };
            given.or_else(usual).transpose()
        };
        Ok(Some(IpythonKernel {
            ip: text(&self.ipython_kernel_ip, "QSERVER_IPYTHON_KERNEL_IP"),
            matplotlib: self.ipython_matplotlib.clone(),
            connection_file: text(
                &self.ipython_connection_file,
                "QSERVER_IPYTHON_KERNEL_CONNECTION_FILE",
            ),
            connection_dir: text(
                &self.ipython_connection_dir,
                "QSERVER_IPYTHON_KERNEL_CONNECTION_DIR",
            ),
            shell_port: port(self.ipython_shell_port, "QSERVER_IPYTHON_KERNEL_SHELL_PORT")?,
            iopub_port: port(self.ipython_iopub_port, "QSERVER_IPYTHON_KERNEL_IOPUB_PORT")?,
            stdin_port: port(self.ipython_stdin_port, "QSERVER_IPYTHON_KERNEL_STDIN_PORT")?,
            hb_port: port(self.ipython_hb_port, "QSERVER_IPYTHON_KERNEL_HB_PORT")?,
            control_port: port(self.ipython_control_port, "QSERVER_IPYTHON_KERNEL_CONTROL_PORT")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn there_is_no_kernel_unless_one_is_asked_for() {
        let mut args = KernelArgs { ipython_hb_port: Some(7), ..KernelArgs::default() };
        assert_eq!(args.kernel(none).ok(), Some(None));
        let on = |name: &str| (name == KERNEL).then(|| "on".to_owned());
        let kernel = args.kernel(on).ok().flatten().unwrap();
        assert_eq!((kernel.hb_port, kernel.ip), (Some(7), None));
        args.use_ipython_kernel = Some(false);
        assert_eq!(args.kernel(on).ok(), Some(None));
    }

    #[test]
    fn variables_say_what_no_option_does() {
        let args = KernelArgs {
            use_ipython_kernel: Some(true),
            ipython_shell_port: Some(1),
            ..KernelArgs::default()
        };
        let variable = |name: &str| match name {
            "QSERVER_IPYTHON_KERNEL_IP" => Some("auto".to_owned()),
            "QSERVER_IPYTHON_KERNEL_SHELL_PORT" => Some("2".to_owned()),
            "QSERVER_IPYTHON_KERNEL_HB_PORT" => Some("3".to_owned()),
            _ => None,
        };
        let kernel = args.kernel(variable).ok().flatten().unwrap();
        assert_eq!(kernel.ip.as_deref(), Some("auto"));
        assert_eq!(
            (kernel.shell_port, kernel.hb_port, kernel.iopub_port),
            (Some(1), Some(3), None)
        );
        for wrong in ["0", "x", "70000"] {
            let variable = |name: &str| name.ends_with("_STDIN_PORT").then(|| wrong.to_owned());
            assert!(args.kernel(variable).is_err(), "{wrong}");
        }
    }
}
