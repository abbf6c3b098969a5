//! Bodies of writing routes: in read-only mode the refusal comes before any complaint about fields
//! (contract §2.4).

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use service::ApiError;
use service::validation::{Body, Fields, Model};

use crate::gateway::Gateway;

/// A JSON body of the model `M`, read only where writes are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded<M>(pub(crate) M);

/// Any object.
struct Anything;

impl Model for Anything {
    fn read(_: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self)
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
                // What is no JSON at all is told first.
                Body::<Anything>::from_request(request, gateway).await?;
                Err(refusal.into())
            }
        }
    }
}
