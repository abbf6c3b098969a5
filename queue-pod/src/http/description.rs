//! The OpenAPI description, from the route table.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder,
    ResponseBuilder,
};

use super::routes::ROUTES;

pub(super) fn openapi() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for route in ROUTES {
        let verb = if route.is_get { HttpMethod::Get } else { HttpMethod::Post };
        let anything = || {
            let any = ObjectBuilder::new()
                .additional_properties(Some(AdditionalProperties::FreeForm(true)))
                .build();
            ContentBuilder::new().schema(Some(any)).build()
        };
        let reply = ResponseBuilder::new()
            .description("The reply of the queue server")
            .content("application/json", anything())
            .build();
        let body = RequestBodyBuilder::new()
            .description(Some("The parameters of the method"))
            .content("application/json", anything())
            .build();
        let operation = OperationBuilder::new()
            .operation_id(Some(route.method))
            .summary(Some(format!("The method `{}` of the queue server", route.method)))
            .request_body(Some(body))
            .response("200", reply)
            .build();
        paths = paths.path(format!("/api{}", route.path), PathItem::new(verb, operation));
    }
    let info = InfoBuilder::new()
        .title("Queue server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Plans queued, validated and run by a worker"))
        .build();
    OpenApiBuilder::new().info(info).paths(paths.build()).build()
}
