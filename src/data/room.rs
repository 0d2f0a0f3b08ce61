//! Whether what a user asks for can be in memory at all.

use crate::hint::Hint;
use crate::{Error, Result};

/// Checks that `what`, so many rows of so many numbers of `bytes` each, fits the machine's free memory: an allocation that
/// fails ends the program.
///
/// # Errors
/// [`Error::Limit`] with the way out, `hint`.
pub(in crate::data) fn check_room(what: &str, [rows, columns, bytes]: [usize; 3], hint: Hint) -> Result<()> {
    let wanted = (rows as u64).saturating_mul(columns as u64).saturating_mul(bytes as u64);
    // Where the system does not tell, no more than an array can have.
    let had = crate::platform::available_memory().unwrap_or(isize::MAX as u64);
    if wanted <= had {
        return Ok(());
    }
    let what = format!("{what}, {rows} rows of {columns} numbers,");
    Err(Error::too_large(what, [wanted, had], "the machine's free memory", hint))
}
