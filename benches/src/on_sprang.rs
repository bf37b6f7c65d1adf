//! The workloads on sprang.

use sprang as rt;

#[path = "workloads/mod.rs"]
pub(crate) mod workloads;
