//! The part of Python's expressions that plan descriptions are written in: type annotations and literals.

use serde_json::{Number, Value};

/// A Python expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A name, with its dots.
    Name(String),
    /// `None`, `True`, `False`, a number or a string.
    Constant(Value),
    /// `...`.
    Ellipsis,
    /// `a[b, c]`.
    Index(Box<Self>, Vec<Self>),
    /// `a | b`.
    Either(Box<Self>, Box<Self>),
    /// `[a, b]`.
    List(Vec<Self>),
    /// `(a, b)`.
    Tuple(Vec<Self>),
    /// `{a: b}`.
    Dict(Vec<(Self, Self)>),
    /// `{a, b}`.
    Set(Vec<Self>),
}

/// Nesting beyond which an expression is not read.
const MAX_DEPTH: usize = 64;

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// `invalid syntax`, for what is not an expression of this part of Python.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim(), depth: 0 };
        let expression = parser.expression();
        match expression {
            Some(expression) if parser.rest.trim_start().is_empty() => Ok(expression),
            _ => Err("invalid syntax".to_owned()),
        }
    }

    /// The value of an expression that is made of literals only, as `ast.literal_eval` gives it; tuples and sets as lists.
    pub fn literal(&self) -> Option<Value> {
        let all = |list: &[Self]| list.iter().map(Self::literal).collect::<Option<_>>();
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::List(list) | Self::Tuple(list) | Self::Set(list) => all(list).map(Value::Array),
            Self::Dict(entries) => {
                let entry = |(key, value): &(Self, Self)| {
                    let key = key.literal()?;
                    let key = key.as_str().map_or_else(|| crate::python::repr(&key), str::to_owned);
                    Some((key, value.literal()?))
                };
                entries.iter().map(entry).collect::<Option<_>>().map(Value::Object)
            }
            Self::Name(_) | Self::Ellipsis | Self::Index(..) | Self::Either(..) => None,
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn takes(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expression(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.indexed()?;
        while self.takes("|") {
            let right = self.indexed()?;
            left = Expression::Either(Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Some(left)
    }

    fn indexed(&mut self) -> Option<Expression> {
        let mut base = self.atom()?;
        while matches!(base, Expression::Name(_) | Expression::Index(..)) && self.takes("[") {
            let mut list = self.list("]")?.0;
            // `tuple[()]` has no parameters.
            if list == [Expression::Tuple(Vec::new())] {
                list.clear();
            }
            base = Expression::Index(Box::new(base), list);
        }
        Some(base)
    }

    /// Expressions up to the closing bracket, and whether a comma was behind the last.
    fn list(&mut self, end: &str) -> Option<(Vec<Expression>, bool)> {
        let mut list = Vec::new();
        let mut comma = false;
        loop {
            if self.takes(end) {
                return Some((list, comma));
            }
            if !list.is_empty() && !comma {
                return None;
            }
            list.push(self.expression()?);
            comma = self.takes(",");
        }
    }

    fn atom(&mut self) -> Option<Expression> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        match first {
            '[' => {
                self.takes("[");
                Some(Expression::List(self.list("]")?.0))
            }
            '(' => {
                self.takes("(");
                let (mut list, comma) = self.list(")")?;
                match (list.len(), comma) {
                    (1, false) => list.pop(),
                    _ => Some(Expression::Tuple(list)),
                }
            }
            '{' => self.braces(),
            '\'' | '"' => self.text(first),
            '.' if self.takes("...") => Some(Expression::Ellipsis),
            '-' | '+' | '.' | '0'..='9' => self.number(),
            _ => self.name(),
        }
    }

    fn braces(&mut self) -> Option<Expression> {
        self.takes("{");
        let (mut entries, mut items) = (Vec::new(), Vec::new());
        loop {
            if self.takes("}") {
                break;
            }
            let key = self.expression()?;
            if self.takes(":") {
                entries.push((key, self.expression()?));
            } else {
                items.push(key);
            }
            if !self.takes(",") && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        match (entries.is_empty(), items.is_empty()) {
            (_, true) => Some(Expression::Dict(entries)),
            (true, false) => Some(Expression::Set(items)),
            (false, false) => None,
        }
    }

    fn name(&mut self) -> Option<Expression> {
        let part = |c: char| c == '_' || c == '.' || c.is_alphanumeric();
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        match name {
            "" => None,
            "None" => Some(Expression::Constant(Value::Null)),
            "True" => Some(Expression::Constant(true.into())),
            "False" => Some(Expression::Constant(false.into())),
            _ => Some(Expression::Name(name.to_owned())),
        }
    }

    fn number(&mut self) -> Option<Expression> {
        let mut end = 0;
        let mut before = ' ';
        for (index, c) in self.rest.char_indices() {
            let sign = matches!(c, '-' | '+') && (index == 0 || matches!(before, 'e' | 'E'));
            if !(sign || c == '.' || c == '_' || c.is_ascii_alphanumeric()) {
                break;
            }
            before = c;
            end = index + 1;
        }
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        let digits = digits.replace('_', "");
        if let Ok(int) = digits.parse::<i64>() {
            return Some(Expression::Constant(int.into()));
        }
        if let Ok(int) = digits.parse::<u64>() {
            return Some(Expression::Constant(int.into()));
        }
        // Names like `inf` are no literals.
        if digits.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) {
            return None;
        }
        let float = digits.parse().ok().and_then(Number::from_f64)?;
        Some(Expression::Constant(float.into()))
    }

    fn text(&mut self, quote: char) -> Option<Expression> {
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((index, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[1 + index + 1..];
                    return Some(Expression::Constant(text.into()));
                }
                '\\' => {
                    let (_, escape) = chars.next()?;
                    let hex = |digits: usize, chars: &mut std::str::CharIndices<'_>| {
                        let digits: String = chars.take(digits).map(|(_, c)| c).collect();
                        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
                    };
                    match escape {
                        'n' => text.push('\n'),
                        'r' => text.push('\r'),
                        't' => text.push('\t'),
                        '\\' | '\'' | '"' => text.push(escape),
                        'x' => text.push(hex(2, &mut chars)?),
                        'u' => text.push(hex(4, &mut chars)?),
                        'U' => text.push(hex(8, &mut chars)?),
                        _ => return None,
                    }
                }
                c => text.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_are_read_as_python_does() {
        for (text, value) in [
            ("1", json!(1)),
            ("-2.5", json!(-2.5)),
            ("1e-3", json!(0.001)),
            ("12345678901234567890", json!(12_345_678_901_234_567_890_u64)),
            ("None", json!(null)),
            ("'it\\'s'", json!("it's")),
            ("\"\\x41\\n\"", json!("A\n")),
            ("[1, 'a', (True,), ()]", json!([1, "a", [true], []])),
            ("{'a': {'b': 1}, 'c': []}", json!({"a": {"b": 1}, "c": []})),
            ("{}", json!({})),
            ("(1)", json!(1)),
        ] {
            assert_eq!(Expression::parse(text).unwrap().literal(), Some(value), "{text}");
        }
        for text in ["", "1 2", "[1", "'a", "{1, 2: 3}", "a b", "inf x", "[1 2]", "\\"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        assert_eq!(Expression::parse("inf").unwrap().literal(), None);
    }

    #[test]
    fn annotations_keep_their_structure() {
        let name = |name: &str| Expression::Name(name.to_owned());
        assert_eq!(
            Expression::parse("typing.Dict[str, int] | None").unwrap(),
            Expression::Either(
                Box::new(Expression::Index(
                    Box::new(name("typing.Dict")),
                    vec![name("str"), name("int")]
                )),
                Box::new(Expression::Constant(Value::Null))
            )
        );
        assert_eq!(
            Expression::parse("tuple[int, ...]").unwrap(),
            Expression::Index(Box::new(name("tuple")), vec![name("int"), Expression::Ellipsis])
        );
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_followed() {
        assert!(Expression::parse(&"[".repeat(100_000)).is_err());
    }
}
