//! Tells the program which burn it was built with.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("Cargo.lock");
    let text = fs::read_to_string(lock)?;
    let (_, after) = text.split_once("name = \"burn\"\nversion = \"").ok_or("burn is not in Cargo.lock")?;
    let (version, _) = after.split_once('"').ok_or("burn has no version in Cargo.lock")?;
    println!("cargo:rustc-env=BURN_VERSION={version}");
    Ok(())
}
