//! Objects that git owns: who syncs them, and so where to edit them (design §4).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// What marks an object as synced from git: where the mark is, and what it names.
const LABELS: [(&str, &str); 3] = [
    ("argocd.argoproj.io/instance", "Argo CD application"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux Helm release"),
];
/// Argo CD's tracking annotation: `application:group/Kind:namespace/name`.
const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";

/// Who syncs the object from git, such as `Argo CD application 'devices'`; `None` when nobody does.
pub fn by_git(metadata: &ObjectMeta) -> Option<String> {
    let tracking = metadata.annotations.as_ref().and_then(|all| all.get(ARGO_TRACKING));
    if let Some(tracking) = tracking {
        let application = tracking.split(':').next().unwrap_or_default();
        return Some(format!("Argo CD application '{application}'"));
    }
    let labels = metadata.labels.as_ref()?;
    LABELS
        .iter()
        .find_map(|(label, what)| labels.get(*label).map(|name| format!("{what} '{name}'")))
}

/// Whether a label or annotation of that key is such a mark, which means nothing on another object.
pub fn is_mark(key: &str) -> bool {
    key == ARGO_TRACKING || LABELS.iter().any(|(label, _)| *label == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(key: &str, value: &str) -> ObjectMeta {
        ObjectMeta {
            labels: Some([(key.to_owned(), value.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn objects_of_argo_and_flux_name_their_owner() {
        let flux = labelled("kustomize.toolkit.fluxcd.io/name", "lab");
        assert_eq!(by_git(&flux).as_deref(), Some("Flux kustomization 'lab'"));
        let annotations =
            Some([(ARGO_TRACKING.to_owned(), "devs:beamline.dev/Device:ns/m".into())]);
        let argo = ObjectMeta { annotations: annotations.map(Into::into), ..ObjectMeta::default() };
        assert_eq!(by_git(&argo).as_deref(), Some("Argo CD application 'devs'"));
        assert_eq!(by_git(&labelled("app.kubernetes.io/instance", "x")), None);
    }
}
