//! Fractional ranks: strings that sort between those of their neighbours, so that a move is one write.
//!
//! A rank is a fraction between 0 and 1 written in base 36 without the leading `0.`: digits `0-9a-z`, never ending in `0`.
//! Bytewise order of the strings is the order of the fractions, which is what `kubectl --sort-by` and any database use too.

/// Longest rank that is handed out. A gap in which no shorter rank fits has to be rebalanced first.
pub const MAX_LENGTH: usize = 64;
/// Digits that are counted up and down at the open ends: 36^8 places before a rank grows longer.
const COUNTED_DIGITS: usize = 8;
const BASE: u64 = 36;
const COUNTED_END: u64 = BASE.pow(COUNTED_DIGITS as u32);

/// Whether `rank` is one that [`between`] understands.
pub fn is_valid(rank: &str) -> bool {
    !rank.is_empty()
        && rank.len() <= MAX_LENGTH
        && rank.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
        && !rank.ends_with('0')
}

/// A rank strictly between `low` and `high`; an absent bound is open.
///
/// `None` when the bounds leave no room: they are equal, in the wrong order, not ranks, or so close that the result would be
/// longer than [`MAX_LENGTH`]. The ranks around have to be rebalanced with [`spread`] then.
pub fn between(low: Option<&str>, high: Option<&str>) -> Option<String> {
    if low.is_some_and(|rank| !is_valid(rank)) || high.is_some_and(|rank| !is_valid(rank)) {
        return None;
    }
    let rank = match (low, high) {
        (None, None) => "i".to_owned(),
        (Some(low), None) => counted(low, 1).unwrap_or_else(|| midpoint(low.as_bytes(), None)),
        (None, Some(high)) => {
            counted(high, -1).unwrap_or_else(|| midpoint(b"", Some(high.as_bytes())))
        }
        (Some(low), Some(high)) if low < high => midpoint(low.as_bytes(), Some(high.as_bytes())),
        (Some(_), Some(_)) => return None,
    };
    is_valid(&rank).then_some(rank)
}

/// `count` ranks in rising order, all strictly between `low` and `high`.
pub fn spread(low: Option<&str>, high: Option<&str>, count: usize) -> Option<Vec<String>> {
    let mut ranks = Vec::with_capacity(count);
    match high {
        None => {
            let mut last = low.map(str::to_owned);
            for _ in 0..count {
                let next = between(last.as_deref(), None)?;
                ranks.push(next.clone());
                last = Some(next);
            }
        }
        // A place at the open lower end leaves the next one as much room: halving would take it away.
        Some(high) if low.is_none() => match counted_down(high, count) {
            Some(down) => ranks = down,
            None => bisect(None, Some(high), count, &mut ranks)?,
        },
        Some(_) => bisect(low, high, count, &mut ranks)?,
    }
    Some(ranks)
}

/// The places before `high` on the grid of the counted digits, or `None` when there are not so many.
fn counted_down(high: &str, count: usize) -> Option<Vec<String>> {
    if !is_valid(high) {
        return None;
    }
    (1..=count).rev().map(|steps| counted(high, -i64::try_from(steps).ok()?)).collect()
}

fn bisect(
    low: Option<&str>,
    high: Option<&str>,
    count: usize,
    ranks: &mut Vec<String>,
) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let middle = match low {
        // Nothing can be counted down any more.
        None => {
            let middle = midpoint(b"", high.map(str::as_bytes));
            is_valid(&middle).then_some(middle)?
        }
        Some(_) => between(low, high)?,
    };
    bisect(low, Some(&middle), count / 2, ranks)?;
    ranks.push(middle.clone());
    bisect(Some(&middle), high, count - count / 2 - 1, ranks)
}

/// The rank so many steps from `rank` on the grid of the counted digits, or `None` behind the end of the grid.
fn counted(rank: &str, step: i64) -> Option<String> {
    let mut number = 0;
    for place in 0..COUNTED_DIGITS {
        number = number * BASE + digit(rank.as_bytes(), place);
    }
    let number = number.checked_add_signed(step)?;
    if number == 0 || number >= COUNTED_END {
        return None;
    }
    let mut digits = [0; COUNTED_DIGITS];
    let mut rest = number;
    for place in digits.iter_mut().rev() {
        *place = rest % BASE;
        rest /= BASE;
    }
    Some(digits.iter().map(|&d| letter(d)).collect::<String>().trim_end_matches('0').to_owned())
}

