//! What a name on the command line means to direct control: a device, a part of one, or a PV.

use anyhow::{anyhow, bail};
use http::Method;
use serde_json::{Value, json};

use super::client::Client;

/// Most names that direct control resolves at once.
const AT_ONCE: usize = 200;

/// What a name means. A device comes before a PV of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A device, or a part of one with several signals.
    Device(String),
    /// A device or a part of one that is a single PV.
    Signal {
        /// The name as it was given.
        address: String,
        /// EPICS name.
        pv: String,
    },
    /// No device has this name, so it is that of a PV.
    Pv(String),
}

/// Asks direct control what `names` mean, in their order.
///
/// # Errors
/// When it cannot say, as long as it has not read the registry.
pub(super) async fn find(control: &mut Client, names: &[String]) -> anyhow::Result<Vec<Subject>> {
    let mut found = Vec::with_capacity(names.len());
    for some in names.chunks(AT_ONCE) {
        let body = json!({ "addresses": some });
        let answer = control.ask(Method::POST, "/api/v1/devices/resolve", Some(body)).await?;
        let rows = answer["resolved"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.len() != some.len() {
            bail!("direct control resolved {} of {} names", rows.len(), some.len());
        }
        for (name, row) in some.iter().zip(rows) {
            found.push(subject(name, row)?);
        }
    }
    Ok(found)
}

/// Asks for one name.
///
/// # Errors
/// As [`find`].
pub(super) async fn find_one(control: &mut Client, name: &str) -> anyhow::Result<Subject> {
    let found = find(control, &[name.to_owned()]).await?;
    found.into_iter().next().ok_or_else(|| anyhow!("direct control does not resolve {name}"))
}

fn subject(name: &str, row: &Value) -> anyhow::Result<Subject> {
    let name = name.to_owned();
    match (row["outcome"].as_str(), row["pv_name"].as_str()) {
        (Some("device_not_found"), _) => Ok(Subject::Pv(name)),
        (Some("resolved"), Some(pv)) => Ok(Subject::Signal { address: name, pv: pv.to_owned() }),
        (Some("not_a_pv_leaf" | "instantiation_failed"), _) => Ok(Subject::Device(name)),
        _ => {
            bail!("{}", row["message"].as_str().unwrap_or("direct control does not know the name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_device_is_that_of_a_pv() {
        let row = |outcome: &str, pv: Option<&str>| {
            subject("name", &json!({ "outcome": outcome, "pv_name": pv, "message": "why" }))
        };
        assert_eq!(row("device_not_found", None).unwrap(), Subject::Pv("name".to_owned()));
        assert_eq!(row("not_a_pv_leaf", None).unwrap(), Subject::Device("name".to_owned()));
        let signal = Subject::Signal { address: "name".to_owned(), pv: "X:1".to_owned() };
        assert_eq!(row("resolved", Some("X:1")).unwrap(), signal);
        for failed in ["registry_unavailable", "no_such_attr"] {
            assert_eq!(row(failed, None).unwrap_err().to_string(), "why");
        }
    }
}
