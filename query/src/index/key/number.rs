//! Numbers as bytes, exactly: whole ones and floats of equal size are equal.

use crate::value::Number;

/// What zero is: below it are negative numbers, above it the others.
const ZERO: u16 = 0x8000;

/// Added to exponents, so that they are positive: a float's least is -1074.
const BIAS: i32 = 2048;

/// Writes a sign with an exponent, then the digits behind the first, seven bits a byte. The last bit of
/// a byte says whether there are more digits than zeros to come, so a longer number is greater.
pub(super) fn write(out: &mut Vec<u8>, number: Number) {
    let (negative, mantissa, exponent) = parts(number);
    if mantissa == 0 {
        out.extend(ZERO.to_be_bytes());
        return;
    }
    let start = out.len();
    let shift = mantissa.leading_zeros();
    let exponent = exponent + 127 - shift as i32;
    let mut digits = mantissa << shift << 1;
    out.extend((ZERO + (exponent + BIAS) as u16).to_be_bytes());
    loop {
        let seven = (digits >> 121) as u8;
        digits <<= 7;
        let more = digits != 0;
        out.push(seven << 1 | u8::from(more));
        if !more {
            break;
        }
    }
    if negative {
        // What is greater without its sign is less with it.
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// How many bytes a number has that begins here.
pub(super) fn len(bytes: &[u8]) -> Option<usize> {
    let head = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
    if head == ZERO {
        return Some(2);
    }
    let flip = if head < ZERO { 0xff } else { 0 };
    let last = bytes[2..].iter().position(|byte| (byte ^ flip) & 1 == 0)?;
    Some(2 + last + 1)
}

/// Whether it is negative, and what times two to the power of what it is.
fn parts(number: Number) -> (bool, u128, i32) {
    match number {
        Number::Whole(number) => (number < 0, number.unsigned_abs(), 0),
        Number::Float(number) => {
            let bits = number.to_bits();
            let fraction = u128::from(bits & ((1 << 52) - 1));
            match (bits >> 52 & 0x7ff) as i32 {
                0 => (number < 0.0, fraction, -1074),
                exponent => (number < 0.0, fraction | 1 << 52, exponent - 1075),
            }
        }
    }
}
