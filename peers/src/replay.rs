//! Inputs for what reads bytes from outside: those of `fuzz/corpus`, and many that are made of them by chance.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Inputs that are made by chance for one target. The same ones in each run.
const MADE: u32 = 3000;

/// Longest input that is made.
const LONGEST: usize = 4096;

/// What parsers trip over.
const PIECES: [&[u8]; 16] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"{",
    b"}",
    b"[",
    b"\"",
    b"\\u0000",
    b"\n",
    b"1e999",
    b"-0.0",
    b"NaN",
    b"9223372036854775808",
    b"null",
    b"\xc3\xa9",
    b"(,",
];

/// Calls `parser` with every input of `fuzz/corpus/<target>`, and with changed ones.
///
/// # Panics
/// When the parser does, with the input: it belongs into the corpus.
pub fn replay(target: &str, parser: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{} has no inputs", folder.display());
    let run = |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| parser(input))) {
            eprintln!("{target} fails with b\"{}\"", input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    };
    seeds.iter().for_each(|seed| run(seed));
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..MADE {
        let mut input = seeds[random.random_range(0..seeds.len())].clone();
        for _ in 0..random.random_range(1..=6) {
            change(&mut input, &seeds, &mut random);
        }
        input.truncate(LONGEST);
        run(&input);
    }
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut StdRng) {
    let at = random.random_range(0..=input.len());
    let length = random.random_range(0..=16).min(input.len() - at);
    match random.random_range(0..6) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 => drop(input.drain(at..at + length)),
        3 => {
            let again = input[at..at + length].to_vec();
            input.splice(at..at, again);
        }
        4 => drop(input.splice(at..at, PIECES[random.random_range(0..PIECES.len())].to_vec())),
        _ => {
            let other = &seeds[random.random_range(0..seeds.len())];
            let from = random.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}
