//! Objects as a `Table`, which is what `kubectl get` shows.

use serde_json::{Value, json};

use super::render::metadata_only;
use crate::api::Resource;
use crate::kinds::{Cell, Column};
use crate::store::object::Stored;

/// What a row carries beside its cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    #[default]
    Metadata,
    Object,
}

impl Include {
    /// Reads the query parameter.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "None" => Self::None,
            "Object" => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// A table of rows; watches send the column definitions only once.
pub(crate) fn table(resource: &Resource, version: &str, rows: &[Value], headed: bool) -> Value {
    let columns: Vec<Value> = resource
        .stored
        .columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.type_,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            })
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": if headed { Value::Array(columns) } else { Value::Null },
        "rows": rows,
    })
}

/// One object as a row.
pub(crate) fn row(resource: &Resource, stored: &Stored, include: Include) -> Value {
    let object = stored.value();
    let cells: Vec<Value> =
        resource.stored.columns.iter().map(|column| cell(column, &object)).collect();
    let mut row = json!({"cells": cells});
    match include {
        Include::None => {}
        Include::Metadata => row["object"] = metadata_only(&object),
        Include::Object => row["object"] = resource.show(object),
    }
    row
}

fn cell(column: &Column, object: &Value) -> Value {
    match &column.cell {
        Cell::Name => object["metadata"]["name"].clone(),
        Cell::Count(maps) => {
            let size = |map: &&str| object[*map].as_object().map_or(0, serde_json::Map::len);
            json!(maps.iter().map(size).sum::<usize>())
        }
        Cell::Regarding => {
            let regarding = &object["involvedObject"];
            let text = |key: &str| regarding[key].as_str().unwrap_or_default();
            json!(format!("{}/{}", text("kind").to_lowercase(), text("name")))
        }
        Cell::LastSeen => {
            let places = [
                &object["series"]["lastObservedTime"],
                &object["lastTimestamp"],
                &object["eventTime"],
                &object["metadata"]["creationTimestamp"],
            ];
            places.into_iter().find(|time| time.is_string()).map_or(Value::Null, age)
        }
        Cell::Path(path) => match (path.find(object), column.type_.as_str()) {
            (None | Some(Value::Null), _) => Value::Null,
            (Some(value), "date") => age(value),
            (Some(value), "integer") => value.as_i64().map_or(Value::Null, |n| json!(n)),
            (Some(value), "number") => value.as_f64().map_or(Value::Null, |n| json!(n)),
            (Some(value), "boolean") => value.as_bool().map_or(Value::Null, |b| json!(b)),
            (Some(Value::String(text)), _) => json!(text),
            (Some(other), _) => json!(other.to_string()),
        },
    }
}

/// How long ago a time is, in the short form of kubectl.
fn age(time: &Value) -> Value {
    let Some(then) = time.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()) else {
        return json!("<invalid>");
    };
    json!(duration(jiff::Timestamp::now().duration_since(then).as_secs()))
}

/// Seconds in the short form of kubectl: two units at most, fewer as they grow.
fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let pair = |big: i64, unit: char, small: i64, small_unit: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        1..120 => format!("{seconds}s"),
        120..600 => pair(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (601, "10m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (864_000, "10d"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(duration(-5), "<invalid>");
    }
}
