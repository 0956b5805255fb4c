//! tests/testkit
fn main() {}
