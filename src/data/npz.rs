//! NPZ, what `numpy.savez` and `numpy.savez_compressed` write: a ZIP archive of NPY files, one an array.
//!
//! Of ZIP (PKWARE's APPNOTE 6.3.10) this reads what NumPy writes and no more: one part, entries stored or deflated, sizes of 32 or
//! 64 bits. Each entry's size and CRC-32 are checked.

use super::Content;
use super::npy::{NpyArray, parse_array};
use crate::{Error, Result};
use std::io::Read;
use std::path::Path;

/// The first four bytes of an archive with at least one entry.
pub(super) const MAGIC: &[u8; 4] = b"PK\x03\x04";

const END: &[u8; 4] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const LONGEST_COMMENT: usize = u16::MAX as usize;
const END64_LOCATOR: &[u8; 4] = b"PK\x06\x07";
const END64: &[u8; 4] = b"PK\x06\x06";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
const EXTRA_64: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Deflate packs at most 1,032 bytes into one (RFC 1951: a length of 258 by two codes of one bit each).
const BEST_RATIO: u64 = 1032;

/// Reads every array of an NPZ file, in the file's order.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] for a damaged archive, with the array's name.
pub fn read(path: &Path) -> Result<Vec<(String, NpyArray)>> {
    of(&Content::read(path)?)
}

/// [`parse`], with the file named in the error.
pub(super) fn of(content: &Content) -> Result<Vec<(String, NpyArray)>> {
    parse(content.bytes()).map_err(|reason| Error::data(content.path(), reason))
}

/// Parses an NPZ file: names without `.npy`, and arrays. Never panics, whatever the bytes are.
///
/// # Errors
/// What is wrong, in one line.
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, NpyArray)>, String> {
    let entries = directory(bytes).ok_or("the ZIP archive is damaged or cut off: its directory cannot be read")?;
    let array = |entry: Entry| {
        let name = entry.name.strip_suffix(".npy").unwrap_or(&entry.name).to_owned();
        let content = entry.content(bytes).map_err(|reason| format!("array `{name}`: {reason}"))?;
        let array = parse_array(&content).map_err(|error| format!("array `{name}`: {error}"))?;
        Ok((name, array))
    };
    entries.into_iter().map(array).collect()
}

struct Entry {
    name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    at: u64, // of its local header
}

/// The entries of the central directory.
fn directory(bytes: &[u8]) -> Option<Vec<Entry>> {
    let earliest = bytes.len().saturating_sub(END_BYTES + LONGEST_COMMENT);
    let latest = bytes.len().checked_sub(END_BYTES)?;
    let end = (earliest..=latest).rev().find(|at| bytes[*at..].starts_with(END))?;
    let (mut count, mut at) = (u64::from(u16_at(bytes, end + 10)?), u64::from(u32_at(bytes, end + 16)?));
    if let Some(locator) = end.checked_sub(20).filter(|at| bytes[*at..].starts_with(END64_LOCATOR)) {
        let end64 = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        if !bytes.get(end64..)?.starts_with(END64) {
            return None;
        }
        (count, at) = (u64_at(bytes, end64 + 32)?, u64_at(bytes, end64 + 48)?);
    }
    let mut at = usize::try_from(at).ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = central_entry(bytes, at)?;
        entries.push(entry);
        at = next;
    }
    Some(entries)
}

/// One entry of the directory, and where the next begins.
fn central_entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    if !bytes.get(at..)?.starts_with(CENTRAL) {
        return None;
    }
    let length = |offset| u16_at(bytes, at + offset).map(usize::from);
    let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let text = bytes.get(at + CENTRAL_BYTES..)?.get(..name)?;
    let fields = bytes.get(at + CENTRAL_BYTES + name..)?.get(..extra)?;
    let mut entry = Entry {
        name: String::from_utf8_lossy(text).into_owned(),
        encrypted: u16_at(bytes, at + 8)? & 1 == 1,
        method: u16_at(bytes, at + 10)?,
        crc: u32_at(bytes, at + 16)?,
        packed: u64::from(u32_at(bytes, at + 20)?),
        size: u64::from(u32_at(bytes, at + 24)?),
        at: u64::from(u32_at(bytes, at + 42)?),
    };
    entry.widen(fields)?;
    Some((entry, at + CENTRAL_BYTES + name + extra + comment))
}

impl Entry {
    /// Numbers that do not fit 32 bits stand in the extra field of ZIP64, in this order.
    fn widen(&mut self, fields: &[u8]) -> Option<()> {
        let full = u64::from(u32::MAX);
        let wanted = [&mut self.size, &mut self.packed, &mut self.at].into_iter().filter(|number| **number == full);
        let mut at = 0;
        while at + 4 <= fields.len() {
            let (id, length) = (u16_at(fields, at)?, usize::from(u16_at(fields, at + 2)?));
            if id == EXTRA_64 {
                for (n, number) in wanted.enumerate() {
                    *number = u64_at(fields.get(at + 4..)?.get(..length)?, 8 * n)?;
                }
                return Some(());
            }
            at += 4 + length;
        }
        Some(())
    }

    fn content(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        if self.encrypted {
            return Err("is encrypted; save it again with numpy.savez".to_owned());
        }
        let packed = self.packed_bytes(bytes).ok_or("the archive is cut off inside it")?;
        let content = match self.method {
            STORED => packed.to_vec(),
            DEFLATED if self.size > self.packed.saturating_mul(BEST_RATIO) => {
                return Err(format!("{} bytes cannot unpack to {}; the archive is damaged", self.packed, self.size));
            }
            DEFLATED => inflate(packed, self.size)?,
            other => return Err(format!("is packed by method {other}; save it again with numpy.savez")),
        };
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        if content.len() as u64 != self.size || crc.sum() != self.crc {
            let (had, wanted) = (content.len(), self.size);
            return Err(format!(
                "is damaged: {had} bytes with CRC-32 {:08x} instead of {wanted} with {:08x}",
                crc.sum(),
                self.crc
            ));
        }
        Ok(content)
    }

    fn packed_bytes<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let at = usize::try_from(self.at).ok()?;
        if !bytes.get(at..)?.starts_with(MAGIC) {
            return None;
        }
        let (name, extra) = (u16_at(bytes, at + 26)?, u16_at(bytes, at + 28)?);
        let start = at + LOCAL_BYTES + usize::from(name) + usize::from(extra);
        bytes.get(start..)?.get(..usize::try_from(self.packed).ok()?)
    }
}

fn inflate(packed: &[u8], size: u64) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    // One byte more than there should be, so that too much is noticed.
    let mut limited = flate2::read::DeflateDecoder::new(packed).take(size.saturating_add(1));
    limited.read_to_end(&mut content).map_err(|error| format!("cannot be unpacked: {error}"))?;
    Ok(content)
}

fn number<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<[u8; BYTES]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    number(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    number(bytes, at).map(u64::from_le_bytes)
}
