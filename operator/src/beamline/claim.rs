//! Which operator looks after a beamline, where a cluster has several: otherwise two of different
//! versions would replace each other's pods without end.
//!
//! The annotation `beamline.dev/operator` decides. Without it the first operator that sees a
//! beamline takes it on, and another only when that one is gone.

use crds::Beamline;
use crds::beamline::OPERATOR_ANNOTATION;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::cluster::LEASE;
use crate::context::Context;
use crate::error::{Call, Error, call};

/// An operator is gone when its lease has not been renewed for this long: longer than any upgrade
/// of it, and than clocks differ.
const GONE_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What a beamline and the operator that asks say.
#[derive(Debug, PartialEq, Eq)]
enum Standing<'a> {
    /// This operator looks after it.
    Ours,
    /// It is this operator's to take on.
    Free,
    /// Another looks after it, as long as that one lives.
    Claimed(&'a str),
    /// Another is asked for.
    Assigned(&'a str),
}

/// Takes the beamline on for the operator of the namespace `own`.
///
/// # Errors
/// [`Error::OtherOperator`] when it is another's.
pub(super) async fn claim(context: &Context, beamline: &Beamline, own: &str) -> Result<(), Error> {
    let other = match standing(beamline, own) {
        Standing::Ours => return Ok(()),
        Standing::Free => return take_on(context, beamline, own).await,
        Standing::Claimed(other) if is_gone(&context.client, other).await => {
            tracing::info!(beamline = beamline.name_any(), from = other, "taking over");
            return take_on(context, beamline, own).await;
        }
        Standing::Claimed(other) | Standing::Assigned(other) => other,
    };
    Err(Error::OtherOperator { operator: other.to_owned(), annotation: OPERATOR_ANNOTATION })
}

fn standing<'a>(beamline: &'a Beamline, own: &str) -> Standing<'a> {
    let asked = beamline.annotations().get(OPERATOR_ANNOTATION).filter(|name| !name.is_empty());
    let claimed = beamline.status.as_ref().and_then(|status| status.operator.as_deref());
    match (asked, claimed) {
        (Some(asked), _) if asked != own => Standing::Assigned(asked),
        (_, Some(claimed)) if claimed == own => Standing::Ours,
        (None, Some(claimed)) => Standing::Claimed(claimed),
        (Some(_), _) | (None, None) => Standing::Free,
    }
}

/// Writes the claim; of two operators that do so at the same time one is refused.
async fn take_on(context: &Context, beamline: &Beamline, own: &str) -> Result<(), Error> {
    let claim = json!({
        "metadata": {"uid": beamline.uid(), "resourceVersion": beamline.resource_version()},
        "status": {"operator": own},
    });
    let api: Api<Beamline> = context.beside(beamline);
    let (name, params, patch) = (beamline.name_any(), PatchParams::default(), Patch::Merge(claim));
    call(api.patch_status(&name, &params, &patch)).await.map(drop).map_err(Error::Claim)
}

/// Whether no operator of that namespace is at work. One whose lease may not be read is not gone.
async fn is_gone(client: &Client, operator: &str) -> bool {
    let leases: Api<Lease> = Api::namespaced(client.clone(), operator);
    match call(leases.get(LEASE)).await {
        Ok(lease) => is_forgotten(&lease, Timestamp::now()),
        Err(Call::Api(error)) => matches!(*error, kube::Error::Api(status) if status.code == 404),
        Err(Call::Timeout(_)) => false,
    }
}

fn is_forgotten(lease: &Lease, now: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_none_or(|renewed| now.duration_since(renewed.0) > GONE_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beamline(annotation: Option<&str>, claimed: Option<&str>) -> Beamline {
        let mut one = Beamline::new("bl01", Default::default());
        one.metadata.annotations =
            annotation.map(|name| [(OPERATOR_ANNOTATION.to_owned(), name.to_owned())].into());
        let operator = claimed.map(ToOwned::to_owned);
        one.status = Some(crds::BeamlineStatus { operator, ..Default::default() });
        one
    }

    #[test]
    fn the_annotation_wins_and_the_first_to_come_otherwise() {
        let cases = [
            (None, None, Standing::Free),
            (None, Some("own"), Standing::Ours),
            (None, Some("other"), Standing::Claimed("other")),
            (Some("own"), Some("other"), Standing::Free),
            (Some("own"), Some("own"), Standing::Ours),
            (Some("other"), Some("own"), Standing::Assigned("other")),
            (Some("other"), None, Standing::Assigned("other")),
            (Some(""), None, Standing::Free),
        ];
        for (annotation, claimed, expected) in cases {
            let one = beamline(annotation, claimed);
            assert_eq!(standing(&one, "own"), expected, "{annotation:?} {claimed:?}");
        }
    }

    #[test]
    fn a_lease_that_was_renewed_lately_is_not_forgotten() {
        let now = Timestamp::now();
        let lease = |ago: SignedDuration| -> Lease {
            let renewed = now.checked_sub(ago).unwrap();
            serde_json::from_value(json!({"spec": {"renewTime": renewed.to_string()}})).unwrap()
        };
        assert!(!is_forgotten(&lease(SignedDuration::from_mins(9)), now));
        assert!(is_forgotten(&lease(SignedDuration::from_mins(11)), now));
        assert!(is_forgotten(&Lease::default(), now));
    }
}
