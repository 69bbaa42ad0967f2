//! The services an order needs, in memory, with the promises of their protos and a way to break them at a chosen call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use shop_common::store::Table;
use shop_common::store::memory::Memory;
use tonic::Status;

use crate::book::Book;
use crate::order::{Line, Order, Stage, Wanted};
use crate::placing::Placing;
use crate::ports::{Cart, Catalog, Payment, Payments, Reserved};

const STOCK: u32 = 10;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Nothing happened.
    Before,
    /// It happened, but the answer was lost.
    After,
    /// Like `Before`, and so do all that follow.
    Down,
    /// It happened, and whoever called was killed: its store no longer takes anything from it.
    KilledAfter,
    /// Nothing happened, and whoever called was killed.
    KilledBefore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Held(u32),
    Released,
    Committed(u32),
}

#[derive(Default)]
struct State {
    holds: BTreeMap<String, Hold>,
    payments: BTreeMap<String, Payment>,
    cart_cleared: bool,
    /// Calls until one breaks.
    fuse: Option<(u32, Break)>,
    broke: bool,
}

/// Everything outside of `orders`.
#[derive(Clone)]
struct Outside {
    state: Arc<Mutex<State>>,
    /// The store of `orders`, which is cut off when its caller is killed.
    memory: Memory,
}

pub(crate) struct World {
    pub(crate) placing: Placing,
    outside: Outside,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Memory::default())
    }

    pub(crate) fn with(memory: &Memory) -> Self {
        let outside = Outside { state: Arc::default(), memory: memory.clone() };
        let placing = Placing {
            book: Book {
                orders: Table::new(memory.bucket()),
                counters: Table::new(memory.bucket()),
                index: Table::new(memory.bucket()),
                unfinished: Table::new(memory.bucket()),
            },
            catalog: Arc::new(outside.clone()),
            payments: Arc::new(outside.clone()),
        };
        Self { placing, outside }
    }

    /// Breaks the call after the next `calls`.
    pub(crate) fn break_at(&self, calls: u32, kind: Break) {
        self.outside.state().fuse = Some((calls, kind));
    }

    /// Ends the failure. True if it struck.
    pub(crate) fn mend(&self) -> bool {
        self.outside.memory.recover();
        let mut state = self.outside.state();
        state.fuse = None;
        std::mem::take(&mut state.broke)
    }

    pub(crate) fn cart_cleared(&self) -> bool {
        self.outside.state().cart_cleared
    }

    pub(crate) fn assert_consistent(&self, order: &Order) {
        match order.stage {
            Stage::Paid => self.assert_paid(order),
            Stage::Failed(_) => self.assert_failed(order),
            _ => panic!("neither paid nor failed: {order:?}"),
        }
    }

    pub(crate) fn assert_paid(&self, order: &Order) {
        let state = self.outside.state();
        assert!(order.settled, "{order:?}");
        assert_eq!(state.payments.get(&order.id), Some(&Payment::Charged));
        let hold = state.holds.get(&order.id);
        assert!(matches!(hold, Some(Hold::Committed(_))), "{hold:?}");
    }

    pub(crate) fn assert_failed(&self, order: &Order) {
        let state = self.outside.state();
        let payment = state.payments.get(&order.id).copied();
        assert!(payment != Some(Payment::Charged) && payment != Some(Payment::Pending), "{payment:?}");
        let hold = state.holds.get(&order.id).copied();
        assert!(matches!(hold, None | Some(Hold::Released)), "{hold:?}");
    }
}

impl Outside {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// One call: `effect`, and what is planned to go wrong.
    fn call<T>(&self, effect: impl FnOnce(&mut State) -> Result<T, Status>) -> Result<T, Status> {
        let mut state = self.state();
        let kind = match &mut state.fuse {
            Some((0, kind)) => Some(*kind),
            Some((calls, _)) => {
                *calls -= 1;
                None
            }
            None => None,
        };
        state.broke |= kind.is_some();
        if kind != Some(Break::Down) && kind.is_some() {
            state.fuse = None;
        }
        match kind {
            None => effect(&mut state),
            Some(Break::Before | Break::Down) => Err(Status::unavailable("broken")),
            Some(Break::After) => {
                let _ = effect(&mut state);
                Err(Status::deadline_exceeded("broken"))
            }
            Some(Break::KilledAfter) => {
                self.memory.crash_after(0);
                effect(&mut state)
            }
            Some(Break::KilledBefore) => {
                self.memory.crash_after(0);
                Err(Status::cancelled("broken"))
            }
        }
    }
}

