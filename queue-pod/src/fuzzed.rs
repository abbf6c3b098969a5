//! What reads bytes from outside, each as one function that takes any. `make fuzz` and the tests below call them.

use serde_json::Value;

use crate::methods::Method;
use crate::{Encoding, python};

/// A request over 0MQ: `{"method": …, "params": …}`.
pub fn request(bytes: &[u8]) {
    let request = match Encoding::Json.decode(bytes) {
        Ok(request) => request,
        Err(reply) => return drop(Value::Object(reply).to_string()),
    };
    let _ = (python::repr(&request), python::pformat(&request), python::type_of(&request));
    let method = request.get("method").and_then(Value::as_str).and_then(Method::named);
    if let (Some(method), Some(params)) = (method, request.get("params").and_then(Value::as_object))
    {
        let _ = method.check_params(params);
    }
}

#[cfg(test)]
mod tests {
    use peers::replay;

    #[test]
    fn any_request_is_read_or_refused() {
        replay("request", super::request);
    }
}
