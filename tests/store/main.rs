//! The stores, what every one of them must do, and the directory over them.

mod conformance;
mod crash;
mod directory;
mod faulty;
mod fixture;
mod folder;
mod support;
