// Measures how fast a device copies memory: copied = source, 16 bytes an invocation.

@group(1) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(1) @binding(1) var<storage, read_write> copied: array<vec4<u32>>; // as long as source

const GROUP: u32 = 256u; // vectors a workgroup copies

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    if thread.x < arrayLength(&source) {
        copied[thread.x] = source[thread.x];
    }
}
