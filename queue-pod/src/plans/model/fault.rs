//! What is wrong with a value, and where, in the words of pydantic.

use serde_json::Value;

use super::Type;
use crate::python;

/// Version of the pydantic whose pages the texts refer to.
const VERSION: &str = "2.14";
/// Bytes of an input that are printed: half of them from each end.
const MAX_INPUT: usize = 50;

/// One step from the arguments to a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<'a> {
    /// A parameter or the key of a dictionary.
    Name(&'a str),
    /// A place in a list.
    Index(usize),
    /// The key of a dictionary, not its value.
    Key,
    /// A type of a union.
    Choice(&'a Type),
}

/// The way to a value; it lives on the stack as long as nothing is wrong.
#[derive(Clone, Debug)]
pub enum Path<'p, 'a> {
    /// The arguments.
    Root,
    /// One step from another place.
    Step(&'p Path<'p, 'a>, Step<'a>),
}

/// What was found in a place.
#[derive(Clone, Debug, PartialEq)]
enum Input<'a> {
    Value(&'a Value),
    Key(&'a str),
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault<'a> {
    steps: Vec<Step<'a>>,
    kind: &'static str,
    message: String,
    input: Input<'a>,
}

impl<'p, 'a> Path<'p, 'a> {
    /// One step further.
    pub fn step(&'p self, step: Step<'a>) -> Path<'p, 'a> {
        Path::Step(self, step)
    }

    /// One fault in this place.
    pub fn fault(
        &self,
        kind: &'static str,
        message: impl Into<String>,
        value: &'a Value,
    ) -> Vec<Fault<'a>> {
        vec![self.with(kind, message.into(), Input::Value(value))]
    }

    /// One fault in a key of a dictionary, found as if the key were a value.
    pub fn key_fault(&self, fault: &Fault<'_>, key: &'a str) -> Fault<'a> {
        self.with(fault.kind, fault.message.clone(), Input::Key(key))
    }

    fn with(&self, kind: &'static str, message: String, input: Input<'a>) -> Fault<'a> {
        let mut steps = Vec::new();
        let mut here = self;
        while let Path::Step(parent, step) = here {
            steps.push(step.clone());
            here = parent;
        }
        steps.reverse();
        Fault { steps, kind, message, input }
    }
}

/// All the faults as one text; `model` is the name of what was checked.
pub fn report(model: &str, faults: &[Fault<'_>]) -> String {
    let plural = if faults.len() == 1 { "" } else { "s" };
    let mut text = format!("{} validation error{plural} for {model}", faults.len());
    for fault in faults {
        let place: Vec<_> = fault.steps.iter().map(shown).collect();
        let (input, input_type) = match &fault.input {
            Input::Value(value) => (python::repr(value), python::type_of(value)),
            Input::Key(key) => (python::repr_str(key), "<class 'str'>".to_owned()),
        };
        let input_type = input_type.trim_start_matches("<class '").trim_end_matches("'>");
        text.push_str(&format!(
            "\n{}\n  {} [type={}, input_value={}, input_type={input_type}]",
            place.join("."),
            fault.message,
            fault.kind,
            cut(&input),
        ));
        // These two are errors that pydantic itself treats as custom: they have no page.
        if !matches!(fault.kind, "sequence_str" | "is_hashable") {
            let page = format!("https://errors.pydantic.dev/{VERSION}/v/{}", fault.kind);
            text.push_str(&format!("\n    For further information visit {page}"));
        }
    }
    text
}

fn shown(step: &Step<'_>) -> String {
    let text = match step {
        Step::Name(name) => (*name).to_owned(),
        Step::Index(index) => return index.to_string(),
        Step::Key => "[key]".to_owned(),
        Step::Choice(ty) => ty.label(),
    };
    if text.contains('.') { format!("`{text}`") } else { text }
}

/// A long text with its middle left out.
fn cut(text: &str) -> String {
    if text.len() <= MAX_INPUT {
        return text.to_owned();
    }
    let middle = MAX_INPUT.div_ceil(2);
    let mut head = middle;
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    let mut tail = text.len() - (middle - 1);
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}...{}", &text[..head], &text[tail..])
}
