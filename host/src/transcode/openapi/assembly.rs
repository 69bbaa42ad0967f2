//! Puts operations and schemas of all parts into one document.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::components::Components;
use super::cost::{self, Budget};
use super::notes::Notes;
use super::operation::operation;
use super::path::{Path, Template, prefix};
use super::schemas::{Schemas, describe};
use super::{ErrorBodies, LEFT_OUT_MAX, Options, Part, well_known};
use crate::transcode::schema::{HttpRule, Method, RuleBody};

/// What refers to the response that errors are.
pub(super) const ERROR: &str = "#/components/responses/hostel-error";

/// The methods that a path can have operations for.
const METHODS: [http::Method; 8] = [
    http::Method::GET,
    http::Method::PUT,
    http::Method::POST,
    http::Method::DELETE,
    http::Method::OPTIONS,
    http::Method::HEAD,
    http::Method::PATCH,
    http::Method::TRACE,
];

/// A path of the document.
#[derive(Debug)]
struct Item {
    text: String,
    /// Of its parameters.
    names: Vec<String>,
    /// By method, in small letters.
    operations: Map<String, Value>,
}

/// A document in the making.
#[derive(Debug)]
pub(super) struct Assembly {
    budget: Budget,
    /// By what distinguishes them.
    paths: BTreeMap<String, Item>,
    /// Who has which method and shape of a path.
    owners: HashMap<(http::Method, String), String>,
    operation_ids: HashSet<String>,
    /// With their descriptions.
    tags: BTreeMap<String, String>,
    components: Components,
    left_out: Vec<Value>,
    left_out_more: usize,
}

/// Operations of a part, and where they belong. They wait for the schemas that they refer to.
#[derive(Default)]
struct Placed {
    /// Keys of paths, and methods.
    places: Vec<(String, String)>,
    operations: Vec<Value>,
}