#[tonic::async_trait]
impl Catalog for Outside {
    async fn cart(&self, _: &str) -> Result<Cart, Status> {
        self.call(|state| {
            let line = Wanted { product_id: "towel".into(), quantity: 2 };
            Ok(Cart { lines: if state.cart_cleared { vec![] } else { vec![line] }, version: 7 })
        })
    }

    async fn clear_cart(&self, _: &str, version: u64) -> Result<(), Status> {
        self.call(|state| {
            state.cart_cleared |= version == 7;
            Ok(())
        })
    }

    async fn reserve(&self, order_id: &str, wanted: &[Wanted]) -> Result<Reserved, Status> {
        self.call(|state| {
            if wanted.iter().any(|line| line.product_id != "towel") {
                return Err(Status::not_found("no such product"));
            }
            let quantity = wanted.iter().map(|line| line.quantity).sum();
            let taken: u32 = state.holds.values().map(Hold::units).sum();
            match state.holds.get(order_id) {
                Some(Hold::Released) => return Err(Status::failed_precondition("released")),
                Some(_) => {}
                None if taken + quantity > STOCK => {
                    state.holds.insert(order_id.into(), Hold::Released);
                    return Err(Status::failed_precondition("out of stock"));
                }
                None => {
                    state.holds.insert(order_id.into(), Hold::Held(quantity));
                }
            }
            let lines = wanted.iter().map(|line| Line {
                product_id: line.product_id.clone(),
                name: "Towel".into(),
                quantity: line.quantity,
                unit_price_cents: 1990,
            });
            Ok(Reserved { lines: lines.collect(), currency: "EUR".into() })
        })
    }

    async fn release(&self, order_id: &str) -> Result<(), Status> {
        self.call(|state| match state.holds.get(order_id) {
            Some(Hold::Committed(_)) => Err(Status::failed_precondition("committed")),
            _ => {
                state.holds.insert(order_id.into(), Hold::Released);
                Ok(())
            }
        })
    }

    async fn commit(&self, order_id: &str) -> Result<(), Status> {
        self.call(|state| match state.holds.get(order_id).copied() {
            Some(Hold::Held(n) | Hold::Committed(n)) => {
                state.holds.insert(order_id.into(), Hold::Committed(n));
                Ok(())
            }
            Some(Hold::Released) => Err(Status::failed_precondition("released")),
            None => Err(Status::not_found("nothing reserved")),
        })
    }
}

impl Hold {
    fn units(&self) -> u32 {
        match self {
            Self::Held(n) | Self::Committed(n) => *n,
            Self::Released => 0,
        }
    }
}

#[tonic::async_trait]
impl Payments for Outside {
    async fn charge(
        &self,
        order_id: &str,
        amount_cents: i64,
        currency: &str,
        card_token: &str,
    ) -> Result<Payment, Status> {
        assert!(amount_cents > 0 && currency == "EUR");
        self.call(|state| {
            let answer = match (state.payments.get(order_id), card_token) {
                (Some(Payment::Refunded), _) => {
                    return Err(Status::failed_precondition("refunded"));
                }
                (Some(answer @ (Payment::Charged | Payment::Declined)), _) => *answer,
                (_, "tok_ok") => Payment::Charged,
                (_, "tok_error") => Payment::Pending,
                _ => Payment::Declined,
            };
            state.payments.insert(order_id.into(), answer);
            match answer {
                Payment::Pending => Err(Status::unavailable("processor")),
                answer => Ok(answer),
            }
        })
    }

    async fn refund(&self, order_id: &str) -> Result<(), Status> {
        self.call(|state| {
            let payment = state.payments.entry(order_id.into()).or_insert(Payment::None);
            if *payment != Payment::Declined {
                *payment = Payment::Refunded;
            }
            Ok(())
        })
    }

    async fn payment(&self, order_id: &str) -> Result<Payment, Status> {
        self.call(|state| {
            let payment = state.payments.get(order_id).copied();
            Ok(payment.unwrap_or(Payment::None))
        })
    }
}
