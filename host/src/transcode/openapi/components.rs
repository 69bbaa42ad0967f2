//! The schemas of a document, by their names.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::cost::{self, Budget};
use super::schemas::{SCHEMAS, Schemas};
use super::text;

/// Stands for types there is no room for. With its hyphen it is no name of a type, like all such here.
const LEFT_OUT: &str = "hostel-left-out";

/// The schemas of all parts so far.
#[derive(Debug, Default)]
pub(super) struct Components {
    schemas: Map<String, Value>,
    /// What parts put before the names of types that others define differently.
    labels: HashSet<String>,
}

impl Components {
    /// Adds the types that a part's operations refer to, and makes their references those of the document. Returns for how
    /// many types there was no room.
    pub(super) fn add(
        &mut self,
        service: &str,
        schemas: &mut Schemas<'_>,
        operations: &mut [Value],
        budget: &mut Budget,
    ) -> usize {
        let mut made = Vec::new();
        // What a type that is there already would cost, if it had to be there once more.
        let mut shared = HashMap::new();
        let mut renamed = HashMap::new();
        while let Some((name, definition)) = schemas.next() {
            if !budget.is_empty() {
                let schema = schemas.definition(&definition);
                let is_there = self.schemas.get(&name) == Some(&schema);
                if is_there || budget.take(cost::of(&schema)) {
                    if is_there {
                        shared.insert(name.clone(), cost::of(&schema));
                    }
                    made.push((name, schema));
                    continue;
                }
            }
            renamed.insert(name, LEFT_OUT.to_owned());
        }
        let differing = self.differing(&made, &renamed);
        if !differing.is_empty() {
            let label = self.label(service);
            for name in differing {
                let fits = shared.get(&name).is_none_or(|cost| budget.take(*cost));
                let new = if fits { format!("{label}-{name}") } else { LEFT_OUT.to_owned() };
                renamed.insert(name, new);
            }
        }
        let left_out = renamed.values().filter(|name| *name == LEFT_OUT).count();
        if left_out > 0 {
            let stub = json!({ "description": "There is no room for this type in the document." });
            self.schemas.insert(LEFT_OUT.to_owned(), stub);
        }
        for (name, mut schema) in made {
            rename(&mut schema, &renamed);
            let name = renamed.get(&name).cloned().unwrap_or(name);
            self.schemas.entry(name).or_insert(schema);
        }
        for operation in operations {
            rename(operation, &renamed);
        }
        left_out
    }

    /// Those of a part's types that other parts have defined differently. That goes up through what refers to them: what
    /// looks the same is not, if its parts are others.
    fn differing(&self, made: &[(String, Value)], left_out: &HashMap<String, String>) -> BTreeSet<String> {
        let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, schema) in made {
            references(schema, &mut |used| users.entry(used).or_default().push(name));
        }
        let differs = |(name, schema): &&(String, Value)| self.schemas.get(name).is_some_and(|there| there != schema);
        let mut found: HashSet<&str> = made.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
        let mut from: Vec<&str> = found.iter().copied().chain(left_out.keys().map(String::as_str)).collect();
        while let Some(changed) = from.pop() {
            for user in users.get(changed).into_iter().flatten() {
                if self.schemas.contains_key(*user) && found.insert(user) {
                    from.push(user);
                }
            }
        }
        found.into_iter().map(str::to_owned).collect()
    }

    fn label(&mut self, service: &str) -> String {
        let mut label = text::plain(service);
        let mut number = 1;
        while !self.labels.insert(label.clone()) {
            number += 1;
            label = format!("{}-{number}", text::plain(service));
        }
        label
    }

    /// All schemas, with some more.
    pub(super) fn finish(mut self, more: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
        self.schemas.extend(more.into_iter().map(|(name, schema)| (name.to_owned(), schema)));
        self.schemas
    }
}

/// Calls `found` for each name that is referred to.
fn references<'v>(value: &'v Value, found: &mut impl FnMut(&'v str)) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(SCHEMAS)) {
                found(name);
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn rename(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(SCHEMAS));
            if let Some(new) = name.and_then(|name| names.get(name)) {
                members.insert("$ref".to_owned(), format!("{SCHEMAS}{new}").into());
            }
            members.values_mut().for_each(|value| rename(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, names)),
        _ => {}
    }
}
