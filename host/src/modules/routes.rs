//! Which service a request from outside is for.
//!
//! Routes of manifests come first, the most specific one winning: an exact host before a wildcard before none; then,
//! segment by segment, a literal before a parameter before the rest of the path. What no route takes goes by the
//! defaults, to services that have no routes of their own: `Host: NAME.<domain>`, the full name of a gRPC service,
//! the prefix `/NAME/`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::deployed::{Deployed, default_route};
use super::manifest::{HostPattern, Methods, Route, Segment};

/// A request's service, and what has to be done to its path.
pub(super) struct Match {
    /// The version that takes it.
    pub(super) deployed: Arc<Deployed>,
    /// The template, for labels.
    pub(super) route: Arc<str>,
    /// How many bytes to take off the front of the path.
    pub(super) strip: usize,
}

struct Entry {
    deployed: Arc<Deployed>,
    route: Route,
    label: Arc<str>,
}

impl Entry {
    fn strip(&self) -> usize {
        self.route.strip_prefix.as_ref().map_or(0, String::len)
    }

    fn matches(&self, host: &str, path: &str) -> bool {
        self.route.host.as_ref().is_none_or(|pattern| pattern.matches(host))
            && segments_match(self.route.path.segments(), path)
    }
}

/// What the defaults lead to.
struct Default_ {
    deployed: Arc<Deployed>,
    label: Arc<str>,
}

/// Whether some route fits a request.
pub(super) enum Lookup {
    Found(Match),
    /// Routes have the path, but not the method; these they take.
    WrongMethod(String),
    None,
}

/// All ways in, for one table.
#[derive(Default)]
pub(super) struct Routes {
    /// Routes whose path begins with a literal segment, by that segment, most specific first.
    by_segment: HashMap<String, Vec<Entry>>,
    /// The others.
    open: Vec<Entry>,
    defaults: HashMap<String, Default_>,
    /// Full gRPC service names. `None` when several services describe it, as clients do too.
    grpc: HashMap<String, Option<Arc<Deployed>>>,
}

impl Routes {
    pub(super) fn new<'a>(services: impl Iterator<Item = &'a Arc<Deployed>>) -> Self {
        let mut routes = Self::default();
        for deployed in services {
            routes.add(deployed);
        }
        for entries in routes.by_segment.values_mut() {
            entries.sort_by(specificity);
        }
        routes.open.sort_by(specificity);
        routes
    }

    fn add(&mut self, deployed: &Arc<Deployed>) {
        let manifest = deployed.manifest();
        for route in &manifest.routes {
            let entry = Entry { deployed: deployed.clone(), label: route.path.as_str().into(), route: route.clone() };
            match route.path.segments().first() {
                Some(Segment::Literal(literal)) => {
                    self.by_segment.entry(literal.clone()).or_default().push(entry);
                }
                _ => self.open.push(entry),
            }
        }
        if manifest.routes.is_empty() {
            let name = deployed.service();
            let default = Default_ { deployed: deployed.clone(), label: default_route(name) };
            self.defaults.insert(name.as_str().to_owned(), default);
            for service in &deployed.inspection().services {
                self.grpc
                    .entry(service.name.clone())
                    .and_modify(|other| *other = None)
                    .or_insert_with(|| Some(deployed.clone()));
            }
        }
    }

    /// Finds the service for a request. `host` is without port, `domain` is the one of `NAME.<domain>`.
    pub(super) fn find(&self, host: &str, path: &str, method: &Method, grpc: bool, domain: &str) -> Lookup {
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
        let candidates = self.by_segment.get(first).into_iter().flatten().chain(&self.open);
        let mut allowed: Vec<&str> = Vec::new();
        for entry in candidates.filter(|entry| entry.matches(host, path)) {
            if entry.route.methods.allow(method) {
                return Lookup::Found(Match {
                    deployed: entry.deployed.clone(),
                    route: entry.label.clone(),
                    strip: entry.strip(),
                });
            }
            if let Methods::Only(methods) = &entry.route.methods {
                allowed.extend(methods.iter().map(Method::as_str));
            }
        }
        if !allowed.is_empty() {
            allowed.sort_unstable();
            allowed.dedup();
            return Lookup::WrongMethod(allowed.join(", "));
        }
        match self.find_default(host, path, first, grpc, domain) {
            Some(found) => Lookup::Found(found),
            None => Lookup::None,
        }
    }

    fn find_default(&self, host: &str, path: &str, first: &str, grpc: bool, domain: &str) -> Option<Match> {
        let by_host = || {
            let name = host.strip_suffix(domain)?.strip_suffix('.')?;
            let default = self.defaults.get(name)?;
            Some(default.to_match(path, 0))
        };
        let by_grpc = || {
            let deployed = self.grpc.get(first).filter(|_| grpc)?.as_ref()?;
            let route = deployed.route_of(path).cloned().unwrap_or_else(|| default_route(deployed.service()));
            Some(Match { deployed: deployed.clone(), route, strip: 0 })
        };
        let by_prefix = || {
            let default = self.defaults.get(first)?;
            Some(default.to_match(path, 1 + first.len()))
        };
        by_host().or_else(by_grpc).or_else(by_prefix)
    }

    /// The services' ways in, for people: what to type after the address.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let explicit = self.by_segment.values().flatten().chain(&self.open).map(|entry| {
            let methods = match &entry.route.methods {
                Methods::Any => String::new(),
                Methods::Only(methods) => {
                    format!("{} ", methods.iter().map(Method::as_str).collect::<Vec<_>>().join("|"))
                }
            };
            let host = entry.route.host.as_ref().map(ToString::to_string).unwrap_or_default();
            (entry.deployed.service().to_string(), format!("{methods}{host}{}", entry.label))
        });
        let defaults = self.defaults.iter().map(|(name, default)| (name.clone(), default.label.to_string()));
        let mut all: Vec<_> = explicit.chain(defaults).collect();
        all.sort();
        all
    }
}

