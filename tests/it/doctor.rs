//! `mainstay doctor`: one installation that is well, and each way in which it may not be.

mod checks;
mod program;
mod ward;
