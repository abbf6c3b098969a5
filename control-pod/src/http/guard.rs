//! Bodies of writing routes: in read-only mode the refusal comes before any complaint about fields
//! (contract §2.4).

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};
use service::ApiError;
use service::validation::{Body, Fields, Model};

use crate::audit::Caller;
use crate::gateway::Gateway;
use crate::socket::Api;

/// A JSON body of the model `M`, read only where writes are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded<M>(pub(crate) M);

/// Any object.
struct Anything(Map<String, Value>);

impl Model for Anything {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self(fields.members().clone()))
    }
}

impl<M: Model> FromRequest<Arc<Gateway>> for Guarded<M> {
    type Rejection = ApiError;

    async fn from_request(
        request: Request,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Self::Rejection> {
        match gateway.writes() {
            Ok(()) => {
                Body::<M>::from_request(request, gateway).await.map(|Body(model)| Self(model))
            }
            Err(refusal) => {
                let (parts, body) = request.into_parts();
                let caller = Caller::of(&parts, Api::Direct);
                let request = Request::from_parts(parts, body);
                // What is no JSON at all is told first.
                let Body(Anything(asked)) = Body::from_request(request, gateway).await?;
                gateway.audit.refused_unread(&caller, &asked, &refusal);
                Err(refusal.into())
            }
        }
    }
}
