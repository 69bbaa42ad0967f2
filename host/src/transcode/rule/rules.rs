//! Finding the rule of a request among thousands.
//!
//! Rules are a tree by segment. Of those that match a path and have the method, the most specific one wins: segment by
//! segment from the front, a literal before `*` before `**`; after `**`, the one with more segments. A path that ends in a
//! verb is looked up with the verb first, and without it only if nothing was found. A literal path with another method
//! does not hide a pattern that has it.
//!
//! Segments have to be there: an empty one, as in `/a//b` or after a slash at the end, is matched by `**` only. So `/a/` is
//! not `/a`.
//!
//! Every node of the tree is at a fixed distance from the front of the path, or after `**` from its end; so it is visited at
//! most once for a path, and the work is bounded by the rules, whatever the path.

use std::cmp::Ordering;

use http::Method;

use super::captures::Captures;
use super::path::{Path, split_verb};
use super::template::{Segment, Template};
use super::text;

/// What `HEAD` is answered by, where `GET` is.
static HEAD: Method = Method::HEAD;

/// Rules, and what they lead to. There are as many as are inserted: whoever does has to bound them.
#[derive(Clone, Debug)]
pub struct Rules<T> {
    root: Node<T>,
    len: usize,
    /// Whether any rule has a verb; if none has, colons mean nothing.
    verbs: bool,
}

/// What is known of a path and a method.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a, T> {
    /// A rule leads here.
    To(&'a T, Captures),
    /// Rules have the path, but not the method; these they have, in alphabetical order.
    WrongMethod(Vec<&'a Method>),
    /// No rule has the path.
    None,
}

/// There is a rule with this method already, for the same paths.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<'a, T> {
    /// What that one leads to.
    pub by: &'a T,
}

#[derive(Clone, Debug)]
struct Node<T> {
    /// By text, sorted.
    literals: Vec<(Box<str>, Node<T>)>,
    any: Option<Box<Node<T>>>,
    /// What follows `**`, by the number of segments that follow, most first.
    rest: Vec<(usize, Node<T>)>,
    ends: Vec<End<T>>,
}

#[derive(Clone, Debug)]
struct End<T> {
    method: Method,
    template: Template,
    to: T,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: Vec::new(), any: None, rest: Vec::new(), ends: Vec::new() }
    }
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Rules<T> {
    /// No rules.
    pub fn new() -> Self {
        Self { root: Node::default(), len: 0, verbs: false }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// There is one with this method and shape already, which stays.
    pub fn insert(&mut self, method: Method, template: Template, to: T) -> Result<(), Taken<'_, T>> {
        let verbs = self.verbs || template.verb().is_some();
        let node = self.root.descend(template.segments());
        let same = |end: &End<T>| end.method == method && end.template.verb() == template.verb();
        if let Some(at) = node.ends.iter().position(same) {
            return node.ends.get(at).map_or(Ok(()), |end| Err(Taken { by: &end.to }));
        }
        node.ends.push(End { method, template, to });
        (self.len, self.verbs) = (self.len + 1, verbs);
        Ok(())
    }

    /// Finds the rule of a request. `path` is as it came, without the query. A `HEAD` for which there is no rule of its own
    /// goes by the rule of `GET`. Does not allocate if no rule has the path.
    pub fn find<'a>(&'a self, method: &Method, path: &str) -> Found<'a, T> {
        let Some(text) = path.strip_prefix('/') else { return Found::None };
        let mut allowed = Vec::new();
        let with_verb = split_verb(text).filter(|_| self.verbs);
        let readings = with_verb.map(|(before, verb)| (before, Some(verb))).into_iter().chain([(text, None)]);
        for (text, verb) in readings {
            let mut search = Search { method, path: Path::new(text), verb, allowed: &mut allowed, visits: 0 };
            if let Some(end) = search.walk(&self.root, 0) {
                return Found::To(&end.to, Captures::new(&end.template, &search.path));
            }
        }
        if allowed.is_empty() {
            return Found::None;
        }
        if allowed.contains(&&Method::GET) {
            allowed.push(&HEAD);
        }
        allowed.sort_unstable_by_key(|method| method.as_str());
        allowed.dedup();
        Found::WrongMethod(allowed)
    }
}

impl<T> Node<T> {
    /// The node where a template ends, made if it is not there.
    fn descend(&mut self, segments: &[Segment]) -> &mut Self {
        let mut node = self;
        for (at, segment) in segments.iter().enumerate() {
            node = match segment {
                Segment::Literal(literal) => child(&mut node.literals, |(other, _)| other.cmp(literal), literal),
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Rest => {
                    let tail = segments.len() - at - 1;
                    child(&mut node.rest, |(other, _)| tail.cmp(other), &tail)
                }
            };
        }
        node
    }

    fn literal(&self, segment: &str) -> Option<&Self> {
        let at = self.literals.binary_search_by(|(literal, _)| text::compare(segment, literal).reverse()).ok()?;
        self.literals.get(at).map(|(_, node)| node)
    }
}

/// The child with a key among sorted ones, made if it is not there.
fn child<'n, K: Clone, T>(
    children: &'n mut Vec<(K, Node<T>)>,
    compare: impl FnMut(&(K, Node<T>)) -> Ordering,
    key: &K,
) -> &'n mut Node<T> {
    let at = children.binary_search_by(compare).unwrap_or_else(|at| {
        children.insert(at, (key.clone(), Node::default()));
        at
    });
    #[expect(clippy::indexing_slicing, reason = "it was found there, or put there")]
    let (_, node) = &mut children[at];
    node
}

struct Search<'a, 's> {
    method: &'s Method,
    path: Path<'s>,
    verb: Option<&'s str>,
    allowed: &'s mut Vec<&'a Method>,
    /// How many nodes were looked at.
    visits: usize,
}

impl<'a> Search<'a, '_> {
    /// The best end from a node on. Goes no deeper than a template has segments.
    fn walk<T>(&mut self, node: &'a Node<T>, at: usize) -> Option<&'a End<T>> {
        self.visits += 1;
        if at == self.path.count() {
            if let Some(end) = self.end(node) {
                return Some(end);
            }
        } else {
            let segment = self.path.segment(at);
            let literal = node.literal(segment);
            let any = node.any.as_deref().filter(|_| !segment.is_empty());
            for child in literal.into_iter().chain(any) {
                if let Some(end) = self.walk(child, at + 1) {
                    return Some(end);
                }
            }
        }
        let left = self.path.count() - at;
        let tails = node.rest.iter().filter(|(tail, _)| *tail <= left);
        tails.into_iter().find_map(|(tail, child)| self.walk(child, self.path.count() - tail))
    }

    fn end<T>(&mut self, node: &'a Node<T>) -> Option<&'a End<T>> {
        let mut instead = None;
        for end in &node.ends {
            let same_verb = match (self.verb, end.template.verb()) {
                (None, None) => true,
                (Some(verb), Some(literal)) => text::compare(verb, literal).is_eq(),
                _ => false,
            };
            if !same_verb {
                continue;
            }
            if end.method == *self.method {
                return Some(end);
            }
            if *self.method == Method::HEAD && end.method == Method::GET {
                instead = Some(end);
            }
            self.allowed.push(&end.method);
        }
        instead
    }
}

#[cfg(test)]
mod tests;