impl Assembly {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            budget: Budget::new(options.memory_max),
            paths: BTreeMap::new(),
            owners: HashMap::new(),
            operation_ids: HashSet::new(),
            tags: BTreeMap::new(),
            components: Components::default(),
            left_out: Vec::new(),
            left_out_more: 0,
        }
    }

    /// Adds what one part has. Of the room that is left it gets its share, and what it does not need is for those after.
    pub(super) fn add(&mut self, part: &Part<'_>, parts_left: usize) {
        let mut budget = self.budget.share(parts_left);
        let notes = Notes::of(part.schema.pool());
        let mut schemas = Schemas::new(&notes, part.json);
        let mut placed = Placed::default();
        for method in part.schema.methods() {
            let rules = match method.rules.as_slice() {
                [] => Cow::Owned(vec![rpc(method)]),
                rules => Cow::Borrowed(rules),
            };
            for rule in rules.iter() {
                if let Err(reason) = self.rule(part, &mut schemas, &mut budget, method, rule, &mut placed) {
                    let http = format!("{} {}", rule.method, rule.template);
                    self.leave_out(json!({
                        "service": part.service, "method": &*method.path, "http": http, "reason": reason
                    }));
                }
            }
        }
        let left_out = self.components.add(part.service, &mut schemas, &mut placed.operations, &mut budget);
        if left_out > 0 {
            let reason = format!("there is no room in the document for {left_out} types");
            self.leave_out(json!({ "service": part.service, "reason": reason }));
        }
        for ((key, http_method), operation) in placed.places.into_iter().zip(placed.operations) {
            if let Some(item) = self.paths.get_mut(&key) {
                item.operations.insert(http_method, operation);
            }
        }
        self.budget.put_back(&budget);
    }

    /// Adds what one rule of a method says.
    fn rule(
        &mut self,
        part: &Part<'_>,
        schemas: &mut Schemas<'_>,
        budget: &mut Budget,
        method: &Method,
        rule: &HttpRule,
        placed: &mut Placed,
    ) -> Result<(), String> {
        if budget.is_empty() {
            return Err("there is no room in the document".to_owned());
        }
        if !METHODS.contains(&rule.method) {
            return Err(format!("OpenAPI 3.1 has no operations of the method {}", rule.method));
        }
        let prefix = prefix(part.prefix);
        let template = Template::parse(&rule.template).ok_or("its path is no template")?;
        let owner = (rule.method.clone(), format!("{prefix}{}", template.shape()));
        if let Some(owner) = self.owners.get(&owner) {
            return Err(format!("{owner} has the same path"));
        }
        let http_method = rule.method.as_str().to_ascii_lowercase();
        let path = self.place(&http_method, [template.short(&prefix), template.long(&prefix)]);
        let path = path.ok_or("another operation has the same path, but for the names of its parameters")?;
        let mut operation = operation(schemas, part.service, method, rule, &path, budget)?;
        let tag = method.descriptor.parent_service();
        let tag_comment = schemas.notes.comment(&tag.parent_file(), tag.path());
        let is_new_tag = !self.tags.contains_key(tag.full_name());
        let id = self.operation_id(method.descriptor.full_name());
        operation.insert("operationId".to_owned(), id.clone().into());
        let operation = Value::Object(operation);
        let tag_cost = if is_new_tag { tag.full_name().len() + tag_comment.len() } else { 0 };
        if !budget.take(cost::of(&operation) + tag_cost + cost::PATH + path.text.len()) {
            return Err("there is no room in the document".to_owned());
        }
        self.operation_ids.insert(id);
        self.owners.insert(owner, format!("{} of `{}`", method.path, part.service));
        self.tags.entry(tag.full_name().to_owned()).or_insert(tag_comment);
        let names = path.variables.iter().map(|variable| variable.name.clone()).collect();
        let item = Item { text: path.text, names, operations: Map::new() };
        let item = self.paths.entry(path.key.clone()).or_insert(item);
        item.operations.insert(http_method.clone(), Value::Null);
        placed.places.push((path.key, http_method));
        placed.operations.push(operation);
        Ok(())
    }

    /// The first of these paths that has no such operation yet, with the parameters called as in the path that is there.
    fn place(&self, http_method: &str, candidates: [Path; 2]) -> Option<Path> {
        candidates.into_iter().find_map(|mut path| match self.paths.get(&path.key) {
            None => Some(path),
            Some(item) if item.operations.contains_key(http_method) => None,
            Some(item) => {
                path.rename(&item.text, &item.names);
                Some(path)
            }
        })
    }

    fn operation_id(&self, method: &str) -> String {
        let mut id = method.to_owned();
        let mut number = 1;
        while self.operation_ids.contains(&id) {
            number += 1;
            id = format!("{method}-{number}");
        }
        id
    }

    fn leave_out(&mut self, entry: Value) {
        if self.left_out.len() + 1 < LEFT_OUT_MAX {
            self.left_out.push(entry);
        } else {
            self.left_out_more += 1;
        }
    }

    pub(super) fn finish(mut self, options: &Options) -> Value {
        let mut paths = Map::new();
        for item in self.paths.into_values().filter(|item| !item.operations.is_empty()) {
            paths.insert(item.text, item.operations.into());
        }
        let tags = self.tags.into_iter().map(|(name, description)| {
            let mut tag = Map::new();
            tag.insert("name".to_owned(), name.into());
            describe(&mut tag, [description]);
            Value::Object(tag)
        });
        let tags: Vec<Value> = tags.collect();
        let mut info = Map::new();
        info.insert("title".to_owned(), options.title.as_str().into());
        info.insert("version".to_owned(), options.version.as_str().into());
        describe(&mut info, options.description.as_deref());
        if self.left_out_more > 0 {
            self.left_out.push(json!({ "reason": format!("and {} more", self.left_out_more) }));
        }
        let (media_type, name, schema) = error_body(options.errors);
        let mut document = json!({
            "openapi": "3.1.0",
            "info": info,
            "servers": [{ "url": options.server }],
            "tags": tags,
            "paths": paths,
            "components": {
                "schemas": self.components.finish([(name, schema)]),
                "responses": { "hostel-error": {
                    "description": "An error.",
                    "content": { media_type: { "schema": { "$ref": format!("#/components/schemas/{name}") } } },
                } },
            },
        });
        if let Some(document) = document.as_object_mut().filter(|_| !self.left_out.is_empty()) {
            document.insert("x-hostel-left-out".to_owned(), self.left_out.into());
        }
        document
    }
}

/// How a method without rules is called, in the words of a rule.
fn rpc(method: &Method) -> HttpRule {
    HttpRule {
        method: http::Method::POST,
        template: method.path.to_string(),
        body: RuleBody::Whole,
        response_body: None,
    }
}

/// The media type of errors, and their schema with its name.
fn error_body(errors: ErrorBodies) -> (&'static str, &'static str, Value) {
    let details = json!({
        "type": "array",
        "items": well_known::any(),
        "description": "Messages with more about it."
    });
    match errors {
        ErrorBodies::Problem => (
            "application/problem+json",
            "hostel-problem",
            json!({
                "type": "object",
                "description": "What went wrong, as in RFC 9457.",
                "properties": {
                    "type": { "type": "string", "format": "uri-reference", "description": "What kind of problem it is." },
                    "title": { "type": "string", "description": "The same in words." },
                    "status": { "type": "integer", "description": "The status of the response." },
                    "detail": { "type": "string", "description": "What it was this time." },
                    "trace_id": { "type": "string", "description": "What to ask the operator about." },
                    "code": { "type": "string", "description": "The gRPC status." },
                    "details": details,
                },
                "required": ["type", "title", "status"],
            }),
        ),
        ErrorBodies::Status => (
            "application/json",
            "hostel-status",
            json!({
                "type": "object",
                "description": "What went wrong, as a `google.rpc.Status`.",
                "properties": {
                    "code": { "type": "integer", "format": "int32", "description": "The gRPC status, by number." },
                    "message": { "type": "string", "description": "What it was." },
                    "details": details,
                },
            }),
        ),
    }
}
