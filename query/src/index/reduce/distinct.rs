//! `_approx_count_distinct`: about how many different keys there are.
//!
//! HyperLogLog with 2,048 registers, as CouchDB's: an error of some 2%. The estimate is Ertl's, which
//! needs no table of what others are off by ("New cardinality estimation algorithms for HyperLogLog
//! sketches", 2017, section 4).

use super::{ReduceError, Row, damaged};

/// Bits of a hash that say which register it belongs to.
const PRECISION: u32 = 11;

const REGISTERS: usize = 1 << PRECISION;

/// Bits of a hash that are counted, and the greatest number a register can have.
const COUNTED: u32 = 64 - PRECISION;
const REGISTER_MAX: u8 = COUNTED as u8 + 1;

/// A result with few registers says which: two bytes and one.
const SOME: u8 = 0;
/// One with many has all, a byte each.
const ALL: u8 = 1;
const SOME_BYTES: usize = 3;

pub(super) fn reduce(rows: &[Row<'_>]) -> Vec<u8> {
    let mut registers = [0; REGISTERS];
    let mut before = None;
    for row in rows {
        // Rows are in order, so equal keys mostly follow one another.
        if before == Some(row.key) {
            continue;
        }
        before = Some(row.key);
        let (register, number) = place(row.key);
        registers[register] = registers[register].max(number);
    }
    encode(&registers)
}

pub(super) fn rereduce(reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
    let mut registers = [0; REGISTERS];
    for reduction in reductions {
        decode(reduction, &mut registers).ok_or_else(damaged)?;
    }
    Ok(encode(&registers))
}

pub(super) fn finish(reduction: &[u8]) -> Result<String, ReduceError> {
    let mut registers = [0; REGISTERS];
    decode(reduction, &mut registers).ok_or_else(damaged)?;
    Ok(format!("{:.0}", estimate(&registers)))
}

/// The register of a key, and what it has at least.
fn place(key: &str) -> (usize, u8) {
    let digest = blake3::hash(key.as_bytes());
    let hash = digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let counted = hash << PRECISION;
    let zeros = counted.leading_zeros().min(COUNTED);
    ((hash >> COUNTED) as usize, zeros as u8 + 1)
}

fn encode(registers: &[u8; REGISTERS]) -> Vec<u8> {
    let used = registers.iter().filter(|number| **number > 0).count();
    if used * SOME_BYTES >= REGISTERS {
        return std::iter::once(ALL).chain(registers.iter().copied()).collect();
    }
    let mut out = vec![SOME];
    for (register, number) in (0_u16..).zip(registers).filter(|(_, number)| **number > 0) {
        out.extend(register.to_be_bytes());
        out.push(*number);
    }
    out
}

/// Adds to the registers what a result has.
fn decode(reduction: &[u8], registers: &mut [u8; REGISTERS]) -> Option<()> {
    let (&kind, rest) = reduction.split_first()?;
    let mut add = |register: usize, number: u8| {
        let present = registers.get_mut(register).filter(|_| number <= REGISTER_MAX)?;
        *present = (*present).max(number);
        Some(())
    };
    match kind {
        SOME => {
            let mut some = rest.chunks_exact(SOME_BYTES);
            some.by_ref().try_for_each(|one| {
                add(usize::from(u16::from_be_bytes([one[0], one[1]])), one[2])
            })?;
            some.remainder().is_empty().then_some(())
        }
        ALL if rest.len() == REGISTERS => {
            rest.iter().enumerate().try_for_each(|(register, number)| add(register, *number))
        }
        _ => None,
    }
}

fn estimate(registers: &[u8; REGISTERS]) -> f64 {
    let mut counts = [0_u32; REGISTER_MAX as usize + 1];
    for number in registers {
        counts[usize::from(*number)] += 1;
    }
    let all = f64::from(1_u32 << PRECISION);
    let share = |number: usize| f64::from(counts[number]) / all;
    let top = usize::from(REGISTER_MAX);
    let mut sum = all * beyond(1.0 - share(top));
    for number in (1..top).rev() {
        sum = 0.5 * (sum + f64::from(counts[number]));
    }
    sum += all * unused(share(0));
    all * all / (2.0 * std::f64::consts::LN_2 * sum)
}

/// What registers without a number stand for, by their share: Ertl's sigma.
fn unused(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

/// What registers stand for that counted all there is, by the share of the others: Ertl's tau.
fn beyond(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root).powi(2) * weight;
        if sum >= before {
            return sum / 3.0;
        }
    }
}
