//! Which members of an object a CEL rule looks at.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{EntryExpr, Expr};

/// Adds to `members` the members of `self` and `oldSelf` that `expression` names. False if it uses either in another way,
/// so that it may look at all of them.
pub(super) fn collect(expression: &Expr, members: &mut BTreeSet<String>) -> bool {
    if let Expr::Select(select) = expression
        && is_self(&select.operand.expr)
    {
        members.insert(select.field.clone());
        // CEL escapes names that it could not spell; which name that is, only the evaluation knows.
        return !select.field.contains("__");
    }
    !is_self(expression) && parts(expression).into_iter().all(|part| collect(part, members))
}

fn is_self(expression: &Expr) -> bool {
    matches!(expression, Expr::Ident(name) if name == "self" || name == "oldSelf")
}

/// The expressions right inside of one.
fn parts(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => vec![],
        Expr::Select(select) => vec![&select.operand.expr],
        Expr::List(list) => list.elements.iter().map(|element| &element.expr).collect(),
        Expr::Call(call) => {
            let target = call.target.iter().map(|target| &target.expr);
            target.chain(call.args.iter().map(|argument| &argument.expr)).collect()
        }
        Expr::Comprehension(all) => {
            [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
                .map(|part| &part.expr)
                .to_vec()
        }
        Expr::Map(map) => map.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
    }
}

fn of_entry(entry: &EntryExpr) -> Vec<&Expr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value.expr],
        EntryExpr::MapEntry(entry) => vec![&entry.key.expr, &entry.value.expr],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_cel::cel::Program;

    fn reads(rule: &str) -> Option<Vec<String>> {
        let program = Program::compile(rule).unwrap();
        let mut members = BTreeSet::new();
        let named = collect(&program.expression().expr, &mut members);
        named.then(|| members.into_iter().collect())
    }

    #[test]
    fn the_members_that_a_rule_names_are_found_wherever_they_stand() {
        let found = |rule: &str| reads(rule).unwrap().join(" ");
        assert_eq!(found("self.a.b < 1 || has(oldSelf.c.d)"), "a c");
        assert_eq!(
            found("self.a.all(x, x in [self.b]) ? self.c.size() > 1 : self.d[self.e]"),
            "a b c d e"
        );
        assert_eq!(found("{'k': self.a} == {'k': 1}"), "a");
        assert_eq!(found("true"), "");
    }

    #[test]
    fn a_rule_about_the_whole_object_may_look_at_all_of_it() {
        for rule in [
            "self == oldSelf",
            "self.all(key, key != 'x')",
            "'a' in self",
            "size(self) > 1",
            "[self].size() == 1",
            "self['a'] == 1",
            "self.a__dot__b == 1",
        ] {
            assert_eq!(reads(rule), None, "{rule}");
        }
    }
}
