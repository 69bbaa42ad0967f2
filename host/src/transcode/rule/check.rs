//! Rules that cannot work, found when a module is loaded and not when it is called.

use std::sync::Arc;

use prost_reflect::Kind;
use thiserror::Error;

use super::fields::{self, FieldPath};
use super::scalar;
use super::template::{Segment, Template, Variable};
use super::text;
use crate::transcode::schema::{HttpRule, Method, RuleBody};

/// Why a rule cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the rule `{http_method} {template}` of {method}: {}{reason}", in_front(field))]
pub struct RuleError {
    /// The gRPC method: `/package.Service/Method`.
    pub method: String,
    /// The HTTP method of the rule.
    pub http_method: http::Method,
    /// The template of the rule.
    pub template: String,
    /// The field at fault, as the rule names it; empty if it is none.
    pub field: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

fn in_front(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("field `{field}`: ") }
}

/// A rule that fits its method, with its template parsed: what [`Rules`](super::Rules) of one service lead to.
#[derive(Clone)]
pub struct Binding {
    /// What it calls.
    pub method: Arc<Method>,
    /// The rule.
    pub rule: HttpRule,
    /// Its template.
    pub template: Template,
}

impl Binding {
    /// Binds a rule to its method.
    ///
    /// # Errors
    /// It does not fit; see [`check`].
    pub fn new(method: Arc<Method>, rule: HttpRule) -> Result<Self, RuleError> {
        let template = checked(&method, &rule)?;
        Ok(Self { method, rule, template })
    }
}

/// Checks that a rule fits its method.
///
/// # Errors
/// - The template is none.
/// - A variable is bound to a field that does not exist, is repeated or in a repeated one, is a message without a text of
///   its own, or could never hold what the template lets through: two segments are no number.
/// - The fields of body or response do not exist, or the path gives the body's field already. As google/api/http.proto says,
///   they are fields of the message itself, not of messages inside of it.
/// - A GET or HEAD has a body.
/// - The method takes a stream, and the rule has anything but a body of whole messages.
pub fn check(method: &Method, rule: &HttpRule) -> Result<(), RuleError> {
    checked(method, rule).map(drop)
}

fn checked(method: &Method, rule: &HttpRule) -> Result<Template, RuleError> {
    let wrong = |field: &str, reason: String| RuleError {
        method: method.path.to_string(),
        http_method: rule.method.clone(),
        template: rule.template.clone(),
        field: field.to_owned(),
        reason,
    };
    let template = Template::parse(&rule.template)
        .map_err(|error| wrong("", format!("column {}: {}", error.at + 1, error.reason)))?;
    // Each line of the body is a message, and what is in the path would have to be in all of them.
    if method.client_streaming && (rule.body != RuleBody::Whole || !template.variables().is_empty()) {
        let reason = "the method takes a stream, and so `body` has to be `*` and the path without variables";
        return Err(wrong("", reason.to_owned()));
    }
    if rule.body != RuleBody::None && matches!(rule.method, http::Method::GET | http::Method::HEAD) {
        return Err(wrong("", format!("a {} has no body; leave `body` out", rule.method)));
    }
    let mut bound: Vec<(String, &str)> = Vec::new();
    for variable in template.variables() {
        let path = FieldPath::resolve(&method.input, variable.field());
        let path = path.map_err(|astray| wrong(variable.field(), astray.to_string()))?;
        fits(&template, variable, &path).map_err(|reason| wrong(variable.field(), reason))?;
        let canonical = path.canonical();
        // The parser compares names as written; here a field may have gone by both of its names.
        if let Some((_, other)) = bound.iter().find(|(other, _)| text::overlap(other, &canonical)) {
            return Err(wrong(variable.field(), format!("is bound by `{other}` already")));
        }
        bound.push((canonical, variable.field()));
    }
    if let RuleBody::Field(name) = &rule.body {
        let field = fields::by_name(&method.input, name);
        let field = field.ok_or_else(|| wrong(name, top_level("body", name, method.input.full_name())))?;
        if bound.iter().any(|(path, _)| path == field.name()) {
            return Err(wrong(name, "is the body, and is bound by the path too".to_owned()));
        }
    }
    if let Some(name) = &rule.response_body {
        let field = fields::by_name(&method.output, name);
        field.ok_or_else(|| wrong(name, top_level("response_body", name, method.output.full_name())))?;
    }
    Ok(template)
}

fn top_level(key: &str, name: &str, message: &str) -> String {
    match name {
        "*" => format!("`{key}` cannot be `*`: leave it out for the whole of `{message}`"),
        _ if name.contains('.') => format!("`{key}` has to be a field of `{message}` itself"),
        _ => format!("`{key}` is to be this, and `{message}` has no such field"),
    }
}

/// Whether a field can hold what a variable captures.
fn fits(template: &Template, variable: &Variable, path: &FieldPath) -> Result<(), String> {
    let field = path.last();
    let kind = field.kind();
    if field.is_list() || field.is_map() {
        return Err("is repeated or a map, and cannot be in a path".to_owned());
    }
    if !scalar::has_text(&kind) {
        return Err(format!("is a `{}`: a path can only have one of its fields", scalar::name(&kind)));
    }
    match template.segments_of(variable) {
        // Always the same text: is it a value?
        [Segment::Literal(literal)] => scalar::value(&kind, literal).map(drop),
        segments if !may_hold(&kind, segments) => {
            Err(format!("is a `{}`, which is never several segments", scalar::name(&kind)))
        }
        _ => Ok(()),
    }
}

fn may_hold(kind: &Kind, segments: &[Segment]) -> bool {
    let always = segments.iter().filter(|segment| **segment != Segment::Rest).count();
    always < 2 || scalar::may_have_slashes(kind)
}

#[cfg(test)]
mod tests;
