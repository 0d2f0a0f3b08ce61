//! An evaluation's metrics, as JSON fields and as tables.

use ndarray::Array2;
use serde::Serialize;
use wgrad::data::Preprocessing;
use wgrad::{Classification, Deviation, Evaluation, Rates, Regression};

use crate::output::Output;
use crate::table::Table;

/// The K of top-k where nobody says another one and there are more classes.
const USUAL_TOP_K: usize = 5;

/// The errors of values in the targets' own units, where training scaled them.
pub fn in_units(mut evaluation: Evaluation, known: &Preprocessing) -> Evaluation {
    let metrics = evaluation.replicas.iter_mut().filter_map(|scores| scores.metrics.regression.as_mut());
    for Regression { mae, rmse, outputs, .. } in metrics.filter(|_| known.is_regression()) {
        for (own, target) in outputs.iter_mut().zip(&known.targets) {
            (own.mae, own.rmse) = (own.mae / target.scale, own.rmse / target.scale);
        }
        let mean = |value: fn(&Deviation) -> f64| outputs.iter().map(value).sum::<f64>() / outputs.len() as f64;
        (*mae, *rmse) = (mean(|own| own.mae), mean(|own| own.rmse));
    }
    evaluation
}

/// The JSON fields of a model's metrics.
#[derive(Serialize)]
pub struct MetricFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    #[serde(flatten)]
    classification: Option<ClassFields>,
    #[serde(flatten)]
    regression: Option<&'a Regression>,
}

#[derive(Serialize)]
struct ClassFields {
    top_k: Option<TopK>,
    r#macro: Rates,
    micro: Rates,
    classes: Vec<ClassRates>,
    roc_auc: Option<f64>,
    /// Rows: true classes; columns: predicted ones.
    confusion: Vec<Vec<u64>>,
}

#[derive(Clone, Copy, Serialize)]
struct TopK {
    k: usize,
    accuracy: f64,
}

impl TopK {
    /// What was asked for, or the usual one where it says anything.
    fn of(own: &Classification, asked: Option<usize>) -> Option<Self> {
        let usual = (own.classes() > USUAL_TOP_K).then_some(USUAL_TOP_K);
        asked.or(usual).map(|k| Self { k, accuracy: own.top_k(k) })
    }
}

#[derive(Serialize)]
struct ClassRates {
    class: usize,
    name: String,
    #[serde(flatten)]
    rates: Rates,
    support: u64,
}

impl<'a> MetricFields<'a> {
    /// Of the first replica.
    pub fn new(evaluation: &'a Evaluation, top_k: Option<usize>, known: &Preprocessing) -> Self {
        let metrics = evaluation.metrics();
        let regression = metrics.regression.as_ref();
        let class = |own: &Classification, class| ClassRates {
            class,
            name: known.class_name(class),
            rates: own.of_class(class),
            support: own.support(class),
        };
        let classification = metrics.classification.as_ref().map(|own| ClassFields {
            top_k: TopK::of(own, top_k),
            r#macro: own.macro_average(),
            micro: own.micro_average(),
            classes: (0..own.classes()).map(|index| class(own, index)).collect(),
            roc_auc: own.roc_auc,
            confusion: own.confusion.outer_iter().map(|row| row.to_vec()).collect(),
        });
        // Values are never just right.
        Self { accuracy: regression.is_none().then_some(evaluation.accuracy), classification, regression }
    }
}

/// The tables of a model's metrics, printed after the list of single numbers.
pub struct MetricTables(Vec<(&'static str, Table)>);

impl MetricTables {
    /// Of the first replica; single numbers go into `list`.
    pub fn new(evaluation: &Evaluation, top_k: Option<usize>, known: &Preprocessing, list: &mut Table) -> Self {
        let metrics = evaluation.metrics();
        if let Some(own) = &metrics.regression {
            for (name, value) in [("MAE", own.mae), ("RMSE", own.rmse), ("R²", own.r2)] {
                list.entry(name, number(value));
            }
            let each = (own.outputs.len() > 1).then(|| ("each output", outputs(&own.outputs, known)));
            return Self(each.into_iter().collect());
        }
        list.entry("accuracy", percent(evaluation.accuracy));
        let Some(own) = &metrics.classification else { return Self(Vec::new()) };
        if let Some(TopK { k, accuracy }) = TopK::of(own, top_k) {
            list.entry(&format!("top-{k} accuracy"), percent(accuracy));
        }
        if let Some(area) = own.roc_auc {
            list.entry("ROC AUC", format!("{area:.4}"));
        }
        let confusion = "confusion matrix: rows are true classes, columns predicted ones";
        Self(vec![("precision, recall and F1", classes(own, known)), (confusion, matrix(&own.confusion, known))])
    }

    pub fn print(&self, output: &Output) {
        self.0.iter().for_each(|(title, table)| output.text(&format!("\n{title}\n{table}")));
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// Six digits, whatever the unit.
fn number(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) { format!("{value:.5e}") } else { format!("{value:.6}") }
}

fn classes(own: &Classification, known: &Preprocessing) -> Table {
    let mut table = Table::new(&["class", ">precision", ">recall", ">F1", ">samples"]);
    let mut row = |name: String, Rates { precision, recall, f1 }: Rates, samples: u64| {
        table.row([name, percent(precision), percent(recall), percent(f1), samples.to_string()]);
    };
    (0..own.classes()).for_each(|class| row(known.class_name(class), own.of_class(class), own.support(class)));
    row("macro average".to_owned(), own.macro_average(), own.samples());
    row("micro average".to_owned(), own.micro_average(), own.samples());
    table
}

fn outputs(own: &[Deviation], known: &Preprocessing) -> Table {
    let mut table = Table::new(&[">output", ">MAE", ">RMSE", ">R²"]);
    for (index, Deviation { mae, rmse, r2 }) in own.iter().enumerate() {
        let name = known.targets.get(index).map_or_else(|| index.to_string(), |target| target.source.name.clone());
        table.row([name, number(*mae), number(*rmse), number(*r2)]);
    }
    table
}

fn matrix(confusion: &Array2<u64>, known: &Preprocessing) -> Table {
    let classes: Vec<String> = (0..confusion.ncols()).map(|class| known.class_name(class)).collect();
    let numbers = classes.iter().map(|class| format!(">{class}"));
    let titles: Vec<String> = std::iter::once(">".to_owned()).chain(numbers).collect();
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for (class, row) in classes.iter().zip(confusion.outer_iter()) {
        table.row(std::iter::once(class.clone()).chain(row.iter().map(u64::to_string)));
    }
    table
}
