//! Patterns of plans and functions: one expression or name each.

use serde_json::Value;

use super::Rules;
use super::pattern::Pattern;

/// Whether the rules allow the name.
///
/// # Errors
/// A pattern that cannot be read, if it comes to it.
pub fn allows(name: &str, rules: Rules<'_>) -> Result<bool, String> {
    let allowed = match rules.allowed.first() {
        Some(Value::Null) => true,
        _ => any_matches(name, rules.allowed)?,
    };
    Ok(allowed
        && !(rules.forbidden.first() != Some(&Value::Null) && any_matches(name, rules.forbidden)?))
}

fn any_matches(name: &str, patterns: &[Value]) -> Result<bool, String> {
    for pattern in patterns {
        if !pattern.is_string() {
            return Err("Pattern is not a string".to_owned());
        }
        let matches = match Pattern::read(pattern)? {
            Pattern::Name(parts) => match &parts[..] {
                [only] => only == name,
                _ => return Err(ONE.to_owned()),
            },
            Pattern::Levels(_, levels) => match &levels[..] {
                [only] => only.matches(name),
                _ => return Err(ONE.to_owned()),
            },
        };
        if matches {
            return Ok(true);
        }
    }
    Ok(false)
}

const ONE: &str = "Name pattern for functions and plans must contain one component";
