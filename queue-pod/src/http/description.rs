//! The OpenAPI description, from the route table.

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder,
    Required, Response, ResponseBuilder, Type,
};

use super::routes::ROUTES;
use super::{account_routes, devices, profile, testing};

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number)
}

/// An object whose keys depend on what is asked.
pub(super) fn anything() -> Content {
    let any = ObjectBuilder::new()
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build();
    ContentBuilder::new().schema(Some(any)).build()
}

pub(super) fn reply(description: &str) -> Response {
    ResponseBuilder::new().description(description).content("application/json", anything()).build()
}

fn item() -> Operation {
    let uid = ParameterBuilder::new()
        .name("item_uid")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(text().build()))
        .build();
    OperationBuilder::new()
        .operation_id(Some("queue_item"))
        .summary(Some("An item by its uid: queued, running, or of the history"))
        .parameter(uid)
        .response("200", reply("The item, and its `state`"))
        .response("404", reply("That is no uid"))
        .build()
}

fn upload() -> Operation {
    let file = text().content_media_type("application/octet-stream");
    let form = ObjectBuilder::new()
        .property("spreadsheet", file.build())
        .required("spreadsheet")
        .property("data_type", text().build())
        .build();
    let form = RequestBodyBuilder::new()
        .description(Some("A file whose name ends with .xlsx, .xls or .csv"))
        .content("multipart/form-data", ContentBuilder::new().schema(Some(form)).build())
        .build();
    OperationBuilder::new()
        .operation_id(Some("queue_upload_spreadsheet"))
        .summary(Some("Add the plans of a spreadsheet to the queue: all, or none"))
        .request_body(Some(form))
        .response("200", reply("The reply of `queue_item_add_batch`"))
        .build()
}

fn plan_schemas() -> Operation {
    let name = ParameterBuilder::new()
        .name("name")
        .parameter_in(ParameterIn::Query)
        .description(Some("One plan; all that are allowed without it"))
        .schema(Some(text().build()))
        .build();
    OperationBuilder::new()
        .operation_id(Some("plans_schema"))
        .summary(Some("JSON Schemas of the arguments of plans, for forms and editors"))
        .parameter(name)
        .response(
            "200",
            reply("`plans_schema` has a JSON Schema (2020-12) by the name of each plan"),
        )
        .build()
}

fn kill() -> Operation {
    OperationBuilder::new()
        .operation_id(Some("test_manager_kill"))
        .summary(Some("Have the queue server begin anew, as if it had been killed"))
        .response("408", reply("The manager answers with silence"))
        .build()
}

fn sleep() -> Operation {
    let time = ObjectBuilder::new().property("time", number().build()).required("time").build();
    let body = RequestBodyBuilder::new()
        .description(Some("For how many seconds"))
        .content("application/json", ContentBuilder::new().schema(Some(time)).build())
        .build();
    OperationBuilder::new()
        .operation_id(Some("test_server_sleep"))
        .summary(Some("An answer that takes its time, for clients to try how they wait"))
        .request_body(Some(body))
        .response("200", reply("It is over"))
        .build()
}

pub(super) fn openapi() -> OpenApi {
    let mut paths = account_routes::describe(PathsBuilder::new());
    paths = profile::describe(devices::describe(paths));
    for route in ROUTES {
        let verb = if route.is_get { HttpMethod::Get } else { HttpMethod::Post };
        let body = RequestBodyBuilder::new()
            .description(Some("The parameters of the method"))
            .content("application/json", anything())
            .build();
        let operation = OperationBuilder::new()
            .operation_id(Some(route.method))
            .summary(Some(format!("The method `{}` of the queue server", route.method)))
            .request_body(Some(body))
            .response("200", reply("The reply of the queue server"))
            .build();
        paths = paths.path(format!("/api{}", route.path), PathItem::new(verb, operation));
    }
    paths = paths
        .path(testing::KILL, PathItem::new(HttpMethod::Post, kill()))
        .path(testing::SLEEP, PathItem::new(HttpMethod::Get, sleep()))
        .path(super::schema::PATH, PathItem::new(HttpMethod::Get, plan_schemas()))
        .path(super::item::PATH, PathItem::new(HttpMethod::Get, item()))
        .path(super::spreadsheet::PATH, PathItem::new(HttpMethod::Post, upload()));
    let info = InfoBuilder::new()
        .title("Queue server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Plans queued, validated and run by a worker"))
        .build();
    OpenApiBuilder::new().info(info).paths(paths.build()).build()
}
