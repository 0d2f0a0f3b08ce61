//! Microsoft's FXC, which compiles HLSL where no `dxcompiler.dll` lies beside wgpu, inlines every call and then fails with an
//! internal error on a switch in a case of another. A selector that a pipeline constant gives is folded first, and does no
//! harm: the losses' `switch LOSS` has cases whose functions switch on the activation, and FXC compiles them.

use std::collections::BTreeSet;

use naga::{Block, Expression, Function, Handle, Module, Statement};

use super::registry::parsed;
use crate::ops::{Shader, shaders};

/// A function that an entry point reaches in which a switch has another in one of its cases, itself or by what it calls,
/// both on values that are known only when it runs.
pub(super) fn nested_switch(module: &Module, entry: &str) -> Option<String> {
    let entry = module.entry_points.iter().find(|own| own.name == entry).expect("the module has the entry point");
    let (mut seen, mut reached) = (BTreeSet::new(), vec![&entry.function]);
    while let Some(function) = reached.pop() {
        if nests(module, function, &function.body) {
            return Some(function.name.clone().unwrap_or_else(|| entry.name.clone()));
        }
        let called = called(&function.body).into_iter().filter(|own| seen.insert(*own));
        reached.extend(called.map(|own| &module.functions[own]));
    }
    None
}

/// Whether a block has a switch with another in a case.
fn nests(module: &Module, function: &Function, block: &Block) -> bool {
    block.iter().any(|statement| {
        let parts = parts(statement);
        let inside = || parts.iter().any(|part| switches(module, function, part));
        is_switch(function, statement) && inside() || parts.iter().any(|part| nests(module, function, part))
    })
}

/// Whether a block has a switch, or calls what has one.
fn switches(module: &Module, function: &Function, block: &Block) -> bool {
    block.iter().any(|statement| {
        let calls = match statement {
            Statement::Call { function, .. } => {
                let own = &module.functions[*function];
                switches(module, own, &own.body)
            }
            _ => false,
        };
        calls || is_switch(function, statement) || parts(statement).iter().any(|own| switches(module, function, own))
    })
}

/// Whether a statement is a switch on a value that is known only when it runs.
fn is_switch(function: &Function, statement: &Statement) -> bool {
    let Statement::Switch { selector, .. } = statement else { return false };
    let selector = &function.expressions[*selector];
    !matches!(selector, Expression::Literal(_) | Expression::Constant(_) | Expression::Override(_))
}

/// The functions that a block calls.
fn called(block: &Block) -> Vec<Handle<Function>> {
    let own = block.iter().filter_map(|statement| match statement {
        Statement::Call { function, .. } => Some(*function),
        _ => None,
    });
    own.chain(block.iter().flat_map(parts).flat_map(called)).collect()
}

/// The blocks that a statement consists of.
fn parts(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|case| &case.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

/// A module whose entry point is `main() { BODY }`, with functions that switch and that do not.
fn nested_in(body: &str) -> Option<String> {
    let source = format!(
        "
        const CHOSEN: u32 = 2u;
        @group(0) @binding(0) var<storage, read_write> data: array<u32>;
        fn plain(x: u32) -> u32 {{ return x + 1u; }}
        fn chosen(x: u32) -> u32 {{ switch x {{ case 1u: {{ return 7u; }} default: {{ return 0u; }} }} }}
        fn through(x: u32) -> u32 {{ if x > 3u {{ return chosen(x); }} return 0u; }}
        fn nested(x: u32) -> u32 {{ switch x {{ case 1u: {{ return through(x); }} default: {{ return 0u; }} }} }}
        @compute @workgroup_size(1) fn main() {{ let x = data[0]; {body} }}
        @compute @workgroup_size(1) fn other() {{ data[0] = nested(data[1]); }}"
    );
    let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
    nested_switch(&module, "main")
}

#[test]
fn a_switch_in_a_case_of_another_is_found() {
    let in_case = |case: &str| format!("switch x {{ case 1u: {{ {case} }} default: {{ }} }}");
    let flat = "switch x { case 1u: { data[1] = 3u; } default: { data[1] = 4u; } }";
    for (body, wanted) in [
        (in_case(flat), Some("main")),
        (in_case(&format!("loop {{ if x > 1u {{ {flat} }} break; }}")), Some("main")),
        (in_case("data[1] = chosen(x);"), Some("main")),
        (in_case("data[1] = through(x);"), Some("main")),
        ("data[1] = nested(x);".to_owned(), Some("nested")),
        ("for (var i = 0u; i < x; i++) { data[i] = nested(i); }".to_owned(), Some("nested")),
        (in_case("data[1] = plain(x);"), None),
        (format!("{flat} {flat} data[2] = chosen(x) + through(x);"), None),
        ("let before = chosen(x); switch x { case 1u: { data[1] = before; } default: { } }".to_owned(), None),
        ("switch CHOSEN { case 2u: { data[1] = chosen(x); } default: { } }".to_owned(), None),
    ] {
        assert_eq!(nested_in(&body).as_deref(), wanted, "{body}");
    }
}

/// With the derivative of the activation's value computed in the last case, as it once was, FXC failed on four kernels, which
/// are those that the rule names.
#[test]
fn the_rule_names_the_kernels_that_fxc_failed_on() {
    let before = |shader: &Shader| {
        let source = shader.source.replace("default: { return from_value; }", "default: { return IN_CASE; }");
        let source = source.replace("IN_CASE", "activation_derivative(activate(z))");
        Shader { stem: shader.stem, source: source.leak() }
    };
    let mut failed = BTreeSet::new();
    for shader in shaders() {
        let (module, _) = parsed(&before(shader));
        for entry in &module.entry_points {
            if let Some(function) = nested_switch(&module, &entry.name) {
                assert_eq!(function, "activation_slope", "{}", shader.stem);
                failed.insert(shader.stem);
            }
        }
    }
    let wanted = ["batch_norm_backward", "layer_norm_backward", "layer_norm_gradient", "tail_backward"];
    assert_eq!(failed, BTreeSet::from(wanted));
}
