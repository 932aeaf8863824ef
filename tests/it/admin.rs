//! The newsroom's own side: who gets in, to what, and what is written down about it.

mod commands;
mod doors;
mod forged;
mod pages;
mod people;
mod sessions;
