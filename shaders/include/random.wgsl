// Random numbers that any invocation can draw without memory: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011), the same function as in src/random.rs, bit for bit.
//
// A draw of a training step is random_words(key, block, number, index, purpose): the key is the replica's seed (low word
// first), the number is that of the step, the index tells layers or tensors apart, and each block is four words.

// What draws are for; the numbers are those of Rust's `Purpose`.
const PURPOSE_DROPOUT: u32 = 3u;
const PURPOSE_NOISE: u32 = 4u;
const PURPOSE_AUGMENT: u32 = 5u;

const PHILOX_ROUNDS: u32 = 10u;

// The 64-bit product of two words, as (low, high), from products of 16-bit halves: none of these sums overflows.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2(a * b, (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u));
}

fn philox(start: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
    var counter = start;
    var key = seed;
    for (var round = 0u; round < PHILOX_ROUNDS; round++) {
        let first = wide_product(counter.x, 0xD2511F53u);
        let second = wide_product(counter.z, 0xCD9E8D57u);
        counter = vec4(second.y ^ counter.y ^ key.x, second.x, first.y ^ counter.w ^ key.y, first.x);
        key += vec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

fn random_words(key: vec2<u32>, block: u32, number: u32, index: u32, purpose: u32) -> vec4<u32> {
    return philox(vec4(block, number, index, purpose), key);
}

// Uniform in [0, 1): the word's upper 24 bits, exactly.
fn random_unit(word: u32) -> f32 {
    return f32(word >> 8u) * 5.9604644775390625e-8; // 2^-24
}

// Standard normal, by the inverse of its distribution: sqrt(2) erfinv(x), for x an odd multiple of 2^-23 between -1 and 1,
// from the word's upper 23 bits. erfinv is that of Giles, "Approximating the erfinv function", GPU Computing Gems Jade
// Edition, 2011, table 5 (single precision). It needs a logarithm, and no cosine, of which WGSL promises 11 bits.
fn random_normal(word: u32) -> f32 {
    let x = (f32(word >> 9u) - 4194303.5) * 2.384185791015625e-7; // 2^22 - 1/2, 2^-22: both exact
    let w = -log((1.0 - x) * (1.0 + x));
    let central = w - 2.5;
    var p = 2.81022636e-8;
    p = 3.43273939e-7 + p * central;
    p = -3.5233877e-6 + p * central;
    p = -4.39150654e-6 + p * central;
    p = 0.00021858087 + p * central;
    p = -0.00125372503 + p * central;
    p = -0.00417768164 + p * central;
    p = 0.246640727 + p * central;
    p = 1.50140941 + p * central;
    let tail = sqrt(max(w, 5.0)) - 3.0;
    var q = -0.000200214257;
    q = 0.000100950558 + q * tail;
    q = 0.00134934322 + q * tail;
    q = -0.00367342844 + q * tail;
    q = 0.00573950773 + q * tail;
    q = -0.0076224613 + q * tail;
    q = 0.00943887047 + q * tail;
    q = 1.00167406 + q * tail;
    q = 2.83297682 + q * tail;
    return select(p, q, w > 5.0) * x * 1.4142135;
}
