//! Paths of rules as OpenAPI writes them.
//!
//! Whether a template makes sense, and what it matches, is for [`rule`](crate::transcode::rule) to say, which has refused
//! those that do not when the module was loaded. Here they are only taken apart to be shown, and what does not look like a
//! template is left out.

/// A part of a path between two slashes, or a variable that has some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'t> {
    /// Text, `*` or `**`.
    Segment(&'t str),
    /// A variable, as it is named, with its segments.
    Variable(&'t str, Vec<&'t str>),
}

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template<'t> {
    pieces: Vec<Piece<'t>>,
    /// With its colon, or empty.
    verb: &'t str,
}

/// A path with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// `/shelves/{name}`.
    pub(super) text: String,
    /// With the names of parameters left out: OpenAPI takes paths that differ in no more for the same one.
    pub(super) key: String,
    /// In the order of the path.
    pub(super) variables: Vec<Variable>,
}

/// A parameter of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// What it is called in the path.
    pub(super) name: String,
    /// The path of the field it goes into, if it is all of its value.
    pub(super) field: Option<String>,
    /// What it has to look like, as a regular expression.
    pub(super) pattern: Option<String>,
    /// Whether it may have slashes.
    pub(super) has_slashes: bool,
    /// What to know of it.
    pub(super) note: String,
}

impl<'t> Template<'t> {
    /// Takes a template apart, if it looks like one.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        // A colon in a variable is not the verb's: after the last slash outside and the last brace.
        let last = rest.rfind(['/', '}']).map_or(0, |at| at + 1);
        let colon = rest.get(last..)?.rfind(':').map(|at| last + at);
        let (path, verb) = rest.split_at_checked(colon.unwrap_or(rest.len()))?;
        if verb == ":" || verb.contains(['{', '}']) {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = path;
        while !rest.is_empty() {
            let after = match rest.strip_prefix('{') {
                Some(inside) => {
                    let (variable, after) = inside.split_once('}')?;
                    let (name, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
                    let segments: Vec<&str> = pattern.split('/').collect();
                    if name.is_empty() || !segments.iter().all(|segment| is_segment(segment)) {
                        return None;
                    }
                    pieces.push(Piece::Variable(name, segments));
                    after
                }
                None => {
                    let (segment, after) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
                    if !is_segment(segment) {
                        return None;
                    }
                    pieces.push(Piece::Segment(segment));
                    after
                }
            };
            rest = match after.strip_prefix('/') {
                Some("") => return None,
                Some(next) => next,
                None if after.is_empty() => "",
                None => return None,
            };
        }
        Some(Self { pieces, verb })
    }

    /// The paths it matches: equal for templates that match the same ones.
    pub(super) fn shape(&self) -> String {
        let mut shape = String::new();
        for segment in self.pieces.iter().flat_map(Piece::segments) {
            shape.push('/');
            shape.push_str(segment);
        }
        shape + self.verb
    }

    /// The fields that its variables go into.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'t str> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name, _) => Some(*name),
            Piece::Segment(_) => None,
        })
    }

    /// A path in which each variable is one parameter.
    pub(super) fn short(&self, prefix: &str) -> Path {
        self.path(prefix, |path, variable, segments, _| {
            let several = segments.len() > 1 || segments.contains(&"**");
            let is_plain = segments == ["*"];
            path.add(Variable {
                name: variable.to_owned(),
                field: Some(variable.to_owned()),
                pattern: (!is_plain).then(|| pattern(segments)),
                has_slashes: several,
                note: if is_plain { String::new() } else { format!("Looks like `{}`.", segments.join("/")) },
            });
        })
    }

    /// A path in which each segment of a variable is a parameter of its own.
    pub(super) fn long(&self, prefix: &str) -> Path {
        self.path(prefix, |path, variable, segments, first| {
            if segments == ["*"] {
                path.add(Variable {
                    name: variable.to_owned(),
                    field: Some(variable.to_owned()),
                    pattern: None,
                    has_slashes: false,
                    note: String::new(),
                });
                return;
            }
            let whole = format!("A part of `{variable}`, which is `{}`.", segments.join("/"));
            for (index, segment) in segments.iter().enumerate() {
                path.segment(segment, format!("{variable}.{}", first + index), &whole);
            }
        })
    }

    /// Numbers of segments make names that are no fields': those have no digit after a dot.
    fn path(&self, prefix: &str, mut variable: impl FnMut(&mut Path, &str, &[&str], usize)) -> Path {
        let mut path = Path { text: prefix.to_owned(), key: prefix.to_owned(), variables: Vec::new() };
        let mut number = 1;
        for piece in &self.pieces {
            match piece {
                Piece::Segment(segment) => path.segment(segment, format!("segment.{number}"), "Is not looked at."),
                Piece::Variable(name, segments) => variable(&mut path, name, segments, number),
            }
            number += piece.segments().len();
        }
        if self.pieces.is_empty() {
            path.push("/");
        }
        path.push(self.verb);
        path
    }
}

impl<'t> Piece<'t> {
    fn segments(&self) -> &[&'t str] {
        match self {
            Self::Segment(segment) => std::slice::from_ref(segment),
            Self::Variable(_, segments) => segments,
        }
    }
}

impl Path {
    /// Takes over the names of a path that differs only in them.
    pub(super) fn rename(&mut self, text: &str, names: &[String]) {
        text.clone_into(&mut self.text);
        for (variable, name) in self.variables.iter_mut().zip(names) {
            if let Some(field) = variable.field.as_ref().filter(|_| variable.name != *name) {
                variable.note = format!("The field `{field}`. {}", variable.note).trim_end().to_owned();
            }
            name.clone_into(&mut variable.name);
        }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.key.push_str(text);
    }

    fn add(&mut self, variable: Variable) {
        self.text.push_str(&format!("/{{{}}}", variable.name));
        self.key.push_str("/{}");
        self.variables.push(variable);
    }

    fn segment(&mut self, segment: &str, name: String, note: &str) {
        let has_slashes = segment == "**";
        if has_slashes || segment == "*" {
            let any = if has_slashes { "Any number of segments." } else { "Any segment." };
            self.add(Variable { name, field: None, pattern: None, has_slashes, note: format!("{any} {note}") });
        } else {
            self.push("/");
            self.push(segment);
        }
    }
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty() && !segment.contains(['{', '}'])
}

/// What a variable with these segments looks like.
fn pattern(segments: &[&str]) -> String {
    let mut pattern = String::from("^");
    for (index, segment) in segments.iter().enumerate() {
        let slash = if index > 0 { "/" } else { "" };
        match *segment {
            // It may be no segment at all, and then its slash is not there either.
            "**" if index > 0 => pattern.push_str("(/.*)?"),
            "**" => pattern.push_str(".*"),
            "*" => pattern.push_str(&format!("{slash}[^/]+")),
            literal => {
                pattern.push_str(slash);
                for c in literal.chars() {
                    // Others must not be escaped: that is an error in regular expressions with the flag `u`.
                    if r"^$\.*+?()[]{}|".contains(c) {
                        pattern.push('\\');
                    }
                    pattern.push(c);
                }
            }
        }
    }
    pattern.push('$');
    pattern
}

/// A prefix as it is in front of paths: nothing, or with a slash before it and none behind.
pub(super) fn prefix(text: &str) -> String {
    let text = text.trim_matches('/').replace('{', "%7B").replace('}', "%7D");
    if text.is_empty() { text } else { format!("/{text}") }
}
