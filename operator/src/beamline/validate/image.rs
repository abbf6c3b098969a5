//! Which image a container has.

use crds::beamline::{Image, PullPolicy};
use k8s_openapi::api::core::v1::LocalObjectReference;

use super::Invalid;

/// An image as a pod names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValidImage {
    /// Repository with tag or digest.
    pub(crate) reference: String,
    /// When it is pulled.
    pub(crate) pull_policy: PullPolicy,
    /// With which credentials.
    pub(crate) pull_secrets: Vec<LocalObjectReference>,
}

impl ValidImage {
    /// The image that a beamline names; what is not said is as `default`, that of the operator.
    pub(super) fn of_beamline(image: &Image, default: Option<&str>) -> Result<Self, Invalid> {
        Ok(Self {
            reference: reference(image, default)?,
            pull_policy: image.pull_policy.unwrap_or(PullPolicy::IfNotPresent),
            pull_secrets: pull_secrets(image),
        })
    }

    /// The image of a container that may have its own; what is not said is as this one.
    pub(super) fn or_own(&self, own: &Image) -> Result<Self, Invalid> {
        let pull_secrets = match own.pull_secrets.as_slice() {
            [] => self.pull_secrets.clone(),
            _ => pull_secrets(own),
        };
        Ok(Self {
            reference: reference(own, Some(&self.reference))?,
            pull_policy: own.pull_policy.unwrap_or(self.pull_policy),
            pull_secrets,
        })
    }
}

fn pull_secrets(image: &Image) -> Vec<LocalObjectReference> {
    let names = image.pull_secrets.iter();
    names.map(|secret| LocalObjectReference { name: secret.name.clone() }).collect()
}

/// Repository with tag or digest. A tag alone means the repository of `default`.
fn reference(image: &Image, default: Option<&str>) -> Result<String, Invalid> {
    let Image { repository, tag, .. } = image;
    let repository = match (repository, tag) {
        (Some(repository), _) => repository.as_str(),
        (None, None) => return default.map(str::to_owned).ok_or(Invalid::NoImage),
        (None, Some(_)) => without_tag(default.ok_or(Invalid::NoImage)?),
    };
    Ok(match tag.as_deref() {
        Some(digest) if digest.starts_with("sha256:") => format!("{repository}@{digest}"),
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}:latest"),
    })
}

/// A colon before the last slash is that of a port.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    image[name..].find(':').map_or(image, |colon| &image[..name + colon])
}
