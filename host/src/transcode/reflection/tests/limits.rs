use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::*;

fn message(name: &str) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), ..Default::default() }
}

fn file(name: &str, messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto { name: Some(name.to_owned()), message_type: messages, ..Default::default() }
}

fn set(file: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file }.encode_to_vec()
}

/// Why a set is not read. Its module's service is listed all the same, and others are described.
fn refused(set: &[u8]) -> String {
    let good = compile(&[MONEY]);
    let index = index(&[("bad", set, &["bad.Service"]), ("good", &good, &[])]);
    assert!(index.services().any(|name| name == "bad.Service"));
    assert!(Client::new(&index).symbol("shop.Money").is_ok());
    assert_eq!(index.clashes(), []);
    let [unread] = index.unread() else { panic!("{:?}", index.unread()) };
    assert_eq!(unread.service, "bad");
    let text = unread.to_string();
    text.strip_prefix("reflection has no descriptors of the module `bad`: ").unwrap().to_owned()
}

fn taken(set: &[u8]) {
    assert_eq!(index(&[("good", set, &[])]).unread(), []);
}

#[test]
fn sets_have_limits() {
    assert_eq!(refused(&vec![0; SET_BYTES_MAX + 1]), "more than 4194304 bytes");
    let files = |count: usize| set((0..count).map(|n| file(&format!("f{n}"), Vec::new())).collect());
    assert_eq!(refused(&files(FILES_MAX + 1)), "more than 2000 files");
    taken(&files(FILES_MAX));
    let messages = |count: usize| set(vec![file("m", (0..count).map(|n| message(&n.to_string())).collect())]);
    assert_eq!(refused(&messages(SYMBOLS_MAX + 1)), "the file `m`: more than 200000 names");
    taken(&messages(SYMBOLS_MAX));
    let imports = |count: usize| {
        set(vec![FileDescriptorProto { dependency: vec!["m".to_owned(); count], ..file("m", Vec::new()) }])
    };
    assert_eq!(refused(&imports(IMPORTS_MAX + 1)), "more than 100000 imports");
    taken(&imports(IMPORTS_MAX));
}

#[test]
fn names_and_nesting_have_limits() {
    let named = |length: usize| set(vec![file("m", vec![message(&"n".repeat(length))])]);
    assert_eq!(refused(&named(NAME_BYTES_MAX + 1)), "the file `m`: a name is longer than 512 bytes");
    taken(&named(NAME_BYTES_MAX));
    let packaged = |length: usize| {
        set(vec![FileDescriptorProto { package: Some("p".repeat(length)), ..file("m", vec![message("M")]) }])
    };
    assert_eq!(refused(&packaged(NAME_BYTES_MAX - 1)), "the file `m`: a full name is longer than 512 bytes");
    taken(&packaged(NAME_BYTES_MAX - 2));
    assert_eq!(
        refused(&set(vec![file(&"n".repeat(NAME_BYTES_MAX + 1), Vec::new())])),
        "a name is longer than 512 bytes"
    );
    let nested = |depth: usize| {
        let deepest =
            (1..depth).fold(message("M"), |inner, _| DescriptorProto { nested_type: vec![inner], ..message("M") });
        set(vec![file("m", vec![deepest])])
    };
    assert_eq!(refused(&nested(NESTING_MAX + 1)), "the file `m`: messages are nested deeper than 32");
    taken(&nested(NESTING_MAX));
}

#[test]
fn nonsense_is_refused_whole() {
    assert_eq!(refused(&set(vec![file("", Vec::new())])), "a file has no name");
    assert_eq!(refused(&set(vec![file("m", vec![message("")])])), "the file `m`: something in `` has no name");
    let mut cut = set(vec![file("a", vec![message("A")]), file("b", vec![message("B")])]);
    cut.pop();
    assert_eq!(refused(&cut), "it is cut off");
    let no_text = [0x0a, 3, 0x0a, 1, 0xff];
    assert_eq!(refused(&no_text), "a name is not UTF-8");
    // Nothing of it is left, not even the files before.
    let index = index(&[("bad", &cut, &[])]);
    assert_eq!(Client::new(&index).symbol("A").unwrap_err().0, 5);
    assert_eq!(Client::new(&index).file("a").unwrap_err().0, 5);
}

#[test]
fn what_comes_last_counts_and_the_order_does_not() {
    // As encoders other than protobuf's own may write it: the content first, names after it, and one of them twice.
    let mut inner = Vec::new();
    prost::encoding::string::encode(1, &"Wrong".to_owned(), &mut inner);
    prost::encoding::string::encode(1, &"Right".to_owned(), &mut inner);
    let mut file = Vec::new();
    prost::encoding::bytes::encode(4, &inner, &mut file);
    prost::encoding::string::encode(2, &"p".to_owned(), &mut file);
    prost::encoding::string::encode(1, &"f".to_owned(), &mut file);
    let mut set = Vec::new();
    prost::encoding::bytes::encode(1, &file, &mut set);
    // A file that comes twice is one.
    prost::encoding::bytes::encode(1, &file, &mut set);
    let index = index(&[("a", &set, &[])]);
    assert_eq!(index.unread(), []);
    assert!(Client::new(&index).symbol("p.Right").is_ok());
    assert_eq!(Client::new(&index).file("f").unwrap().len(), 1);
    assert_eq!(index.clashes(), []);
}

