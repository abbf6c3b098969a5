//! JSON or raw bytes: what the client asked for by `format` or `Accept` (contract §2.5). Pure.

use axum::http::StatusCode;
use service::ApiError;

/// Media type of JSON.
const JSON: &str = "application/json";
/// Media type of raw bytes.
const BINARY: &str = "application/octet-stream";

/// In which form to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// Little-endian bytes with their layout in headers.
    Binary,
}

/// The form that was asked for: `format` wins over `Accept`, and of several accepted types the
/// first supported one.
///
/// # Errors
/// 406 when nothing that was asked for can be served.
pub(crate) fn negotiate(format: Option<&str>, accept: Option<&str>) -> Result<Format, ApiError> {
    let not_acceptable = |text: String| ApiError::new(StatusCode::NOT_ACCEPTABLE, text);
    match format {
        Some("json" | JSON) => return Ok(Format::Json),
        Some("binary" | BINARY) => return Ok(Format::Binary),
        Some(other) => {
            let text = format!("Unsupported format: {other}. Supported: json, binary.");
            return Err(not_acceptable(text));
        }
        None => {}
    }
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Ok(Format::Json);
    };
    let essences = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    for essence in essences {
        match essence {
            JSON | "*/*" | "application/*" => return Ok(Format::Json),
            BINARY => return Ok(Format::Binary),
            _ => {}
        }
    }
    let text =
        format!("No supported media types in Accept: {accept}. Supported: {JSON}, {BINARY}.");
    Err(not_acceptable(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(format: Option<&str>, accept: Option<&str>) -> String {
        let error = negotiate(format, accept).unwrap_err();
        assert_eq!(error.status(), StatusCode::NOT_ACCEPTABLE);
        error.body()["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_format_wins_over_what_is_accepted() {
        assert_eq!(negotiate(Some("binary"), Some(JSON)).unwrap(), Format::Binary);
        assert_eq!(negotiate(Some(JSON), Some("image/png")).unwrap(), Format::Json);
        assert_eq!(refusal(Some("foo"), None), "Unsupported format: foo. Supported: json, binary.");
    }

    #[test]
    fn the_first_supported_type_counts() {
        assert_eq!(negotiate(None, None).unwrap(), Format::Json);
        assert_eq!(negotiate(None, Some("*/*")).unwrap(), Format::Json);
        let accept = "text/html, application/octet-stream;q=0.9, application/json";
        assert_eq!(negotiate(None, Some(accept)).unwrap(), Format::Binary);
        assert_eq!(
            refusal(None, Some("image/png")),
            "No supported media types in Accept: image/png. Supported: application/json, application/octet-stream."
        );
    }
}