impl Default_ {
    fn to_match(&self, path: &str, strip: usize) -> Match {
        let rest = path.get(strip..).unwrap_or_default();
        let route = self.deployed.route_of(rest).unwrap_or(&self.label).clone();
        Match { deployed: self.deployed.clone(), route, strip }
    }
}

/// Most specific first.
fn specificity(a: &Entry, b: &Entry) -> Ordering {
    let host = |entry: &Entry| match &entry.route.host {
        Some(HostPattern::Exact(_)) => 0,
        Some(HostPattern::SubdomainsOf(_)) => 1,
        None => 2,
    };
    let path = |entry: &Entry| {
        entry
            .route
            .path
            .segments()
            .iter()
            .map(|segment| match segment {
                Segment::Literal(_) => 0,
                Segment::Param(_) => 1,
                Segment::Rest(_) => 2,
            })
            .collect::<Vec<u8>>()
    };
    let methods = |entry: &Entry| matches!(entry.route.methods, Methods::Any);
    (host(a), path(a), methods(a)).cmp(&(host(b), path(b), methods(b)))
}

fn segments_match(segments: &[Segment], path: &str) -> bool {
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
    for segment in segments {
        match segment {
            // The rest may be empty, and may or may not begin with a slash.
            Segment::Rest(_) => return true,
            Segment::Param(_) => {
                if parts.next().is_none_or(str::is_empty) {
                    return false;
                }
            }
            Segment::Literal(literal) => {
                if parts.next() != Some(literal) {
                    return false;
                }
            }
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::PathTemplate;
    use super::*;

    #[test]
    fn templates_match_whole_paths() {
        for (template, path, expected) in [
            ("/a/{id}", "/a/1", true),
            ("/a/{id}", "/a/", false),
            ("/a/{id}", "/a", false),
            ("/a/{id}", "/a/1/2", false),
            ("/a/{*rest}", "/a", true),
            ("/a/{*rest}", "/a/1/2", true),
            ("/a/{*rest}", "/ab", false),
            ("/{*rest}", "/", true),
            ("/", "/", true),
            ("/", "/a", false),
        ] {
            let template = PathTemplate::new(template).unwrap();
            assert_eq!(segments_match(template.segments(), path), expected, "{template} {path}");
        }
    }
}