/// A short fraction strictly between `low` and `high` (1 when absent), for `low < high`.
fn midpoint(low: &[u8], high: Option<&[u8]>) -> String {
    let mut rank = String::new();
    let mut high = high;
    for place in 0.. {
        let (floor, ceiling) = (digit(low, place), high.map_or(BASE, |high| digit(high, place)));
        if floor == ceiling {
            rank.push(letter(floor));
            continue;
        }
        let middle = u64::midpoint(floor, ceiling);
        if middle > floor {
            rank.push(letter(middle));
            break;
        }
        // Neighbouring digits: follow the lower bound, below which nothing bounds from above any more.
        rank.push(letter(floor));
        high = None;
    }
    rank
}

fn digit(rank: &[u8], place: usize) -> u64 {
    match rank.get(place) {
        Some(c @ b'0'..=b'9') => u64::from(c - b'0'),
        Some(c @ b'a'..=b'z') => u64::from(c - b'a') + 10,
        _ => 0,
    }
}

fn letter(digit: u64) -> char {
    u32::try_from(digit).ok().and_then(|d| char::from_digit(d, 36)).unwrap_or('z')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn appending_and_prepending_keep_ranks_short() {
        let (mut last, mut first) = ("i".to_owned(), "i".to_owned());
        for _ in 0..20_000 {
            let next = between(Some(&last), None).unwrap();
            let before = between(None, Some(&first)).unwrap();
            assert!(next > last && before < first);
            assert!(next.len() <= COUNTED_DIGITS && before.len() <= COUNTED_DIGITS);
            (last, first) = (next, before);
        }
    }

    #[test]
    fn places_at_the_front_are_taken_as_often_as_one_likes() {
        let mut first = "i".to_owned();
        for _ in 0..1_000 {
            let places = spread(None, Some(&first), 3).unwrap();
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]) && places[2] < first);
            assert!(places.iter().all(|place| place.len() <= COUNTED_DIGITS));
            first.clone_from(&places[0]);
        }
    }

    #[test]
    fn a_gap_takes_hundreds_of_insertions_before_it_must_be_rebalanced() {
        let (mut low, high) = ("i".to_owned(), "i1".to_owned());
        let mut inserted = 0;
        while let Some(middle) = between(Some(&low), Some(&high)) {
            assert!(low < middle && middle < high);
            low = middle;
            inserted += 1;
        }
        assert!(inserted > 250, "{inserted}");
    }

    #[test]
    fn bounds_without_room_have_nothing_between() {
        assert_eq!(between(Some("b"), Some("b")), None);
        assert_eq!(between(Some("c"), Some("b")), None);
        assert_eq!(between(Some("A"), None), None);
        assert_eq!(between(Some(""), None), None);
        assert_eq!(between(Some("a0"), None), None);
        assert!(between(Some(&"z".repeat(COUNTED_DIGITS)), None).is_some());
    }

    fn rank() -> impl Strategy<Value = String> {
        "[0-9a-z]{0,12}[1-9a-z]"
    }

    proptest! {
        #[test]
        fn the_middle_lies_strictly_between(a in rank(), b in rank()) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            match between(Some(&low), Some(&high)) {
                Some(middle) => prop_assert!(low < middle && middle < high && is_valid(&middle)),
                None => prop_assert_eq!(low, high),
            }
        }

        #[test]
        fn open_ends_have_room(a in rank()) {
            let above = between(Some(&a), None).unwrap();
            let below = between(None, Some(&a)).unwrap();
            prop_assert!(below < a && a < above, "{below} {a} {above}");
        }

        #[test]
        fn spread_ranks_rise_and_stay_inside(a in rank(), b in rank(), count in 0usize..200) {
            prop_assume!(a != b);
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let bounds = [(Some(low.as_str()), Some(high.as_str())), (None, Some(high.as_str())), (None, None)];
            for (low, high) in bounds {
                let ranks = spread(low, high, count).unwrap();
                prop_assert_eq!(ranks.len(), count);
                prop_assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!(ranks.iter().all(|r| is_valid(r)));
                prop_assert!(ranks.iter().all(|r| low.is_none_or(|low| low < r.as_str())));
                prop_assert!(ranks.iter().all(|r| high.is_none_or(|high| r.as_str() < high)));
            }
        }
    }
}
