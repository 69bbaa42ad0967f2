//! Where calls come in from outside: host, path template and methods of a `[[route]]`.

use std::fmt;
use std::net::Ipv6Addr;

use http::Method;

use crate::policy::settings::RouteSettings;
use crate::transcode::settings::Settings as Json;

/// One `[[route]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Absent: any host.
    pub host: Option<HostPattern>,
    pub path: PathTemplate,
    pub methods: Methods,
    /// Taken off the front of the path before the module sees it; it covers whole literal segments of `path`, so
    /// that what remains starts with `/` or is empty, which stands for `/`.
    pub strip_prefix: Option<String>,
    /// How its calls are treated: key `policy`. What is absent is as for the service.
    pub policy: RouteSettings,
    /// How its calls are spoken in JSON: key `json`. What is absent is as for the service.
    pub json: Json,
}

impl Route {
    /// Whether some request would be matched by both and neither is more specific than the other.
    #[must_use]
    pub fn repeats(&self, other: &Self) -> bool {
        self.host == other.host && self.path.same_shape(&other.path) && self.methods.overlap(&other.methods)
    }
}

/// A host name, or `*.` and a host name, which matches its subdomains of any depth but not the name itself.
/// Kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    Exact(String),
    /// Without the `*.`.
    SubdomainsOf(String),
}

impl HostPattern {
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn new(text: &str) -> Result<Self, String> {
        let (name, wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err("must be a host name; `*` may stand only for the first label, as in `*.example.com`".into());
        }
        if name.contains(':') {
            return Err("must be a host name without a port".into());
        }
        let label = |label: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
            (1..=63).contains(&label.len())
                && label.chars().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err("must be a host name such as `shop.example.com`".into());
        }
        let name = name.to_ascii_lowercase();
        Ok(if wildcard { Self::SubdomainsOf(name) } else { Self::Exact(name) })
    }

    /// As [`HostPattern::new`], or an IPv6 address in brackets.
    pub(super) fn new_or_ipv6(text: &str) -> Result<Self, String> {
        match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            None => Self::new(text),
            Some(address) => match address.parse::<Ipv6Addr>() {
                Ok(address) => Ok(Self::Exact(format!("[{address}]"))),
                Err(_) => Err("must have an IPv6 address between the brackets".into()),
            },
        }
    }

    /// Whether `host`, in any case and without a port, is covered.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.eq_ignore_ascii_case(host),
            Self::SubdomainsOf(name) => match host.len().checked_sub(name.len() + 1) {
                None | Some(0) => false,
                Some(at) => host
                    .get(at..)
                    .and_then(|tail| tail.strip_prefix('.'))
                    .is_some_and(|tail| tail.eq_ignore_ascii_case(name)),
            },
        }
    }

    /// The name, without the `*.` of a wildcard.
    #[must_use]
    pub fn suffix(&self) -> &str {
        match self {
            Self::Exact(name) | Self::SubdomainsOf(name) => name,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::SubdomainsOf(name) => write!(f, "*.{name}"),
        }
    }
}

/// The methods of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    Any,
    /// In the order given, without repetition; with HEAD where there is GET.
    Only(Vec<Method>),
}

impl Methods {
    #[must_use]
    pub fn allow(&self, method: &Method) -> bool {
        match self {
            Self::Any => true,
            Self::Only(methods) => methods.contains(method),
        }
    }

    pub(in crate::modules) fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
            // A route for some methods is more specific than one for any.
            (Self::Any, Self::Only(_)) | (Self::Only(_), Self::Any) => false,
            (Self::Only(methods), Self::Only(_)) => methods.iter().any(|method| other.allow(method)),
        }
    }
}

/// A path with parameters: `/api/orders/{id}/items/{*rest}`.
///
/// A parameter takes one segment, which is not empty. `{*rest}` stands only at the end and takes what is left of
/// the path, which may be nothing: `/api/{*rest}` covers `/api`, `/api/` and `/api/x/y`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
}

/// A part of a path between two slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Empty only at the end, for a path that ends in a slash.
    Literal(String),
    Param(String),
    Rest(String),
}

/// The longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 1024;

impl PathTemplate {
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn new(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err("must start with `/`".into());
        };
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(format!("must have at most {TEMPLATE_BYTES_MAX} characters"));
        }
        let mut segments = Vec::new();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let segment = Segment::new(part, last)?;
            if let Some(name) = segment.name()
                && segments.iter().filter_map(Segment::name).any(|other| other == name)
            {
                return Err(format!("has two parameters named `{name}`"));
            }
            segments.push(segment);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The template as written; bounded in number and so fit for a metric label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// At least one; the path `/` is one empty literal.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Equal but for the names of parameters.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        let same = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        self.segments.len() == other.segments.len() && self.segments.iter().zip(&other.segments).all(same)
    }

    /// The template without the names of its parameters: the same text for templates of the same shape.
    #[must_use]
    pub fn shape(&self) -> String {
        self.segments.iter().fold(String::new(), |mut shape, segment| {
            shape.push('/');
            shape.push_str(match segment {
                Segment::Literal(text) => text,
                // Literals have no braces.
                Segment::Param(_) => "{}",
                Segment::Rest(_) => "{*}",
            });
            shape
        })
    }

    /// Whether `prefix` is made of whole literal segments at the front of this template.
    pub(super) fn has_literal_prefix(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix.strip_prefix('/').is_some_and(|prefix| {
            prefix
                .split('/')
                .all(|part| matches!(segments.next(), Some(Segment::Literal(text)) if text == part && !part.is_empty()))
        })
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Segment {
    fn new(part: &str, last: bool) -> Result<Self, String> {
        if let Some(inner) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let (name, rest) = match inner.strip_prefix('*') {
                Some(name) => (name, true),
                None => (inner, false),
            };
            let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return match (named, rest) {
                (false, _) => Err(format!("has a parameter without a proper name: `{}`", part.escape_debug())),
                (true, true) if !last => Err(format!("may have `{part}` only as its last segment")),
                (true, true) => Ok(Self::Rest(name.to_owned())),
                (true, false) => Ok(Self::Param(name.to_owned())),
            };
        }
        match part {
            "" if !last => Err("must not contain `//`".into()),
            "." | ".." => Err("must not contain `.` or `..` as a segment".into()),
            _ if part.contains(['{', '}']) => {
                Err(format!("has a parameter that is not a whole segment: `{}`", part.escape_debug()))
            }
            _ => match part.chars().find(|c| !is_path_char(*c)) {
                Some(c) => Err(format!("must not contain {c:?}")),
                None => Ok(Self::Literal(part.to_owned())),
            },
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Param(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// `pchar` of RFC 3986, section 3.3, without percent escapes: a template is compared with paths as they are sent.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c)
}

#[cfg(test)]
mod tests;
