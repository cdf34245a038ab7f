//! Logical sessions: drivers open and close them around their commands; nothing here lives in one.

pub mod end_sessions;
pub mod refresh_sessions;
pub mod session_id;
pub mod start_session;
