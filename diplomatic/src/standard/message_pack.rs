//! Just enough MessagePack to look into a value: markers, strings and bins, and a way to skip the rest.
//!
//! Nothing here recurses, allocates or trusts a length, so foreign bytes of any depth cost one pass.

/// Why bytes are not a MessagePack value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The bytes end inside a value.
    Truncated,
    /// The one marker that MessagePack never uses (0xc1).
    ReservedMarker,
}

/// One value's kind; strings and bins with their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Nil,
    /// A string's bytes; whether they are UTF-8 is not checked.
    Str(&'a [u8]),
    Bin(&'a [u8]),
    /// Any other value.
    Other,
}

/// A cursor over MessagePack values.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    left: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes the marker of a map and returns how many entries follow; `None` if the next value is no map.
    pub(super) fn map_header(&mut self) -> Result<Option<u32>, Malformed> {
        Ok(Some(match self.byte()? {
            marker @ 0x80..=0x8f => u32::from(marker & 0x0f),
            0xde => self.length::<2>()?,
            0xdf => self.length::<4>()?,
            _ => return Ok(None),
        }))
    }

    /// Takes one value and returns what it is.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let from = self.left;
        Ok(match self.byte()? {
            0xc0 => Value::Nil,
            marker @ 0xa0..=0xbf => Value::Str(self.bytes(u32::from(marker & 0x1f))?),
            0xd9 => Value::Str(self.sized::<1>()?),
            0xda => Value::Str(self.sized::<2>()?),
            0xdb => Value::Str(self.sized::<4>()?),
            0xc4 => Value::Bin(self.sized::<1>()?),
            0xc5 => Value::Bin(self.sized::<2>()?),
            0xc6 => Value::Bin(self.sized::<4>()?),
            _ => {
                self.left = from;
                self.raw()?;
                Value::Other
            }
        })
    }

    /// Takes one value, whatever it holds, and returns its bytes as they are.
    pub(super) fn raw(&mut self) -> Result<&'a [u8], Malformed> {
        let from = self.left;
        // How many values are left to skip: the elements of maps and arrays are added to it.
        let mut pending = 1_u64;
        while pending > 0 {
            // A value has at least one byte. This also keeps the count from overflowing.
            if pending > self.left.len() as u64 {
                return Err(Malformed::Truncated);
            }
            pending += self.step()?;
            pending -= 1;
        }
        Ok(&from[..from.len() - self.left.len()])
    }

    /// Takes one marker and its own bytes, and returns both. What a map or an array contains comes next.
    pub(crate) fn part(&mut self) -> Result<&'a [u8], Malformed> {
        let from = self.left;
        self.step()?;
        Ok(&from[..from.len() - self.left.len()])
    }

    /// Takes one marker and its own bytes, and returns how many values it contains.
    #[inline]
    fn step(&mut self) -> Result<u64, Malformed> {
        let content = match self.byte()? {
            // Small numbers, nil, booleans.
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            marker @ 0x80..=0x8f => return Ok(2 * u64::from(marker & 0x0f)),
            marker @ 0x90..=0x9f => return Ok(u64::from(marker & 0x0f)),
            0xdc => return self.length::<2>().map(u64::from),
            0xdd => return self.length::<4>().map(u64::from),
            0xde => return Ok(2 * u64::from(self.length::<2>()?)),
            0xdf => return Ok(2 * u64::from(self.length::<4>()?)),
            0xc1 => return Err(Malformed::ReservedMarker),
            marker @ 0xa0..=0xbf => usize::from(marker & 0x1f),
            // Strings, bins.
            0xd9 | 0xc4 => self.length::<1>()? as usize,
            0xda | 0xc5 => self.length::<2>()? as usize,
            0xdb | 0xc6 => self.length::<4>()? as usize,
            // Extensions: a length, then one byte of type.
            0xc7 => self.length::<1>()? as usize + 1,
            0xc8 => self.length::<2>()? as usize + 1,
            0xc9 => (self.length::<4>()? as usize).checked_add(1).ok_or(Malformed::Truncated)?,
            // Numbers, and extensions of fixed length with their type.
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xca | 0xce | 0xd2 => 4,
            0xcb | 0xcf | 0xd3 => 8,
            0xd4 => 2,
            0xd5 => 3,
            0xd6 => 5,
            0xd7 => 9,
            0xd8 => 17,
        };
        self.left = self.left.get(content..).ok_or(Malformed::Truncated)?;
        Ok(0)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (&byte, left) = self.left.split_first().ok_or(Malformed::Truncated)?;
        self.left = left;
        Ok(byte)
    }

    /// Takes a big-endian length of `N` bytes, at most four.
    #[inline]
    fn length<const N: usize>(&mut self) -> Result<u32, Malformed> {
        let (digits, left) = self.left.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.left = left;
        Ok(digits.iter().fold(0, |length, &digit| length << 8 | u32::from(digit)))
    }

    #[inline]
    fn sized<const N: usize>(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.length::<N>()?;
        self.bytes(count)
    }

    #[inline]
    fn bytes(&mut self, count: u32) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.left.split_at_checked(count as usize).ok_or(Malformed::Truncated)?;
        self.left = left;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(bytes: &[u8]) -> Result<&[u8], Malformed> {
        Cursor::new(bytes).raw()
    }

    #[test]
    fn every_marker_takes_what_belongs_to_it() {
        let cases: [(&[u8], usize); 21] = [
            (&[0xc0], 1),
            (&[0x7f], 1),
            (&[0xff], 1),
            (&[0xcc, 1], 2),
            (&[0xcd, 1, 2], 3),
            (&[0xce, 1, 2, 3, 4], 5),
            (&[0xcf, 1, 2, 3, 4, 5, 6, 7, 8], 9),
            (&[0xca, 1, 2, 3, 4], 5),
            (&[0xcb, 1, 2, 3, 4, 5, 6, 7, 8], 9),
            (&[0xa2, b'a', b'b'], 3),
            (&[0xd9, 1, b'a'], 3),
            (&[0xda, 0, 1, b'a'], 4),
            (&[0xdb, 0, 0, 0, 1, b'a'], 6),
            (&[0xc4, 1, 9], 3),
            (&[0x92, 0xc0, 0x91, 0x01], 4),
            (&[0xdc, 0, 1, 0xc0], 4),
            (&[0x81, 0xa1, b'a', 0xc0], 4),
            (&[0xdf, 0, 0, 0, 1, 0xc0, 0xc0], 7),
            (&[0xd6, 0xff, 1, 2, 3, 4], 6),
            (&[0xc7, 2, 5, 1, 2], 5),
            (&[0xc9, 0, 0, 0, 0, 5], 6),
        ];
        for (bytes, len) in cases {
            let mut longer = bytes.to_vec();
            longer.push(0xc0);
            assert_eq!(raw(&longer), Ok(&bytes[..len]), "{bytes:02x?}");
            for cut in 0..bytes.len() {
                assert_eq!(raw(&bytes[..cut]), Err(Malformed::Truncated), "{bytes:02x?} cut at {cut}");
            }
        }
        assert_eq!(raw(&[0xc1]), Err(Malformed::ReservedMarker));
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        for marker in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
            assert_eq!(raw(&[marker, 0xff, 0xff, 0xff, 0xff, 0, 0]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn a_million_nested_arrays_cost_one_pass_and_no_stack() {
        let mut nested = vec![0x91; 1_000_000];
        assert_eq!(raw(&nested), Err(Malformed::Truncated));
        nested.push(0xc0);
        assert_eq!(raw(&nested).map(<[u8]>::len), Ok(1_000_001));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = raw(&bytes) {
                prop_assert!(bytes.starts_with(value) && !value.is_empty());
                // A value is the same, whatever follows it; without its last byte it is none.
                prop_assert_eq!(raw(value), Ok(value));
                prop_assert_eq!(raw(&value[..value.len() - 1]), Err(Malformed::Truncated));
            }
        }
    }
}
