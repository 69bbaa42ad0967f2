//! How much memory requests may take while they are read as a whole.
//!
//! A message has a bound of its own, but there may be thousands of clients that send one at the same time, slowly. What is read
//! of all of them together has one too.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use crate::call::CallError;

/// The unit in which it is counted, in bytes.
const UNIT: usize = 1024;

/// Memory for requests that are read as a whole. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Semaphore>);

/// A part of it, given back when dropped.
#[derive(Debug, Default)]
pub struct Hold(Vec<OwnedSemaphorePermit>);

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// Takes so many bytes more.
    ///
    /// # Errors
    ///
    /// When they are not there: nobody waits for memory that others wait for, too.
    pub(super) fn take(&self, hold: &mut Hold, bytes: usize) -> Result<(), Failure> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        match self.0.clone().try_acquire_many_owned(units) {
            Ok(permit) => {
                hold.0.push(permit);
                Ok(())
            }
            Err(_) => Err(CallError::unavailable("too many requests are being read at the same time").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ErrorKind;

    #[test]
    fn what_is_held_is_not_there_for_others() {
        let budget = Budget::new(4096);
        let (mut one, mut other) = (Hold::default(), Hold::default());
        budget.take(&mut one, 1000).unwrap();
        budget.take(&mut one, 2000).unwrap();
        budget.take(&mut other, 1).unwrap();
        let Err(Failure::Call(error)) = budget.take(&mut other, 1) else { panic!("there is nothing left") };
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
        drop(one);
        budget.take(&mut other, 3000).unwrap();
    }
}
