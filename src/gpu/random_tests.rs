//! `shaders/include/random.wgsl` against `random.rs`, on the adapter of the tests.

use super::Gpu;
use super::queue::poll;
use crate::random::{Purpose, normal_of, philox, step_words, unit_of};
use crate::scalar::Bounded;
use crate::verify::{compare, test_gpu};

const INCLUDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/include/random.wgsl"));
/// Draws words for each counter and key, and what follows from them.
const MAIN: &str = "
struct Draw { counter: vec4<u32>, key: vec2<u32>, unused: vec2<u32> }

@group(0) @binding(0) var<storage, read> draws: array<Draw>;
@group(0) @binding(1) var<storage, read_write> words: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> units: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> normals: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    if thread.x >= arrayLength(&draws) { return; }
    let draw = draws[thread.x];
    let word = random_words(draw.key, draw.counter.x, draw.counter.y, draw.counter.z, draw.counter.w);
    words[thread.x] = word;
    units[thread.x] = vec4(random_unit(word.x), random_unit(word.y), random_unit(word.z), random_unit(word.w));
    normals[thread.x] =
        vec4(random_normal(word.x), random_normal(word.y), random_normal(word.z), random_normal(word.w));
}
";

/// A counter and a key, padded as WGSL pads them.
type Draw = [u32; 8];

/// Words, units and normals that a device draws, by this WGSL.
fn drawn(gpu: &Gpu, include: &str, draws: &[Draw]) -> (Vec<u32>, Vec<f32>, Vec<f32>) {
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("random"),
        source: wgpu::ShaderSource::Wgsl(format!("{include}{MAIN}").into()),
    });
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("random"),
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let buffers = [2, 1, 1, 1].map(|vectors| {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: (16 * vectors * draws.len()) as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    });
    gpu.queue.write_buffer(&buffers[0], 0, bytemuck::cast_slice(draws));
    let entries: Vec<_> = (0..)
        .zip(&buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = &pipeline.get_bind_group_layout(0);
    let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(draws.len().div_ceil(64) as u32, 1, 1);
    }
    gpu.queue.submit([encoder.finish()]);
    poll(gpu, wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes = |at: usize| gpu.read_buffer(&buffers[at]).unwrap();
    let numbers = |at| bytemuck::pod_collect_to_vec::<u8, f32>(&bytes(at));
    (bytemuck::pod_collect_to_vec(&bytes(1)), numbers(2), numbers(3))
}

/// The counters and keys of the published vectors, and some of each purpose of training steps.
fn draws() -> Vec<Draw> {
    let of = |c: [u32; 4], k: [u32; 2]| [c[0], c[1], c[2], c[3], k[0], k[1], 0, 0];
    let pi = of([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
    let mut draws = vec![of([0; 4], [0; 2]), of([u32::MAX; 4], [u32::MAX; 2]), pi];
    for purpose in [Purpose::Dropout, Purpose::Noise, Purpose::Augment] {
        draws.extend((0..333).map(|n| of([n, 7 * n + 1, n % 5, purpose as u32], [3 * n, n % 3])));
    }
    draws
}

#[test]
fn a_gpu_draws_the_published_vectors_and_what_rust_draws() {
    let draws = draws();
    let (words, units, normals) = drawn(&test_gpu().unwrap(), INCLUDE, &draws);
    assert_eq!(words[..4], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(words[4..8], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    assert_eq!(words[8..12], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    let wanted = draws.iter().flat_map(|d| philox([d[0], d[1], d[2], d[3]], [d[4], d[5]]));
    assert_eq!(words, wanted.collect::<Vec<_>>());
    assert_eq!(units, words.iter().map(|word| unit_of(*word)).collect::<Vec<_>>());
    let oracle: Vec<Bounded> = words.iter().map(|word| normal_of(*word)).collect();
    let comparison = compare(&normals, &oracle);
    assert!(comparison.passed(), "{comparison:?}");
    let widest = oracle.iter().fold(0.0, |widest: f64, normal| widest.max(normal.bound));
    assert!(widest < 1e-4, "a bound of {widest} says nothing");
    // What the CPU executor draws keeps to the same bounds.
    let own: Vec<f32> = words.iter().map(|word| normal_of(*word)).collect();
    assert!(compare(&own, &oracle).passed());
}

/// Each of these is a mistake that shows.
#[test]
fn broken_numbers_are_seen() {
    let (gpu, draws) = (test_gpu().unwrap(), draws());
    let (words, units, normals) = drawn(&gpu, INCLUDE, &draws);
    for (from, to) in [
        ("+ (middle >> 16u) + (other >> 16u)", "+ (middle >> 16u)"),
        ("PHILOX_ROUNDS: u32 = 10u", "PHILOX_ROUNDS: u32 = 9u"),
        ("vec4(block, number, index, purpose)", "vec4(block, number, purpose, index)"),
    ] {
        assert!(INCLUDE.contains(from), "{from}");
        assert_ne!(drawn(&gpu, &INCLUDE.replace(from, to), &draws).0, words, "{to}");
    }
    assert_ne!(drawn(&gpu, &INCLUDE.replace("f32(word >> 8u)", "f32(word >> 9u)"), &draws).1, units);
    let oracle: Vec<Bounded> = words.iter().map(|word| normal_of(*word)).collect();
    assert!(compare(&normals, &oracle).passed());
    for (from, to) in [("4194303.5", "4194304.0"), ("select(p, q, w > 5.0)", "p"), ("0.00943887047 +", "0.0094 +")] {
        assert!(INCLUDE.contains(from), "{from}");
        assert!(!compare(&drawn(&gpu, &INCLUDE.replace(from, to), &draws).2, &oracle).passed(), "{to}");
    }
}

/// WGSL's numbers of the purposes are Rust's.
#[test]
fn purposes_have_the_same_numbers_in_wgsl() {
    for (name, purpose) in [("DROPOUT", Purpose::Dropout), ("NOISE", Purpose::Noise), ("AUGMENT", Purpose::Augment)] {
        assert!(INCLUDE.contains(&format!("const PURPOSE_{name}: u32 = {}u;", purpose as u32)), "{name}");
    }
    assert_eq!(step_words(7, 1, 2, 3, Purpose::Dropout), philox([1, 2, 3, 3], [7, 0]));
    assert_eq!(step_words(7 << 32, 1, 2, 3, Purpose::Noise), philox([1, 2, 3, 4], [0, 7]));
}
