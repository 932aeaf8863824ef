//! Migrations are embedded in the binary: a changed folder must be compiled in again.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