#[test]
fn imports_in_a_circle_and_of_nothing_end() {
    let importing = |name: &str, imports: &[&str]| FileDescriptorProto {
        dependency: imports.iter().map(|&import| import.to_owned()).collect(),
        ..file(name, vec![message(&name.to_uppercase())])
    };
    let set = set(vec![importing("a", &["b", "a", "nothing"]), importing("b", &["a", "b", "a"])]);
    let index = index(&[("m", &set, &[])]);
    let names: Vec<_> = Client::new(&index).symbol("A").unwrap().iter().map(|file| file.name().to_owned()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn answers_have_a_size() {
    let filler = |name: &str, bytes: usize, imports: &[&str]| FileDescriptorProto {
        dependency: imports.iter().map(|&import| import.to_owned()).collect(),
        syntax: Some("x".repeat(bytes)),
        ..file(name, vec![message(&name.to_uppercase())])
    };
    let set = set(vec![
        filler("a", 1_000, &["b", "c", "d"]),
        filler("b", 2_000_000, &[]),
        filler("c", 1_800_000, &[]),
        filler("d", 10, &[]),
    ]);
    let index_of_set = index(&[("m", &set, &[])]);
    let mut client = Client::new(&index_of_set);
    let names = |files: Vec<FileDescriptorProto>| files.iter().map(|file| file.name().to_owned()).collect::<Vec<_>>();
    // What does not fit can be asked for.
    assert_eq!(names(client.symbol("A").unwrap()), ["a", "b"]);
    assert!(client.last.iter().map(Bytes::len).sum::<usize>() <= ANSWER_BYTES_MAX);
    assert_eq!(names(client.file("c").unwrap()), ["c"]);
    // One file is sent whatever its size is.
    let large = FileDescriptorSet { file: vec![filler("l", ANSWER_BYTES_MAX, &["s"]), filler("s", 1, &[])] };
    let index = index(&[("m", &large.encode_to_vec(), &[])]);
    assert_eq!(names(Client::new(&index).symbol("L").unwrap()), ["l"]);
}

#[test]
fn requests_have_a_size() {
    let index = index(&[]);
    let request = |bytes: usize| {
        let mut request = asked("", Asked::FileByFilename(String::new()));
        let host = "h".repeat(bytes - request.len() - 3);
        prost::encoding::string::encode(1, &host, &mut request);
        assert_eq!(request.len(), bytes);
        request
    };
    assert!(index.answer(&request(REQUEST_BYTES_MAX)).is_ok());
    let error = index.answer(&request(REQUEST_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(error, RequestError::TooLarge { bytes: REQUEST_BYTES_MAX + 1 });
    assert_eq!(error.code() as i32, 8);
}

#[test]
fn reports_have_an_end() {
    let numbered = |prefix: &str| {
        let field = prost_types::FieldDescriptorProto { name: Some(prefix.to_owned()), ..Default::default() };
        let one = |n: usize| DescriptorProto { field: vec![field.clone()], ..message(&format!("M{n}")) };
        set(vec![file("m", (0..CLASHES_MAX + 10).map(one).collect())])
    };
    let (a, b) = (numbered("a"), numbered("b"));
    assert_eq!(index(&[("a", &a, &[]), ("b", &b, &[])]).clashes().len(), CLASHES_MAX);
}

/// A conversation remembers some modules, not all.
#[test]
fn memory_of_modules_has_an_end() {
    let sets: Vec<_> = (0..40)
        .map(|n| {
            let common = DescriptorProto { name: Some(format!("Common{n}")), ..Default::default() };
            let own = file("own", vec![message(&format!("Own{n}")), message("Shared")]);
            set(vec![own, file("common", vec![common])])
        })
        .collect();
    let names: Vec<_> = (0..40).map(|n| format!("m{n:02}")).collect();
    let modules: Vec<(&str, &[u8], &[&str])> =
        names.iter().zip(&sets).map(|(name, set)| (&**name, &**set, &[] as &[&str])).collect();
    let index = index(&modules);
    let mut conversation = Conversation::new();
    let mut ask = |symbol: &str| {
        conversation.answer(&index, &asked("", Asked::FileContainingSymbol(symbol.to_owned()))).unwrap();
        assert!(format!("{conversation:?}").matches("m").count() <= 16);
    };
    (0..40).for_each(|n| ask(&format!("Own{n}")));
}
