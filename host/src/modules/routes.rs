//! Which service a request from outside is for.
//!
//! Routes of manifests come first, the most specific one winning: an exact host before a wildcard before none; then,
//! segment by segment, a literal before a parameter before the rest of the path. What no route takes goes by the
//! defaults, to services that have no routes of their own: `Host: NAME.<domain>`, the full name of a gRPC service,
//! the prefix `/NAME/`. It makes no difference whether a service runs here or on other hosts.

use std::collections::{HashMap, hash_map};
use std::fmt;
use std::sync::Arc;

use http::Method;

use super::deployed::Deployed;
use super::described::{Described, Way};
use super::manifest::{HostPattern, Methods, Route, Segment};
use super::remote::RemoteService;
use crate::call::ServiceName;
use crate::policy::settings::PerCall;
use crate::transcode::rule::{self, Rules, Template};
use crate::transcode::settings::Settings as Json;

/// Where a way in leads.
#[derive(Clone)]
pub(super) enum Destination {
    Local(Arc<Deployed>),
    Remote(Arc<RemoteService>),
}

impl Destination {
    fn described(&self) -> &Described {
        match self {
            Self::Local(deployed) => deployed.described(),
            Self::Remote(remote) => remote.described(),
        }
    }

    fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// A request's service, and what has to be done to its path.
pub(super) struct Match {
    /// Who takes it.
    pub(super) to: Destination,
    /// The template, for labels.
    pub(super) route: Arc<str>,
    /// How many bytes to take off the front of the path.
    pub(super) strip: usize,
    /// How the call is treated.
    pub(super) treatment: Arc<PerCall>,
    /// How it is spoken in JSON.
    pub(super) json: Json,
}

struct Entry {
    to: Destination,
    way: Arc<Way>,
}

impl Entry {
    fn strip(&self) -> usize {
        self.way.route.strip_prefix.as_ref().map_or(0, String::len)
    }

    fn matches(&self, host: &str, path: &str) -> bool {
        self.way.route.host.as_ref().is_none_or(|pattern| pattern.matches(host))
            && segments_match(self.way.route.path.segments(), path)
    }
}

/// Whether some route fits a request.
pub(super) enum Lookup {
    Found(Match),
    /// Routes have the path, but not the method; these they take.
    WrongMethod(String),
    None,
}

/// A way in that was left out, because another service has the same one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// The other one's stays.
    Route { service: ServiceName, route: String, taken_by: ServiceName },
    /// Nobody can tell whose calls of it are.
    Grpc { name: String, services: [ServiceName; 2] },
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { service, route, taken_by } => {
                write!(f, "the route {route} of `{service}` is left out: `{taken_by}` has the same one")
            }
            Self::Grpc { name, services: [one, other] } => write!(
                f,
                "the gRPC service {name} is not reached by its name: `{one}` and `{other}` both describe it; \
                 `services` in [grpc] of a manifest says which ones a module serves"
            ),
        }
    }
}

/// The routes that are there already, by what two of them must not share but for their methods: host, and path without
/// the names of parameters.
type Taken = HashMap<(Option<HostPattern>, String), Vec<(Methods, ServiceName)>>;

/// All ways in, for one table.
#[derive(Default)]
pub(super) struct Routes {
    /// Routes whose path begins with a literal segment, by that segment, most specific first.
    by_segment: HashMap<String, Vec<Entry>>,
    /// The others.
    open: Vec<Entry>,
    /// By name, the services that have no routes of their own.
    defaults: HashMap<String, Destination>,
    /// Full gRPC service names. `None` when several services describe it, as clients do too.
    grpc: HashMap<String, Option<Destination>>,
    /// Rules of services that have no routes of their own.
    rest: Rules<Rest>,
}

/// What a rule of a service leads to.
struct Rest {
    to: Destination,
    label: Arc<str>,
}

impl Routes {
    /// The ways in of these services. Of routes that several have, the first one's stays, and the others are returned.
    pub(super) fn new(services: impl Iterator<Item = Destination>) -> (Self, Vec<LeftOut>) {
        let mut routes = Self::default();
        let mut taken = Taken::new();
        let mut left_out = Vec::new();
        for service in services {
            routes.add(&service, &mut taken, &mut left_out);
        }
        for entries in routes.by_segment.values_mut() {
            entries.sort_by_cached_key(specificity);
        }
        routes.open.sort_by_cached_key(specificity);
        (routes, left_out)
    }

    fn add(&mut self, to: &Destination, taken: &mut Taken, left_out: &mut Vec<LeftOut>) {
        let described = to.described();
        for way in described.ways() {
            let route = &way.route;
            let same = taken.entry((route.host.clone(), route.path.shape())).or_default();
            if let Some((_, owner)) = same.iter().find(|(methods, _)| methods.overlap(&route.methods)) {
                let (service, taken_by) = (described.service().clone(), owner.clone());
                left_out.push(LeftOut::Route { service, route: written(route), taken_by });
                continue;
            }
            same.push((route.methods.clone(), described.service().clone()));
            let entry = Entry { to: to.clone(), way: way.clone() };
            match route.path.segments().first() {
                Some(Segment::Literal(literal)) => {
                    self.by_segment.entry(literal.clone()).or_default().push(entry);
                }
                _ => self.open.push(entry),
            }
        }
        if described.ways().is_empty() {
            self.defaults.insert(described.service().as_str().to_owned(), to.clone());
            for service in described.grpc() {
                match self.grpc.entry(service.clone()) {
                    hash_map::Entry::Vacant(free) => drop(free.insert(Some(to.clone()))),
                    hash_map::Entry::Occupied(mut taken) => {
                        if let Some(other) = taken.insert(None) {
                            let services = [other.described().service().clone(), described.service().clone()];
                            left_out.push(LeftOut::Grpc { name: service.clone(), services });
                        }
                    }
                }
            }
            self.add_rules(to, left_out);
        }
    }

