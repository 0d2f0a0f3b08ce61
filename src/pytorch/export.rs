//! A model as the state dict of an `nn.Sequential`.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, Result};
use crate::spec::{self, Norm, PartValues, parts};
use crate::train::ModelFile;

/// A model as the state dict of an `nn.Sequential` of its layers: of each `nn.Linear`, its norm if it has one, its
/// activation unless that is linear, and `nn.Dropout` if it drops anything. They are numbered in that order from 0, and
/// tensors called by the numbers: `0.weight` (O, I), `0.bias` (O), and of norms `1.weight`, `1.bias`, `1.running_mean`,
/// `1.running_var` (O) and `1.num_batches_tracked`.
///
/// The module gives what the last layer gives: logits, for losses that take logits, and standardized values, where targets
/// were standardized. Rows have to be prepared as in training; the state dict has no place for how.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDict {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The modules in Python, in order, such as `nn.Linear(784, 128)`.
    pub modules: Vec<String>,
    /// The tensors' names, in the modules' order.
    pub tensors: Vec<String>,
}

/// A tensor's name within its module, type, shape and bytes.
type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

/// A module and its tensors.
struct Module {
    code: String,
    tensors: Vec<Tensor>,
}

impl StateDict {
    /// Translates a model.
    ///
    /// # Errors
    /// [`Error::Spec`] for a residual, which no `nn.Sequential` can add, and if the model or its weights make no sense.
    pub fn new(file: &ModelFile) -> Result<Self> {
        file.check()?;
        if let Some(n) = file.model.layers.iter().position(|layer| layer.residual.is_some()) {
            let reason = "no nn.Sequential can add it; export to ONNX, or load wgrad's own model file, whose tensors \
                          are called layers.N.weight, into a module of yours";
            return Err(Error::spec(format!("layers.{n}.residual"), reason));
        }
        let specs = file.model.tensors();
        let parts = parts(&specs, &file.weights)?;
        let modules: Vec<Module> = (0..file.model.layers.len()).flat_map(|n| modules(n, &parts, file)).collect();
        let tensors = modules
            .iter()
            .enumerate()
            .flat_map(|(n, module)| module.tensors.iter().map(move |tensor| (format!("{n}.{}", tensor.0), tensor)));
        let tensors: Vec<(String, &Tensor)> = tensors.collect();
        let bytes = serialize(&tensors).map_err(|reason| Error::spec("the state dict", reason))?;
        let names = tensors.into_iter().map(|(name, _)| name).collect();
        Ok(Self { bytes, tensors: names, modules: modules.into_iter().map(|module| module.code).collect() })
    }

    /// Python that loads the file into the module that it is for.
    pub fn python(&self, path: &Path) -> String {
        let modules = self.modules.iter().enumerate().map(|(n, code)| format!("    {code},  # {n}\n"));
        let modules: String = modules.collect();
        // The way in which Rust writes a text is one that Python reads.
        let path = path.display().to_string();
        format!(
            "from safetensors.torch import load_file\nfrom torch import nn\n\nmodel = nn.Sequential(\n{modules})\n\
             model.load_state_dict(load_file({path:?}))\nmodel.eval()"
        )
    }

    /// Writes the file; it appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write_whole(path, &self.bytes)
    }
}

/// What layer `n` is in an `nn.Sequential`.
fn modules(n: usize, parts: &[PartValues<'_>], file: &ModelFile) -> Vec<Module> {
    let layer = &file.model.layers[n];
    let tensors = |module| {
        let own = parts.iter().filter(move |own| own.spec.layer == n && own.spec.module == module);
        own.map(|own| {
            let bytes = bytemuck::cast_slice(own.values).to_vec();
            (own.part.name, Dtype::F32, own.spec.part_shape().to_vec(), bytes)
        })
    };
    let (outputs, inputs) = file.model.shapes().nth(n).expect("the model has this layer");
    let linear = format!("nn.Linear({inputs}, {outputs})");
    let mut modules = vec![Module { code: linear, tensors: tensors(spec::Module::Dense).collect() }];
    if let Some(norm) = layer.norm {
        // PyTorch counts the steps of a batch norm.
        let steps = i64::from(file.facts.steps).to_le_bytes().to_vec();
        let counted = matches!(norm, Norm::Batch { .. });
        let counter = counted.then(|| ("num_batches_tracked", Dtype::I64, Vec::new(), steps));
        let tensors = tensors(spec::Module::Norm).chain(counter).collect();
        modules.push(Module { code: norm_code(norm, outputs), tensors });
    }
    let plain = |code: String| Module { code, tensors: Vec::new() };
    modules.extend(layer.activation.pytorch().map(|code| plain(code.to_owned())));
    modules.extend((layer.dropout > 0.0).then(|| plain(format!("nn.Dropout({})", layer.dropout))));
    modules
}

fn norm_code(norm: Norm, outputs: usize) -> String {
    // PyTorch's own defaults go without saying.
    let (epsilon, usual) = (norm.epsilon(), Norm::BATCH);
    let eps = if epsilon == usual.epsilon() { String::new() } else { format!(", eps={epsilon:e}") };
    match norm {
        Norm::Batch { momentum, .. } if Norm::BATCH != (Norm::Batch { momentum, epsilon: usual.epsilon() }) => {
            format!("nn.BatchNorm1d({outputs}{eps}, momentum={momentum})")
        }
        Norm::Batch { .. } => format!("nn.BatchNorm1d({outputs}{eps})"),
        Norm::Layer { .. } => format!("nn.LayerNorm({outputs}{eps})"),
    }
}

fn serialize(tensors: &[(String, &Tensor)]) -> Result<Vec<u8>, String> {
    let views = tensors.iter().map(|(name, (_, dtype, shape, bytes))| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    // Hugging Face's libraries look for it.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}
