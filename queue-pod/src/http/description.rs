//! The OpenAPI description, from the route table.

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder,
    ResponseBuilder, Type,
};

use super::routes::ROUTES;

fn plan_schemas() -> Operation {
    let name = ParameterBuilder::new()
        .name("name")
        .parameter_in(ParameterIn::Query)
        .description(Some("One plan; all that are allowed without it"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build();
    let schemas = ObjectBuilder::new()
        .description(Some("`plans_schema` has a JSON Schema (2020-12) by the name of each plan"))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build();
    let reply = ResponseBuilder::new()
        .description("The schemas of the arguments of plans")
        .content("application/json", ContentBuilder::new().schema(Some(schemas)).build())
        .build();
    OperationBuilder::new()
        .operation_id(Some("plans_schema"))
        .summary(Some("JSON Schemas of the arguments of plans, for forms and editors"))
        .parameter(name)
        .response("200", reply)
        .build()
}

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
    paths = paths.path(super::schema::PATH, PathItem::new(HttpMethod::Get, plan_schemas()));
    let info = InfoBuilder::new()
        .title("Queue server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Plans queued, validated and run by a worker"))
        .build();
    OpenApiBuilder::new().info(info).paths(paths.build()).build()
}
