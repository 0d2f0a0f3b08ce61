// Scores as whole numbers that are in the same order.

const NO_KEY: u32 = 0xffffffffu;    // of samples that do not take part: behind all others
const UNORDERED: u32 = 0xfffffffeu; // of a score that is not a number

// The key of an f32 by its bits: x < y exactly where score_key(x) < score_key(y), and -0 is 0. Bits, since WGSL promises
// nothing of infinities and of what is not a number.
fn score_key(bits: u32) -> u32 {
    let size = bits & 0x7fffffffu;
    if size > 0x7f800000u {
        return UNORDERED;
    }
    return select(0x80000000u + size, 0x80000000u - size, bits != size);
}
