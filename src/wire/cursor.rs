//! A reading position in a byte slice that cannot leave it.

/// Reads little-endian values; `None` means the bytes ran out, and nothing was consumed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at `at`; beyond the end is the same as at the end.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at: at.min(bytes.len()),
        }
    }

    /// Offset from the start of the slice.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        Some(i32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// The bytes up to the next zero byte, which is consumed too.
    pub(super) fn cstring(&mut self) -> Option<&'a [u8]> {
        let length = self.rest().iter().position(|byte| *byte == 0)?;
        let text = self.take(length)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_consumes_nothing() {
        let mut cursor = Cursor::new(&[1, 0, 0, 0, b'a', 0, 9], 0);
        assert_eq!(cursor.i32(), Some(1));
        assert_eq!(cursor.i32(), None);
        assert_eq!(cursor.cstring(), Some(&b"a"[..]));
        assert_eq!(cursor.cstring(), None);
        assert_eq!(cursor.u8(), Some(9));
        assert!(cursor.is_at_end());
        assert_eq!(cursor.take(usize::MAX), None);
    }
}
