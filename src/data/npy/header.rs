//! The header of an NPY file: a Python dictionary of three entries, such as
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }`, padded with spaces.

use super::NpyError;

/// The header's fields, not yet validated.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

impl Header {
    pub(super) fn parse(text: &[u8]) -> Result<Self, NpyError> {
        let mut cursor = Cursor { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        cursor.expect(b'{')?;
        while !cursor.eat(b'}') {
            let key = cursor.string()?;
            cursor.expect(b':')?;
            match key.as_str() {
                "descr" => descr = Some(cursor.descr()?),
                "fortran_order" => fortran_order = Some(cursor.boolean()?),
                "shape" => shape = Some(cursor.tuple()?),
                other => return Err(bad(format!("its entry `{other}` is not known"))),
            }
            cursor.separator(b'}')?;
        }
        cursor.end()?;
        let missing = |entry| move || bad(format!("its entry `{entry}` is missing"));
        Ok(Self {
            descr: descr.ok_or_else(missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(missing("fortran_order"))?,
            shape: shape.ok_or_else(missing("shape"))?,
        })
    }
}

fn bad(reason: impl Into<String>) -> NpyError {
    NpyError::Header(reason.into())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), NpyError> {
        if self.eat(byte) { Ok(()) } else { Err(self.found(&format!("`{}`", char::from(byte)))) }
    }

    /// A comma, or the closing bracket still to come.
    fn separator(&mut self, close: u8) -> Result<(), NpyError> {
        self.skip_space();
        if self.eat(b',') || self.rest.first() == Some(&close) { Ok(()) } else { Err(self.found("`,`")) }
    }

    fn end(&mut self) -> Result<(), NpyError> {
        self.skip_space();
        if self.rest.is_empty() { Ok(()) } else { Err(self.found("nothing more")) }
    }

    fn string(&mut self) -> Result<String, NpyError> {
        self.skip_space();
        let Some(&quote @ (b'\'' | b'"')) = self.rest.first() else { return Err(self.found("a quoted string")) };
        let inside = &self.rest[1..];
        let end = inside.iter().position(|&b| b == quote).ok_or_else(|| bad("a string does not end"))?;
        self.rest = &inside[end + 1..];
        Ok(String::from_utf8_lossy(&inside[..end]).into_owned())
    }

    /// The element type. A list of fields in its place is a structured array, which no model reads.
    fn descr(&mut self) -> Result<String, NpyError> {
        self.skip_space();
        if self.rest.first() == Some(&b'[') {
            return Err(NpyError::ElementType("a structured array".into()));
        }
        self.string()
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        self.skip_space();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.found("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, NpyError> {
        self.expect(b'(')?;
        let mut dims = Vec::new();
        while !self.eat(b')') {
            dims.push(self.integer()?);
            self.separator(b')')?;
        }
        Ok(dims)
    }

    fn integer(&mut self) -> Result<usize, NpyError> {
        self.skip_space();
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        let text = std::str::from_utf8(number).unwrap_or_default();
        let value = text.parse().map_err(|_| self.found("a dimension that fits this machine"))?;
        self.rest = rest.strip_prefix(b"L").unwrap_or(rest); // Python 2 wrote 60000L
        Ok(value)
    }

    fn found(&self, wanted: &str) -> NpyError {
        const SHOWN: usize = 20;
        let rest = self.rest.get(..SHOWN).unwrap_or(self.rest);
        bad(format!("{wanted} is needed where `{}` stands", rest.escape_ascii()))
    }
}
