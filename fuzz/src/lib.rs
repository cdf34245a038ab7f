//! What the fuzz targets share: generated documents and a meter for memory.
//!
//! Each target is a file in `fuzz_targets/`; `README.md` says how to run them.

pub mod document;
pub mod memory;
