//! What a shader says of itself: bindings, parameter layout and constants, read from its WGSL by naga, so that Rust
//! never types them again.

use std::collections::BTreeMap;

use wgpu::naga;
use wgpu::naga::{AddressSpace, Expression, Handle, Literal, Module, StorageAccess, Type, TypeInner};

use crate::error::{Error, Result};
use crate::ops::{ModuleConstants, Shader};

/// How a shader uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer of at least so many bytes.
    Uniform(u64),
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is read and written.
    ReadWrite,
}

/// A `@group(1)` variable.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The WGSL variable's name.
    pub name: String,
    /// `@binding`.
    pub index: u32,
    /// Its use.
    pub access: Access,
}

/// A field of a uniform struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The WGSL field's name.
    pub name: String,
    /// Bytes from the struct's start.
    pub offset: usize,
}

/// A shader's interface.
#[derive(Debug)]
pub struct Reflection {
    /// The bindings of group 1 in order of their index.
    pub bindings: Vec<Binding>,
    /// The fields of `params`.
    pub params: Vec<Field>,
    /// Bytes of `params`.
    pub params_size: u64,
    /// `const` and `override` numbers by name.
    constants: BTreeMap<String, u32>,
}

impl Reflection {
    /// Reads a shader's interface.
    ///
    /// # Errors
    /// [`Error::Device`] if the source is not WGSL; the shaders that ship are, by test.
    pub fn of(shader: &Shader) -> Result<Self> {
        let module = naga::front::wgsl::parse_str(shader.source)
            .map_err(|error| Error::Device(format!("{}.wgsl: {}", shader.stem, error.emit_to_string(shader.source))))?;
        let mut bindings = Vec::new();
        let (mut params, mut params_size) = (Vec::new(), 0);
        for (_, variable) in module.global_variables.iter() {
            let (Some(name), Some(binding)) = (&variable.name, &variable.binding) else { continue };
            // Group 0 is the iteration, which all shaders share.
            if binding.group == 0 {
                continue;
            }
            let access = access(&module, variable);
            if let Access::Uniform(bytes) = access {
                (params, params_size) = (fields(&module, variable.ty), bytes);
            }
            bindings.push(Binding { name: name.clone(), index: binding.binding, access });
        }
        bindings.sort_by_key(|binding| binding.index);
        Ok(Self { bindings, params, params_size, constants: constants(&module) })
    }

    /// The number behind a `const` or the default of an `override`.
    pub fn constant(&self, name: &str) -> Option<u32> {
        self.constants.get(name).copied()
    }
}

/// A module's constants as one pipeline specializes them.
pub(crate) struct Specialized<'a> {
    pub reflection: &'a Reflection,
    pub overrides: &'a [(&'static str, f64)],
}

impl ModuleConstants for Specialized<'_> {
    fn value(&self, name: &str) -> u32 {
        let own = self.overrides.iter().find(|(own, _)| *own == name).map(|(_, value)| *value as u32);
        own.or_else(|| self.reflection.constant(name)).unwrap_or_else(|| panic!("the shader has no constant {name}"))
    }
}

fn access(module: &Module, variable: &naga::GlobalVariable) -> Access {
    match variable.space {
        AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::ReadWrite,
        AddressSpace::Storage { .. } => Access::Read,
        _ => Access::Uniform(size(module, variable.ty)),
    }
}

fn size(module: &Module, ty: Handle<Type>) -> u64 {
    u64::from(module.types[ty].inner.size(module.to_ctx()))
}

fn fields(module: &Module, ty: Handle<Type>) -> Vec<Field> {
    let TypeInner::Struct { members, .. } = &module.types[ty].inner else { panic!("a uniform is no struct") };
    let field =
        |member: &naga::StructMember| Some(Field { name: member.name.clone()?, offset: member.offset as usize });
    members.iter().filter_map(field).collect()
}

fn constants(module: &Module) -> BTreeMap<String, u32> {
    let number = |init: Handle<Expression>| match module.global_expressions[init] {
        Expression::Literal(Literal::U32(value)) => Some(value),
        Expression::Literal(Literal::Bool(value)) => Some(u32::from(value)),
        Expression::Constant(other) => match module.global_expressions[module.constants[other].init] {
            Expression::Literal(Literal::U32(value)) => Some(value),
            _ => None,
        },
        _ => None,
    };
    let own = module.constants.iter().filter_map(|(_, c)| Some((c.name.clone()?, number(c.init)?)));
    let overridable = module.overrides.iter().filter_map(|(_, o)| Some((o.name.clone()?, number(o.init?)?)));
    own.chain(overridable).collect()
}
