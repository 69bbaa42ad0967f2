//! What a service offers to clients of other protocols than its own: its methods, and the rules that lead to them.
//!
//! The descriptors of a service take many times their size once they are linked up, and most services are never asked in
//! JSON. So only what finding a method needs is kept; the rest is made when it is first used.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Method as HttpMethod;

use super::rule::{self, Captures, Found, Rules, Template};
use super::schema::{HttpRule, Method, Schema, SchemaError};
use super::settings::Settings;

/// What a service offers in JSON and to the tools that ask for descriptions.
pub struct Contract {
    set: Bytes,
    schema: OnceLock<Option<Arc<Schema>>>,
    served: Option<BTreeSet<String>>,
    settings: Settings,
    methods: HashMap<Arc<str>, Shape>,
    rules: Rules<Arc<Bound>>,
    bound: Vec<Arc<Bound>>,
}

/// What has to be known of a method before a message of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Whether clients send more than one message.
    pub client_streaming: bool,
    /// Whether it answers with more than one.
    pub server_streaming: bool,
    /// Whether it says of itself that it changes nothing, and so may be called by `GET`.
    pub no_side_effects: bool,
}

/// A rule, and the method it leads to.
#[derive(Debug)]
pub struct Bound {
    /// `/package.Service/Method`.
    pub path: Arc<str>,
    /// The rule.
    pub rule: HttpRule,
    /// The rule's template, for labels.
    pub label: Arc<str>,
}

/// What a request finds by the rules.
pub enum Lookup {
    /// The rule, and what its path says.
    To(Arc<Bound>, Captures),
    /// Rules have the path, but not the method; these they take.
    WrongMethod(String),
    /// No rule has the path.
    None,
}

impl Contract {
    /// The contract of a service with these descriptors. `served` are the full names of the gRPC services that it serves, if
    /// not all that it describes.
    ///
    /// Returns what of it cannot be used as well, a line each: rules that do not fit their methods, or that another has
    /// taken the place of.
    ///
    /// # Errors
    ///
    /// When the descriptors do not fit together.
    pub fn new(
        set: Bytes,
        served: Option<BTreeSet<String>>,
        settings: Settings,
    ) -> Result<(Self, Vec<String>), SchemaError> {
        let schema = Schema::decode(&set)?;
        let mut contract = Self {
            set,
            schema: OnceLock::new(),
            served,
            settings,
            methods: HashMap::new(),
            rules: Rules::new(),
            bound: Vec::new(),
        };
        let mut left_out = Vec::new();
        for method in schema.methods() {
            if !contract.serves(method.descriptor.parent_service().full_name()) {
                continue;
            }
            let shape = Shape {
                client_streaming: method.client_streaming,
                server_streaming: method.server_streaming,
                no_side_effects: method.no_side_effects,
            };
            contract.methods.insert(method.path.clone(), shape);
            for rule in &method.rules {
                if let Err(reason) = contract.bind(method, rule) {
                    let HttpRule { method: verb, template, .. } = rule;
                    left_out.push(format!("the rule `{verb} {template}` of `{}` is left out: {reason}", method.path));
                }
            }
        }
        Ok((contract, left_out))
    }

    fn bind(&mut self, method: &Arc<Method>, rule: &HttpRule) -> Result<(), String> {
        rule::check(method, rule).map_err(|error| error.to_string())?;
        let template = Template::parse(&rule.template).map_err(|error| error.to_string())?;
        let label = rule.template.as_str().into();
        let bound = Arc::new(Bound { path: method.path.clone(), rule: rule.clone(), label });
        let taken = self.rules.insert(rule.method.clone(), template, bound.clone());
        taken.map_err(|taken| format!("`{}` has the same one", taken.by.path))?;
        self.bound.push(bound);
        Ok(())
    }

    fn serves(&self, service: &str) -> bool {
        self.served.as_ref().is_none_or(|served| served.contains(service))
    }

    /// The descriptors as the module carries them: an encoded `FileDescriptorSet`.
    pub fn set(&self) -> &Bytes {
        &self.set
    }

    /// How its methods are spoken in JSON.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The descriptors, linked up. `None` cannot be: they were when the contract was made.
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema.get_or_init(|| Schema::decode(&self.set).ok().map(Arc::new)).as_ref()
    }

    /// What is known of a method, given by its path.
    pub fn shape(&self, path: &str) -> Option<Shape> {
        self.methods.get(path).copied()
    }

    /// All of a method, given by its path.
    pub fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.shape(path)?;
        self.schema()?.method(path)
    }

    /// Full names of the gRPC services it serves.
    pub fn services(&self) -> BTreeSet<&str> {
        self.methods.keys().filter_map(|path| path.strip_prefix('/')?.rsplit_once('/')).map(|(name, _)| name).collect()
    }

    /// Its rules, in the order of the descriptors.
    pub fn rules(&self) -> &[Arc<Bound>] {
        &self.bound
    }

    /// Finds the rule for a request. `path` is as it came, without the query.
    pub fn find(&self, method: &HttpMethod, path: &str) -> Lookup {
        if self.rules.is_empty() {
            return Lookup::None;
        }
        match self.rules.find(method, path) {
            Found::To(bound, captures) => Lookup::To(bound.clone(), captures),
            Found::WrongMethod(methods) => {
                Lookup::WrongMethod(methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", "))
            }
            Found::None => Lookup::None,
        }
    }
}
