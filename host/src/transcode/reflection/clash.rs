//! Names that two modules give to different things.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use super::HOST;
use super::scan;
use super::tables::{File, Key, Symbol, Tables};

/// Clashes that are reported.
pub const CLASHES_MAX: usize = 1000;

/// A name that two modules define differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// What it is the name of.
    pub what: What,
    /// A file's, or the full name of a symbol.
    pub name: String,
    /// The module of which the name is first, in the order of names.
    pub first: String,
    /// One with another definition.
    pub second: String,
}

/// What a name is the name of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Two versions of a file.
    File,
    /// Two files that have nothing in common. The one of the second module has another name in reflection.
    Namesake {
        /// That name.
        shown: String,
    },
    /// A message, an enum or a value of one, a service or an extension.
    Symbol,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, first, second] = [&self.name, &self.first, &self.second].map(|name| name.escape_debug());
        match &self.what {
            What::File => write!(
                f,
                "the modules `{first}` and `{second}` have different versions of the file `{name}`; reflection shows a \
                 client that of the module it asked about before"
            ),
            What::Namesake { shown } => write!(
                f,
                "the modules `{first}` and `{second}` have different files with the name `{name}`; reflection shows \
                 that of `{second}` as `{}`",
                shown.escape_debug()
            ),
            What::Symbol => write!(
                f,
                "the modules `{first}` and `{second}` define `{name}` differently; reflection shows a client the \
                 definition of the module it asked about before"
            ),
        }
    }
}

/// Looks at files that have the same name and are not the same: versions of one file keep it, others get one of their
/// own. What tells them apart is whether they define anything in common: a client can have both only if they do not.
pub(super) fn namesakes(
    tables: &mut Tables,
    names: &mut BTreeMap<Arc<str>, Vec<u32>>,
    modules: &[Arc<str>],
    clashes: &mut Vec<Clash>,
) {
    let shared: Vec<_> = names.iter().filter(|(_, files)| files.len() > 1).map(|(name, _)| name.clone()).collect();
    for name in shared {
        let files = names.get(&name).cloned().unwrap_or_default();
        let mut groups = Groups::default();
        for id in files {
            let Some(file) = tables.files.get(id as usize) else { continue };
            let (module, digest) = (file.module, file.digest);
            let second = || module_name(modules, module);
            let clash = |what, first: u32| {
                let first = module_name(modules, first);
                Clash { what, name: name.to_string(), first, second: second() }
            };
            let known = groups.digests.get(&digest).copied();
            let top = || tables.of(id).iter().filter(|symbol| symbol.top).map(|symbol| symbol.key);
            let group = known.or_else(|| top().find_map(|key| groups.owners.get(&key).copied()));
            let group = match (group, groups.all.first()) {
                (Some(group), _) => {
                    let first = groups.all.get(group).map_or(HOST, |group| group.first);
                    if known.is_none() && first != HOST {
                        push(clashes, || clash(What::File, first));
                    }
                    group
                }
                (None, None) => groups.add(module, None),
                (None, Some(other)) => {
                    let shown = fresh(&name, modules.get(module as usize), names);
                    let what = What::Namesake { shown: shown.to_string() };
                    push(clashes, || clash(what, other.first));
                    groups.add(module, Some(shown))
                }
            };
            groups.digests.insert(digest, group);
            for key in top() {
                groups.owners.entry(key).or_insert(group);
            }
            let shown = groups.all.get(group).and_then(|group| group.shown.clone());
            if let Some(shown) = &shown {
                names.entry(shown.clone()).or_default().push(id);
            }
            if let Some(file) = tables.files.get_mut(id as usize) {
                file.shown = shown;
            }
        }
    }
}

/// Files of one name, sorted by what they have in common.
#[derive(Default)]
struct Groups {
    all: Vec<Group>,
    /// Groups, by digests of files and by what these define.
    digests: HashMap<[u8; 32], usize>,
    owners: HashMap<Key, usize>,
}

struct Group {
    /// The module that has the first.
    first: u32,
    shown: Option<Arc<str>>,
}

impl Groups {
    fn add(&mut self, first: u32, shown: Option<Arc<str>>) -> usize {
        self.all.push(Group { first, shown });
        self.all.len() - 1
    }
}

/// A name that no file has.
fn fresh(name: &str, module: Option<&Arc<str>>, names: &BTreeMap<Arc<str>, Vec<u32>>) -> Arc<str> {
    let module = module.map_or("", |module| &**module);
    let mut fresh = format!("{module}/{name}");
    while names.contains_key(&*fresh) {
        fresh = format!("{module}/{fresh}");
    }
    fresh.into()
}

/// Looks at symbols that are defined more than once. Of those in each other only the outermost is reported.
pub(super) fn symbols(tables: &Tables, modules: &[Arc<str>], clashes: &mut Vec<Clash>) {
    let before = clashes.len();
    let file = |symbol: &Symbol| tables.files.get(symbol.file as usize);
    for same in tables.symbols.chunk_by(|a, b| a.key == b.key) {
        let [first, others @ ..] = same else { continue };
        let Some(first_file) = file(first).filter(|file| file.module != HOST) else { continue };
        let mut last = first.descriptor(first_file);
        for other in others {
            let Some(other_file) = file(other) else { continue };
            let descriptor = other.descriptor(other_file);
            let same = descriptor == first.descriptor(first_file) || descriptor == last;
            if same || other_file.module == first_file.module || !(first.top || other.top) {
                continue;
            }
            last = descriptor;
            push(clashes, || Clash {
                what: What::Symbol,
                name: if first.top { full_name(first, first_file) } else { full_name(other, other_file) },
                first: module_name(modules, first_file.module),
                second: module_name(modules, other_file.module),
            });
        }
    }
    // They came in the order of their hashes.
    if let Some(added) = clashes.get_mut(before..) {
        added.sort_by(|a, b| (&a.name, &a.second).cmp(&(&b.name, &b.second)));
    }
}

fn push(clashes: &mut Vec<Clash>, clash: impl FnOnce() -> Clash) {
    if clashes.len() < CLASHES_MAX {
        clashes.push(clash());
    }
}

fn module_name(modules: &[Arc<str>], module: u32) -> String {
    modules.get(module as usize).map(ToString::to_string).unwrap_or_default()
}

/// The full name of a symbol that is in nothing but its package.
fn full_name(symbol: &Symbol, file: &File) -> String {
    let name = scan::name(symbol.descriptor(file));
    match &*file.package {
        "" => name.to_owned(),
        package => format!("{package}.{name}"),
    }
}
