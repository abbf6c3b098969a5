//! Why a pod does not come up, in words that stay the same from one attempt to the next: those of the kubelet do not, and a
//! status made of them would be written each time.

use crds::conditions::reasons;
use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};

/// Why a pod does not come up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trouble {
    /// One of [`reasons`].
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

/// What keeps the pod from coming up; none while it is merely on its way.
pub(crate) fn trouble(status: &PodStatus) -> Option<Trouble> {
    let sidecars = status.init_container_statuses.iter().flatten();
    let mut containers = sidecars.chain(status.container_statuses.iter().flatten());
    containers.find_map(of_container).or_else(|| unschedulable(status))
}

fn of_container(container: &ContainerStatus) -> Option<Trouble> {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let (reason, message) = match waiting.and_then(|waiting| waiting.reason.as_deref()) {
        Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") => {
            let message = format!("the image '{}' cannot be pulled", container.image);
            (reasons::IMAGE_PULL_FAILED, message)
        }
        Some("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            let message = waiting.and_then(|waiting| waiting.message.clone());
            (reasons::CONFIG_MISSING, message.unwrap_or_default())
        }
        _ => (reasons::CRASHING, crash(container)?),
    };
    Some(Trouble { reason, message })
}

/// How a container ended that is started again and again. Between two ends it runs for a moment; only being ready ends that.
fn crash(container: &ContainerStatus) -> Option<String> {
    if container.ready || container.restart_count == 0 {
        return None;
    }
    let ended = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        state.as_ref().and_then(|state| state.terminated.clone())
    };
    let end = ended(&container.state).or_else(|| ended(&container.last_state))?;
    let why = match end.reason.as_deref() {
        Some(reason) if reason != "Error" && reason != "Completed" => format!("{reason}, "),
        _ => String::new(),
    };
    Some(format!("its container ends again and again: {why}exit code {}", end.exit_code))
}

fn unschedulable(status: &PodStatus) -> Option<Trouble> {
    let conditions = status.conditions.iter().flatten();
    let mut refused = conditions.filter(|one| one.type_ == "PodScheduled" && one.status == "False");
    let message = refused.next()?.message.clone();
    let message = message.unwrap_or_else(|| "no node takes the pod".to_owned());
    Some(Trouble { reason: reasons::UNSCHEDULABLE, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: &str) -> Option<(&'static str, String)> {
        let trouble = trouble(&serde_saphyr::from_str(status).unwrap())?;
        Some((trouble.reason, trouble.message))
    }

    fn container(fields: &str) -> Option<(&'static str, String)> {
        let common = "name: c, image: 'a/b:1', imageID: ''";
        of(&format!("{{phase: Pending, containerStatuses: [{{{common}, {fields}}}]}}"))
    }

    #[test]
    fn a_sidecar_that_cannot_start_keeps_the_pod_from_coming_up() {
        let sidecar = "name: s, image: 'a/s:1', imageID: '', ready: false, restartCount: 0, \
                       state: {waiting: {reason: ImagePullBackOff}}";
        let found = of(&format!("{{phase: Pending, initContainerStatuses: [{{{sidecar}}}]}}"));
        let message = "the image 'a/s:1' cannot be pulled".to_owned();
        assert_eq!(found, Some((reasons::IMAGE_PULL_FAILED, message)));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_reads_the_same_at_every_attempt() {
        let at = |reason: &str, message: &str| {
            container(&format!(
                "ready: false, restartCount: 0, \
                 state: {{waiting: {{reason: {reason}, message: '{message}'}}}}"
            ))
        };
        let first = at("ErrImagePull", "rpc error").unwrap();
        assert_eq!(first, ("ImagePullFailed", "the image 'a/b:1' cannot be pulled".to_owned()));
        assert_eq!(Some(first), at("ImagePullBackOff", "back-off"));
        assert_eq!(at("CreateContainerConfigError", "no secret").unwrap().0, "ConfigMissing");
        assert_eq!(at("ContainerCreating", ""), None);
    }

    #[test]
    fn a_container_that_crashes_is_told_the_same_while_it_waits_and_while_it_runs_for_a_moment() {
        let last = "lastState: {terminated: {exitCode: 1, reason: Error}}";
        let waiting = container(&format!(
            "ready: false, restartCount: 3, {last}, state: {{waiting: {{reason: CrashLoopBackOff}}}}"
        ));
        let running =
            container(&format!("ready: false, restartCount: 4, {last}, state: {{running: {{}}}}"));
        let said = "its container ends again and again: exit code 1".to_owned();
        assert_eq!(waiting, Some(("Crashing", said)));
        assert_eq!(waiting, running);
        let up =
            container(&format!("ready: true, restartCount: 4, {last}, state: {{running: {{}}}}"));
        assert_eq!(up, None);
    }

    #[test]
    fn a_pod_that_no_node_takes_says_so_in_the_words_of_the_scheduler() {
        let status = "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', \
                      reason: Unschedulable, message: '0/1 nodes are available'}]}";
        assert_eq!(of(status), Some(("Unschedulable", "0/1 nodes are available".to_owned())));
        assert_eq!(of("{phase: Pending}"), None);
    }
}
