//! The IPython kernel in which the worker has its profile open, if it has one (contract queue-server §2.14).
//!
//! Users work in it beside the queue. Before a plan or a task is ordered the kernel is reserved: the request that wants it waits for the
//! worker's answer and is then handled again. A manager that is idle, or paused, has left the kernel to its users.

use std::collections::VecDeque;
use std::sync::Arc;

use plan_worker::protocol::{KernelConnection, KernelPhase};

use crate::machine::Request;

/// What is known of the kernel of the worker.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// Whether the queue asks for one: it counts for the next worker.
    pub(crate) is_wanted: bool,
    /// What it does; none without a kernel.
    phase: Option<KernelPhase>,
    /// Whether it is kept for us.
    captured: bool,
    /// Where users connect.
    connection: Option<Arc<KernelConnection>>,
    /// It was told to leave the kernel to its users, and the manager is idle as soon as it has.
    pub(crate) is_releasing: bool,
    /// What the worker said to the request that is handled again.
    pub(crate) verdict: Option<Result<(), String>>,
    /// Requests that wait for the kernel, in the order in which the worker was asked.
    pub(crate) reserving: VecDeque<Request>,
}

impl Kernel {
    /// `ip_kernel_state`: what it does, or that there is none.
    pub fn word(&self) -> &'static str {
        match self.phase {
            None => "disabled",
            Some(KernelPhase::Idle) => "idle",
            Some(KernelPhase::Busy) => "busy",
        }
    }

    /// Whether the worker has one.
    pub fn is_used(&self) -> bool {
        self.phase.is_some()
    }

    /// `ip_kernel_captured`: whether what it runs is ours. Without a kernel everything is.
    pub fn is_ours(&self) -> bool {
        self.captured || !self.is_used()
    }

    /// Whether it is kept for us, and users wait.
    pub fn is_captured(&self) -> bool {
        self.captured && self.is_used()
    }

    /// Whether it executes something, for whomever.
    pub fn is_busy(&self) -> bool {
        self.phase == Some(KernelPhase::Busy)
    }

    /// Whether it executes the cell of a user.
    pub fn is_taken(&self) -> bool {
        self.is_busy() && !self.captured
    }

    /// Where users connect.
    pub fn connection(&self) -> Option<&Arc<KernelConnection>> {
        self.connection.as_ref()
    }

    /// The worker says what the kernel does.
    pub(crate) fn told(&mut self, phase: KernelPhase, captured: bool) {
        (self.phase, self.captured) = (Some(phase), captured);
    }

    /// The worker says where it is.
    pub(crate) fn listens(&mut self, connection: KernelConnection) {
        self.connection = Some(Arc::new(connection));
    }

    /// The worker is gone.
    pub(crate) fn forget(&mut self) {
        *self = Self { is_wanted: self.is_wanted, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_kernel_nobody_can_be_in_the_way() {
        let kernel = Kernel::default();
        assert_eq!((kernel.word(), kernel.is_ours()), ("disabled", true));
        assert!(!kernel.is_captured() && !kernel.is_busy() && !kernel.is_taken());
    }

    #[test]
    fn a_kernel_is_taken_while_it_executes_what_is_not_ours() {
        let mut kernel = Kernel::default();
        kernel.told(KernelPhase::Busy, false);
        assert_eq!((kernel.word(), kernel.is_ours(), kernel.is_taken()), ("busy", false, true));
        kernel.told(KernelPhase::Busy, true);
        assert!(kernel.is_captured() && kernel.is_ours() && !kernel.is_taken());
        kernel.told(KernelPhase::Idle, false);
        assert!(!kernel.is_captured() && !kernel.is_ours() && !kernel.is_taken());
        kernel.is_wanted = true;
        kernel.forget();
        assert!(!kernel.is_used() && kernel.is_wanted);
    }
}
