//! What the condition `Connected` says, made of what is said of the PVs. Pure.

use crds::conditions::{Verdict, reasons, types};

use super::steadiness::Said;
use crate::registry::subject::Subject;

/// PVs that a message names; the rest is counted.
const NAMED: usize = 5;

/// The condition of `subject`; none while it is too early to tell.
pub(super) fn verdict(subject: &Subject, said: impl Fn(&str) -> Said) -> Option<Verdict> {
    if !subject.active {
        return Some(new(None, reasons::INACTIVE, "switched off, so nobody looks".to_owned()));
    }
    if subject.pvs.is_empty() {
        let message = "no PV tells whether it is connected".to_owned();
        return Some(new(None, reasons::NO_SIGNALS, message));
    }
    let of = |wanted: Said| -> Vec<&str> {
        subject.pvs.iter().map(String::as_str).filter(|pv| said(pv) == wanted).collect()
    };
    let (gone, unsteady) = (of(Said::Gone), of(Said::Unsteady));
    if !gone.is_empty() {
        let message = format!("no IOC answers for {}", names(&gone));
        return Some(new(Some(false), reasons::DISCONNECTED, message));
    }
    if !unsteady.is_empty() {
        let message = format!("the connection comes and goes of {}", names(&unsteady));
        return Some(new(Some(false), reasons::UNSTEADY, message));
    }
    let all_up = subject.pvs.iter().all(|pv| said(pv) == Said::Up);
    all_up.then(|| {
        let message = match subject.pvs.as_slice() {
            [pv] => format!("an IOC serves {pv}"),
            all => format!("IOCs serve all {} PVs that are watched", all.len()),
        };
        new(Some(true), reasons::CONNECTED, message)
    })
}

fn new(status: Option<bool>, reason: &'static str, message: String) -> Verdict {
    Verdict { type_: types::CONNECTED, status, reason, message }
}

fn names(pvs: &[&str]) -> String {
    let named = pvs[..pvs.len().min(NAMED)].join(", ");
    match pvs.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::subject::Carrier;

    fn subject(pvs: &[&str]) -> Subject {
        Subject {
            carrier: Carrier::Device,
            object: "d".to_owned(),
            uid: "u".to_owned(),
            generation: Some(1),
            active: true,
            pvs: pvs.iter().map(|pv| (*pv).to_owned()).collect(),
        }
    }

    fn told(pvs: &[(&str, Said)]) -> Option<(Option<bool>, &'static str, String)> {
        let names: Vec<_> = pvs.iter().map(|(pv, _)| *pv).collect();
        let said = |wanted: &str| pvs.iter().find(|(pv, _)| *pv == wanted).unwrap().1;
        verdict(&subject(&names), said).map(|one| (one.status, one.reason, one.message))
    }

    #[test]
    fn a_device_is_connected_when_every_pv_answers_and_nothing_is_said_before_that_is_known() {
        assert_eq!(told(&[("a", Said::Up), ("b", Said::Nothing)]), None);
        let (status, reason, message) = told(&[("a", Said::Up), ("b", Said::Up)]).unwrap();
        assert_eq!((status, reason), (Some(true), "Connected"));
        assert!(message.contains("all 2 PVs"), "{message}");
    }

    #[test]
    fn the_pvs_that_do_not_answer_are_named_and_too_many_are_counted() {
        let one = told(&[("a", Said::Up), ("b", Said::Gone), ("c", Said::Nothing)]).unwrap();
        assert_eq!(one, (Some(false), "Disconnected", "no IOC answers for b".to_owned()));
        let names: Vec<_> = (0..9).map(|n| format!("p{n}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), Said::Gone)).collect();
        let (_, _, message) = told(&many).unwrap();
        assert_eq!(message, "no IOC answers for p0, p1, p2, p3, p4 and 4 more");
    }

    #[test]
    fn one_that_comes_and_goes_is_not_connected() {
        let (status, reason, message) = told(&[("a", Said::Up), ("b", Said::Unsteady)]).unwrap();
        assert_eq!((status, reason), (Some(false), "Unsteady"));
        assert!(message.ends_with(" b"), "{message}");
    }

    #[test]
    fn nobody_knows_of_a_device_that_is_off_or_has_no_pv() {
        assert_eq!(verdict(&subject(&[]), |_| Said::Up).unwrap().reason, "NoSignals");
        let off = Subject { active: false, ..subject(&[]) };
        let verdict = verdict(&off, |_| Said::Up).unwrap();
        assert_eq!((verdict.status, verdict.reason), (None, "Inactive"));
    }
}
