//! What runs plans: the protocol with the queue pod, and the native engine.

pub mod protocol;
