//! Reading PVs (contract §2.5).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use channels::{PvValue, Sample};
use serde::Serialize;
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};

use crate::clock;
use crate::gateway::Gateway;
use crate::http::negotiate::{Format, negotiate};
use crate::put::CONNECT_TIMEOUT;
use crate::read::{ReadOptions, monitored, once};
use crate::socket::frames::severity_number;
use crate::values::array::{Layout, raw_bytes};
use crate::values::json::Json as AsJson;

/// Query of a one-shot read.
#[derive(Debug)]
pub(crate) struct ValueQuery {
    format: Option<String>,
    options: ReadOptions,
}

impl Model for ValueQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let format = fields.nullable("format", kinds::string);
        let as_string = fields.default("as_string", kinds::boolean, false);
        let count = fields.nullable("count", kinds::integer_within(1, None));
        // Accepted and without meaning here: arrays are always arrays.
        let as_numpy = fields.default("as_numpy", kinds::boolean, true);
        let use_monitor = fields.default("use_monitor", kinds::boolean, false);
        let usual = CONNECT_TIMEOUT.as_secs_f64();
        let timeout = fields.default("timeout", kinds::number_above(0.0, None), usual);
        let connection_timeout =
            fields.default("connection_timeout", kinds::number_above(0.0, None), usual);
        let ftype = fields.nullable("ftype", kinds::integer);
        as_numpy?;
        let duration = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(CONNECT_TIMEOUT);
        Some(Self {
            format: format?,
            options: ReadOptions {
                as_string: as_string?,
                count: count?.and_then(|count| usize::try_from(count).ok()),
                use_monitor: use_monitor?,
                timeout: duration(timeout?),
                connection_timeout: duration(connection_timeout?),
                ftype: ftype?,
            },
        })
    }
}

/// Query of a monitored read.
#[derive(Debug)]
pub(crate) struct FormatQuery {
    format: Option<String>,
}

impl Model for FormatQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self { format: fields.nullable("format", kinds::string)? })
    }
}

#[derive(Serialize)]
struct Value<'a> {
    pv_name: &'a str,
    value: AsJson<'a>,
    timestamp: String,
    #[serde(flatten)]
    layout: Layout,
}

#[derive(Serialize)]
struct MonitoredValue<'a> {
    #[serde(flatten)]
    value: Value<'a>,
    status: u16,
    severity: u8,
    connected: bool,
    units: Option<&'a str>,
    precision: Option<i16>,
    enum_strs: Option<&'a [String]>,
    lower_ctrl_limit: Option<f64>,
    upper_ctrl_limit: Option<f64>,
    lower_disp_limit: Option<f64>,
    upper_disp_limit: Option<f64>,
    read_access: bool,
    write_access: bool,
}

/// Reads a PV from its IOC.
#[utoipa::path(get, path = "/api/v1/pv/{pv_name}/value",
    params(("pv_name" = String, Path), crate::http::openapi::ValueParams), responses((status = 200)))]
pub(crate) async fn get_pv_value_from_controller(
    State(gateway): State<Arc<Gateway>>,
    Path(pv_name): Path<String>,
    Query(query): Query<ValueQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let value = once(&gateway, &pv_name, &query.options).await?;
    let layout = sized(&gateway, &value)?;
    match negotiate(query.format.as_deref(), accepted(&headers))? {
        Format::Binary => binary(&pv_name, &value, &layout, SystemTime::now()),
        Format::Json => Ok(Json(Value {
            pv_name: &pv_name,
            value: AsJson(&value),
            timestamp: clock::now(),
            layout,
        })
        .into_response()),
    }
}

/// Reads a PV from its shared monitor, which is started if there is none.
#[utoipa::path(get, path = "/api/v1/pvs/{pv_name}/value",
    params(("pv_name" = String, Path), ("format" = Option<String>, Query)), responses((status = 200)))]
pub(crate) async fn get_monitored_pv_value(
    State(gateway): State<Arc<Gateway>>,
    Path(pv_name): Path<String>,
    Query(query): Query<FormatQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let sample = monitored(&gateway, &pv_name).await?;
    let layout = sized(&gateway, &sample.value)?;
    match negotiate(query.format.as_deref(), accepted(&headers))? {
        Format::Binary => binary(&pv_name, &sample.value, &layout, sample.time),
        Format::Json => Ok(Json(monitored_body(&pv_name, &sample, layout)).into_response()),
    }
}

fn monitored_body<'a>(pv_name: &'a str, sample: &'a Sample, layout: Layout) -> MonitoredValue<'a> {
    let meta = sample.metadata.as_deref();
    let control = meta.and_then(|meta| meta.control_limits).unzip();
    let display = meta.and_then(|meta| meta.display_limits).unzip();
    MonitoredValue {
        value: Value {
            pv_name,
            value: AsJson(&sample.value),
            timestamp: clock::naive_local(sample.time),
            layout,
        },
        status: sample.alarm.status,
        severity: severity_number(sample.alarm.severity),
        connected: sample.connected,
        units: meta.and_then(|meta| meta.units.as_deref()),
        precision: meta.and_then(|meta| meta.precision),
        enum_strs: meta.and_then(|meta| meta.enum_labels.as_deref()),
        lower_ctrl_limit: control.0,
        upper_ctrl_limit: control.1,
        lower_disp_limit: display.0,
        upper_disp_limit: display.1,
        read_access: sample.read_access,
        write_access: sample.write_access,
    }
}

/// Names of the monitored PVs that are connected.
#[utoipa::path(get, path = "/api/v1/pvs/connected", responses((status = 200, body = Vec<String>)))]
pub(crate) async fn get_connected_pvs(State(gateway): State<Arc<Gateway>>) -> Json<Vec<String>> {
    Json(gateway.monitors.connected())
}

fn accepted(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok())
}

/// The layout of a value that is not too large to be sent.
fn sized(gateway: &Gateway, value: &PvValue) -> Result<Layout, ApiError> {
    let layout = Layout::of(value);
    let (bytes, limit) = (layout.nbytes, gateway.settings.response_bytesize_limit);
    if bytes <= limit {
        return Ok(layout);
    }
    Err(ApiError::bad_request(format!(
        "Response would be {bytes} bytes, exceeds DIRECT_CONTROL_RESPONSE_BYTESIZE_LIMIT ({limit}). Slice the value or \
         raise the limit."
    )))
}

fn binary(
    pv: &str,
    value: &PvValue,
    layout: &Layout,
    time: SystemTime,
) -> Result<Response, ApiError> {
    let (Some(bytes), Some(dtype)) = (raw_bytes(value), layout.dtype) else {
        return Err(ApiError::new(
            StatusCode::NOT_ACCEPTABLE,
            "Value is not a numeric array/scalar with known dtype; cannot serve as binary. Request application/json.",
        ));
    };
    let shape = layout.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let fields = [
        ("x-pv-name", pv.to_owned()),
        ("x-pv-shape", shape),
        ("x-pv-dtype", dtype.to_owned()),
        ("x-pv-ndim", layout.ndim.to_string()),
        ("x-pv-nbytes", layout.nbytes.to_string()),
        ("x-pv-timestamp", clock::naive_local(time)),
    ];
    let mut response =
        ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response();
    for (name, text) in fields {
        if let Ok(text) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(HeaderName::from_static(name), text);
        }
    }
    Ok(response)
}