    fn add_rules(&mut self, to: &Destination, left_out: &mut Vec<LeftOut>) {
        let described = to.described();
        for bound in described.speech().contract.iter().flat_map(|contract| contract.rules()) {
            // It was read before, when the contract was made.
            let Ok(template) = Template::parse(&bound.rule.template) else { continue };
            let rest = Rest { to: to.clone(), label: bound.label.clone() };
            if let Err(taken) = self.rest.insert(bound.rule.method.clone(), template, rest) {
                left_out.push(LeftOut::Route {
                    service: described.service().clone(),
                    route: format!("{} {}", bound.rule.method, bound.rule.template),
                    taken_by: taken.by.to.described().service().clone(),
                });
            }
        }
    }

    /// Finds the service for a request. `host` is without port, `domain` is the one of `NAME.<domain>`.
    pub(super) fn find(&self, host: &str, path: &str, method: &Method, grpc: bool, domain: &str) -> Lookup {
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
        let candidates = self.by_segment.get(first).into_iter().flatten().chain(&self.open);
        let mut allowed: Vec<&str> = Vec::new();
        for entry in candidates.filter(|entry| entry.matches(host, path)) {
            if entry.way.route.methods.allow(method) {
                return Lookup::Found(Match {
                    to: entry.to.clone(),
                    route: entry.way.label.clone(),
                    strip: entry.strip(),
                    treatment: entry.way.treatment.clone(),
                    json: entry.way.json,
                });
            }
            if let Methods::Only(methods) = &entry.way.route.methods {
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
            None => self.find_rule(method, path),
        }
    }

    fn find_default(&self, host: &str, path: &str, first: &str, grpc: bool, domain: &str) -> Option<Match> {
        let by_host = || {
            let name = host.strip_suffix(domain)?.strip_suffix('.')?;
            Some(by_default(self.defaults.get(name)?, path, 0))
        };
        let by_grpc = || {
            let to = self.grpc.get(first)?.as_ref()?;
            // A method is called in other protocols too.
            (grpc || to.described().method(path).is_some()).then(|| by_default(to, path, 0))
        };
        let by_prefix = || Some(by_default(self.defaults.get(first)?, path, 1 + first.len()));
        by_host().or_else(by_grpc).or_else(by_prefix)
    }

    /// By the rules of services, which come last: nobody can take somebody else's prefix or host with one.
    fn find_rule(&self, method: &Method, path: &str) -> Lookup {
        match self.rest.find(method, path) {
            rule::Found::To(rest, _) => {
                let described = rest.to.described();
                Lookup::Found(Match {
                    to: rest.to.clone(),
                    route: rest.label.clone(),
                    strip: 0,
                    treatment: described.treatment().clone(),
                    json: described.speech().json,
                })
            }
            rule::Found::WrongMethod(methods) => {
                Lookup::WrongMethod(methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", "))
            }
            rule::Found::None => Lookup::None,
        }
    }

    /// The ways in of the services that are here, for people: what to type after the address.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let entries = self.by_segment.values().flatten().chain(&self.open).filter(|entry| entry.to.is_local());
        let explicit = entries.map(|entry| (entry.to.described().service().to_string(), written(&entry.way.route)));
        let defaults = self.defaults.iter().filter(|(_, to)| to.is_local());
        let defaults = defaults.map(|(name, to)| (name.clone(), to.described().default_route().to_string()));
        let mut all: Vec<_> = explicit.chain(defaults).collect();
        all.sort();
        all
    }
}

/// A call that comes in by the defaults: labelled by its gRPC method, if it has one.
fn by_default(to: &Destination, path: &str, strip: usize) -> Match {
    let described = to.described();
    let rest = path.get(strip..).unwrap_or_default();
    let route = described.method(rest).unwrap_or(described.default_route()).clone();
    Match { to: to.clone(), route, strip, treatment: described.treatment().clone(), json: described.speech().json }
}

/// A route for people: methods, if not all, host, if there is one, and path.
fn written(route: &Route) -> String {
    let methods = match &route.methods {
        Methods::Any => String::new(),
        Methods::Only(methods) => format!("{} ", methods.iter().map(Method::as_str).collect::<Vec<_>>().join("|")),
    };
    let host = route.host.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{methods}{host}{}", route.path)
}

/// Sorts the most specific first.
fn specificity(entry: &Entry) -> (u8, Vec<u8>, bool) {
    let route = &entry.way.route;
    let host = match &route.host {
        Some(HostPattern::Exact(_)) => 0,
        Some(HostPattern::SubdomainsOf(_)) => 1,
        None => 2,
    };
    let segments = route.path.segments().iter().map(|segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Param(_) => 1,
        Segment::Rest(_) => 2,
    });
    (host, segments.collect(), matches!(route.methods, Methods::Any))
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
mod tests;
