//! Variables of the environment in a configuration.

use serde_json::Value;

use super::ConfigError;

/// Replaces each `${NAME}` in texts.
pub(super) fn expand(
    value: Value,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Value, ConfigError> {
    Ok(match value {
        Value::String(text) => Value::String(expand_text(&text, variable)?),
        Value::Array(list) => {
            list.into_iter().map(|one| expand(one, variable)).collect::<Result<_, _>>()?
        }
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, one)| Ok((name, expand(one, variable)?)));
            Value::Object(members.collect::<Result<_, ConfigError>>()?)
        }
        other => other,
    })
}

fn expand_text(
    mut text: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    let mut expanded = String::new();
    while let Some((before, (name, after))) =
        text.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        expanded.push_str(before);
        expanded += &variable(name).ok_or_else(|| ConfigError::Unset(name.to_owned()))?;
        text = after;
    }
    Ok(expanded + text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_in_texts() {
        let variable = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(expand_text("x${A}y${A}", &variable).unwrap(), "x1y1");
        assert_eq!(expand_text("$A ${", &variable).unwrap(), "$A ${");
        assert!(
            matches!(expand_text("${B}", &variable), Err(ConfigError::Unset(name)) if name == "B")
        );
    }
}
