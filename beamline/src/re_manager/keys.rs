//! What may stand in the configuration of `start-re-manager`, and which option of the command line each entry is.

use serde_json::Value;

use super::variables::expanded;

/// What a value of the configuration has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A text, in which variables count.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`: `ON` or `OFF`.
    Switch,
    /// A list of texts.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` gives the option, which takes no value.
    Flag,
    /// Each word is an option of its own, which takes no value; the empty one is what holds without any.
    Options(&'static [(&'static str, &'static str)]),
}

/// Section, name and form of everything that may stand in it, and the option that it is.
pub(super) const KEYS: &[(&str, &str, Form, &str)] = &[
    ("network", "zmq_control_addr", Form::Text, "zmq-control-addr"),
    ("network", "zmq_private_key", Form::Text, "zmq-private-key"),
    ("network", "zmq_info_addr", Form::Text, "zmq-info-addr"),
    ("network", "zmq_encoding", Form::Text, "zmq-encoding"),
    ("network", "zmq_publish_console", Form::Switch, "zmq-publish-console"),
    ("network", "redis_addr", Form::Text, "redis-addr"),
    ("network", "redis_name_prefix", Form::Text, "redis-name-prefix"),
    ("worker", "use_ipython_kernel", Form::Switch, "use-ipython-kernel"),
    ("worker", "ipython_kernel_ip", Form::Text, "ipython-kernel-ip"),
    ("worker", "ipython_matplotlib", Form::Text, "ipython-matplotlib"),
    ("worker", "ipython_connection_file", Form::Text, "ipython-connection-file"),
    ("worker", "ipython_connection_dir", Form::Text, "ipython-connection-dir"),
    ("worker", "ipython_shell_port", Form::Integer, "ipython-shell-port"),
    ("worker", "ipython_iopub_port", Form::Integer, "ipython-iopub-port"),
    ("worker", "ipython_stdin_port", Form::Integer, "ipython-stdin-port"),
    ("worker", "ipython_hb_port", Form::Integer, "ipython-hb-port"),
    ("worker", "ipython_control_port", Form::Integer, "ipython-control-port"),
    ("worker", "permitted_re_metadata_keys", Form::Texts, "permitted-re-metadata-keys"),
    ("startup", "keep_re", Form::Flag, "keep-re"),
    ("startup", "device_max_depth", Form::Integer, "device-max-depth"),
    ("startup", "ignore_invalid_plans", Form::Switch, "ignore-invalid-plans"),
    ("startup", "existing_plans_and_devices_path", Form::Text, "existing-plans-devices"),
    ("startup", "user_group_permissions_path", Form::Text, "user-group-permissions"),
    ("startup", "startup_dir", Form::Text, "startup-dir"),
    ("startup", "startup_profile", Form::Text, "startup-profile"),
    ("startup", "startup_module", Form::Text, "startup-module"),
    ("startup", "startup_script", Form::Text, "startup-script"),
    ("startup", "ipython_dir", Form::Text, "ipython-dir"),
    ("operation", "print_console_output", Form::Switch, "console-output"),
    (
        "operation",
        "console_logging_level",
        Form::Options(&[
            ("VERBOSE", "verbose"),
            ("NORMAL", ""),
            ("QUIET", "quiet"),
            ("SILENT", "silent"),
        ]),
        "",
    ),
    (
        "operation",
        "update_existing_plans_and_devices",
        Form::Word(&["NEVER", "ENVIRONMENT_OPEN", "ALWAYS"]),
        "update-existing-plans-devices",
    ),
    (
        "operation",
        "user_group_permissions_reload",
        Form::Word(&["NEVER", "ON_REQUEST", "ON_STARTUP"]),
        "user-group-permissions-reload",
    ),
    ("operation", "emergency_lock_key", Form::Text, "emergency-lock-key"),
];

/// The words of a value; nothing when the option is not to be given.
pub(super) fn words(
    form: Form,
    value: &Value,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Vec<String>>, String> {
    // The value itself is not shown: it may be a key.
    let wrong = |kind: &str| format!("the value is not of type '{kind}'");
    let text = |value: &Value| {
        let text = value.as_str().ok_or_else(|| wrong("string"))?;
        Ok::<_, String>(expanded(text, variable))
    };
    let all = match form {
        Form::Text => vec![text(value)?],
        Form::Integer => vec![value.as_i64().ok_or_else(|| wrong("integer"))?.to_string()],
        Form::Switch => {
            let is_on = value.as_bool().ok_or_else(|| wrong("boolean"))?;
            vec![if is_on { "ON" } else { "OFF" }.to_owned()]
        }
        Form::Flag => match value.as_bool().ok_or_else(|| wrong("boolean"))? {
            true => Vec::new(),
            false => return Ok(None),
        },
        Form::Texts => {
            let list = value.as_array().ok_or_else(|| wrong("array"))?;
            let words: Vec<_> = list.iter().map(text).collect::<Result<_, _>>()?;
            if words.is_empty() {
                return Ok(None);
            }
            words
        }
        Form::Word(words) => vec![one_of(text(value)?, words.iter().copied())?],
        Form::Options(words) => vec![one_of(text(value)?, words.iter().map(|(word, _)| *word))?],
    };
    Ok(Some(all))
}

fn one_of(
    word: String,
    words: impl Iterator<Item = &'static str> + Clone,
) -> Result<String, String> {
    if words.clone().any(|known| known == word) {
        return Ok(word);
    }
    let known: Vec<_> = words.collect();
    Err(format!("'{word}' is not one of {}", known.join(", ")))
}

/// The option that a word of the configuration stands for.
pub(super) fn option_of(form: Form, word: &str) -> Option<&'static str> {
    let Form::Options(words) = form else { return None };
    let option = words.iter().find(|(known, _)| *known == word).map(|(_, option)| *option);
    option.filter(|option| !option.is_empty())
}
