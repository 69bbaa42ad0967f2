//! Sets and requests that are nearly right.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

const CASES: usize = 100_000;
const SEED: u64 = 20_260_102;

fn mutate(bytes: &mut Vec<u8>, random: &mut SmallRng) {
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if random.random_ratio(1, 4) => bytes.truncate(at),
            3 => bytes.insert(at, random.random()),
            // A part comes once more.
            4 => {
                let until = random.random_range(at..=bytes.len().min(at + 64));
                let part = bytes[at..until].to_vec();
                bytes.splice(at..at, part);
            }
            // Some large number.
            _ => drop(bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
        }
    }
}

fn small(package: &str, field: &str) -> Vec<u8> {
    let text = format!(
        "syntax = \"proto2\"; package {package}; message M {{ extensions 5 to 9; optional int32 {field} = 1;
         optional group G = 2 {{ optional E e = 1; }} enum E {{ V = 0; }} oneof o {{ M m = 3; }} }}
         extend M {{ optional int32 x = 5; }} service S {{ rpc R(M) returns (M); }}"
    );
    let compiled = compile(&[("m.proto", &text), ("n.proto", "syntax = \"proto3\"; import \"m.proto\"; message N {}")]);
    let mut set = prost_types::FileDescriptorSet::decode(&*compiled).unwrap();
    set.file.iter_mut().for_each(|file| file.source_code_info = None);
    set.encode_to_vec()
}

/// What a set costs in memory is in proportion to its size.
fn check_size(index: &Index, bytes: usize) {
    let host = index.files.iter().filter(|file| file.module == HOST).count();
    assert!(index.files.len() - host <= bytes / 5);
    let symbols = index.symbols.iter().filter(|symbol| symbol.file as usize >= host).count();
    let extensions = index.extensions.iter().filter(|extension| extension.file as usize >= host).count();
    assert!(symbols <= bytes / 5 && extensions <= bytes / 7, "{symbols} {extensions} of {bytes}");
    let imports: usize = index.files.iter().skip(host).map(|file| file.imports.len()).sum();
    assert!(imports <= bytes / 2);
}

#[test]
fn mutated_sets_are_shown_or_refused() {
    let seeds = [small("a", "f"), small("a", "h"), small("b", "f")];
    let questions: Vec<_> = ["a.M", "a.M.G.e", "a.S.R", "b.M", "N"]
        .map(|symbol| Asked::FileContainingSymbol(symbol.to_owned()))
        .into_iter()
        .chain([Asked::FileByFilename("m.proto".to_owned()), Asked::AllExtensionNumbersOfType("a.M".to_owned())])
        .map(|question| asked("", question))
        .collect();
    let mut random = SmallRng::seed_from_u64(SEED);
    let (mut read, mut clashing, mut found) = (0, 0, 0);
    // Each index has the sets of two modules, and the host's.
    for _ in 0..CASES / 50 {
        let sets = [0, 1].map(|_| {
            let mut set = seeds[random.random_range(0..seeds.len())].clone();
            mutate(&mut set, &mut random);
            set
        });
        let index = index(&[("a", &sets[0], &["a.S"]), ("b", &sets[1], &["b.S"])]);
        check_size(&index, sets[0].len() + sets[1].len());
        read += 2 - index.unread().len();
        clashing += usize::from(!index.clashes().is_empty());
        for clash in index.clashes() {
            assert!(!clash.name.is_empty() && clash.first < clash.second || clash.first == platform::NAME, "{clash}");
        }
        let mut conversation = Conversation::new();
        for question in &questions {
            let answer = conversation.answer(&index, question).unwrap();
            let answer = wire::Response::decode(&*answer).unwrap().answer;
            found += usize::from(matches!(answer, Some(wire::Answer::Files(files)) if !files.files.is_empty()));
        }
    }
    assert!(read > 500 && clashing > 20 && found > 1000, "{read} {clashing} {found}");
}

/// The reader of sets alone, which is what may go wrong, many more times.
#[test]
fn mutated_sets_are_read_or_refused() {
    let seed = small("a", "f");
    let keys = Keys::default();
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut read = 0;
    for _ in 0..CASES {
        let mut set = seed.clone();
        mutate(&mut set, &mut random);
        let mut tables = Tables::default();
        if tables.add(&keys, 1, &Bytes::from(set.clone())).is_ok() {
            read += 1;
            for file in &tables.files {
                let shown = rename::shown(file, |id| tables.files.get(id as usize));
                assert_eq!(shown, file.bytes);
            }
        } else {
            assert!(tables.files.is_empty() && tables.symbols.is_empty() && tables.extensions.is_empty());
        }
        assert!(tables.symbols.len() <= set.len() / 5);
    }
    assert!(read > CASES / 20, "{read}");
}

#[test]
fn mutated_requests_are_answered_or_refused() {
    let set = small("a", "f");
    let index = index(&[("a", &set, &["a.S"])]);
    let seeds = [
        asked("host", Asked::ListServices("*".to_owned())),
        asked("", Asked::FileByFilename("m.proto".to_owned())),
        asked("", Asked::FileContainingSymbol("a.M.m".to_owned())),
        asked("", Asked::FileContainingExtension(wire::Extension { containing_type: "a.M".to_owned(), number: 5 })),
        asked("", Asked::AllExtensionNumbersOfType("a.M".to_owned())),
    ];
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut conversation = Conversation::new();
    let mut answered = 0;
    for _ in 0..CASES {
        let mut request = seeds[random.random_range(0..seeds.len())].clone();
        mutate(&mut request, &mut random);
        if let Ok(answer) = conversation.answer(&index, &request) {
            answered += 1;
            let response = wire::Response::decode(&*answer).unwrap();
            assert_eq!(response.original_request.unwrap(), request);
            assert!(response.answer.is_some());
        }
    }
    assert!(answered > CASES / 10, "{answered}");
}
