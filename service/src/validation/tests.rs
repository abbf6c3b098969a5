use super::*;
use serde_json::json;

#[derive(Debug, PartialEq)]
struct Inner {
    label: String,
}

impl Model for Inner {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let label = fields.required("label", kinds::literal(&["a", "b"]));
        Some(Self { label: label? })
    }
}

#[derive(Debug, PartialEq)]
struct Outer {
    name: String,
    count: i64,
    on: bool,
    note: Option<String>,
    inner: Inner,
}

impl Model for Outer {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required("name", kinds::string);
        let count = fields.default("count", kinds::integer_within(1, Some(5)), 2);
        let on = fields.default("on", kinds::boolean, false);
        let note = fields.nullable("note", kinds::string);
        let inner = fields.required("inner", kinds::model);
        Some(Self { name: name?, count: count?, on: on?, note: note?, inner: inner? })
    }
}

fn refused(body: &Value) -> Value {
    ApiError::from(read::<Outer>(body).unwrap_err()).body()["detail"].clone()
}

#[test]
fn a_valid_body_is_read_with_its_defaults() {
    let body = json!({ "name": "m", "on": "yes", "note": null, "inner": { "label": "a" } });
    let inner = Inner { label: "a".to_owned() };
    let wanted = Outer { name: "m".to_owned(), count: 2, on: true, note: None, inner };
    assert_eq!(read::<Outer>(&body).unwrap(), wanted);
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let body = json!({ "count": 9, "on": "maybe", "inner": { "label": "x", "free": 1 }, "foo": 1 });
    assert_eq!(
        refused(&body),
        json!([
            { "type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": body },
            {
                "type": "less_than_equal", "loc": ["body", "count"], "input": 9,
                "msg": "Input should be less than or equal to 5", "ctx": { "le": 5 },
            },
            {
                "type": "bool_parsing", "loc": ["body", "on"], "input": "maybe",
                "msg": "Input should be a valid boolean, unable to interpret input",
            },
            {
                "type": "literal_error", "loc": ["body", "inner", "label"], "input": "x",
                "msg": "Input should be 'a' or 'b'", "ctx": { "expected": "'a' or 'b'" },
            },
            {
                "type": "extra_forbidden", "loc": ["body", "foo"], "input": 1,
                "msg": "Extra inputs are not permitted",
            },
        ])
    );
}

#[test]
fn a_body_that_is_no_object_is_refused_as_a_whole() {
    assert_eq!(
        refused(&json!("{}")),
        json!([{
            "type": "model_attributes_type", "loc": ["body"], "input": "{}",
            "msg": "Input should be a valid dictionary or object to extract fields from",
        }])
    );
    let nested = refused(&json!({ "name": "m", "inner": 1 }));
    assert_eq!(nested[0]["loc"], json!(["body", "inner"]));
}

#[test]
fn text_that_is_no_json_is_reported_at_its_offset() {
    let problems = super::json::parse(b"{bad").unwrap_err();
    let problem = &problems.0[0];
    assert_eq!(problem.loc, [json!("body"), json!(1)]);
    assert_eq!(
        problem.ctx,
        Some(json!({ "error": "Expecting property name enclosed in double quotes" }))
    );
    assert_eq!(super::json::parse(b"{\"a\":1,\n \"b\" 2}").unwrap_err().0[0].loc[1], json!(13));
    assert_eq!(
        super::json::parse(b"").unwrap_err().0[0].ctx,
        Some(json!({ "error": "Expecting value" }))
    );
}

#[test]
fn a_field_of_a_wrong_kind_is_named_by_its_position() {
    let mut reader = Reader { loc: vec!["body".into()], problems: Vec::new(), flat: false };
    let list = json!(["a", 1]);
    assert_eq!(kinds::list(kinds::string)(&list, &mut reader), None);
    assert_eq!(reader.problems[0].loc, [json!("body"), json!(1)]);
    assert_eq!(reader.problems[0].msg, "Input should be a valid string");
    let mut reader = Reader { loc: vec![], problems: Vec::new(), flat: false };
    assert_eq!(kinds::list_of_length(1, 2, kinds::string)(&json!([]), &mut reader), None);
    assert_eq!(
        serde_json::to_value(&reader.problems[0]).unwrap(),
        json!({
            "type": "too_short", "loc": [], "input": [],
            "msg": "List should have at least 1 item after validation, not 0",
            "ctx": { "field_type": "List", "min_length": 1, "actual_length": 0 },
        })
    );
}

#[test]
fn numbers_are_read_laxly_and_refused_exactly() {
    let mut reader = Reader { loc: vec![], problems: Vec::new(), flat: false };
    assert_eq!(kinds::integer(&json!("12"), &mut reader), Some(12));
    assert_eq!(kinds::integer(&json!(3.0), &mut reader), Some(3));
    assert_eq!(kinds::number(&json!("1e3"), &mut reader), Some(1000.0));
    assert!(reader.problems.is_empty());
    assert_eq!(kinds::integer(&json!(3.5), &mut reader), None);
    assert_eq!(kinds::integer(&json!("x"), &mut reader), None);
    assert_eq!(kinds::number(&json!([]), &mut reader), None);
    let kinds: Vec<&str> = reader.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, ["int_from_float", "int_parsing", "float_type"]);
}
