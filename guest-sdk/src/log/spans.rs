//! The open spans, and which of them are entered.

use tracing_core::span::Id;

/// Spans by number. Numbers of closed spans are used again.
#[derive(Default)]
pub(super) struct Spans {
    slots: Vec<Option<Span>>,
    free: Vec<usize>,
    /// The entered spans, innermost last. A guest has one thread, so one stack is enough.
    entered: Vec<Id>,
}

struct Span {
    fields: String,
    parent: Option<Id>,
    handles: usize,
}

impl Spans {
    /// Adds a span with one handle.
    pub(super) fn insert(&mut self, fields: String, parent: Option<Id>) -> Id {
        if let Some(parent) = &parent {
            self.retain(parent);
        }
        let span = Some(Span { fields, parent, handles: 1 });
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index] = span;
                index
            }
            None => {
                self.slots.push(span);
                self.slots.len() - 1
            }
        };
        // Numbers start at 1: 0 is not an id.
        Id::from_u64(index as u64 + 1)
    }

    pub(super) fn append(&mut self, id: &Id, fields: &str) {
        if let Some(span) = self.get_mut(id) {
            push(&mut span.fields, fields);
        }
    }

    pub(super) fn current(&self) -> Option<Id> {
        self.entered.last().cloned()
    }

    pub(super) fn enter(&mut self, id: &Id) {
        self.entered.push(id.clone());
    }

    pub(super) fn exit(&mut self, id: &Id) {
        // Spans may be left in another order than they were entered.
        if let Some(position) = self.entered.iter().rposition(|entered| entered == id) {
            self.entered.remove(position);
        }
    }

    pub(super) fn retain(&mut self, id: &Id) {
        if let Some(span) = self.get_mut(id) {
            span.handles += 1;
        }
    }

    /// Gives a handle back. True when it was the last one: then the span, and its hold on its parent, are gone.
    pub(super) fn release(&mut self, id: &Id) -> bool {
        let Some(span) = self.get_mut(id) else { return false };
        span.handles -= 1;
        if span.handles > 0 {
            return false;
        }
        let index = index(id);
        let parent = self.slots[index].take().and_then(|span| span.parent);
        self.free.push(index);
        if let Some(parent) = parent {
            self.release(&parent);
        }
        true
    }

    /// Appends the fields of the span `id` and of those around it, innermost first.
    pub(super) fn write(&self, id: Option<Id>, line: &mut String) {
        let mut next = id;
        while let Some(span) = next.and_then(|id| self.slots.get(index(&id))?.as_ref()) {
            push(line, &span.fields);
            next = span.parent.clone();
        }
    }

    fn get_mut(&mut self, id: &Id) -> Option<&mut Span> {
        self.slots.get_mut(index(id))?.as_mut()
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}

fn push(line: &mut String, fields: &str) {
    if fields.is_empty() {
        return;
    }
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(fields);
}
