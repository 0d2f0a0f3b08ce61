//! `wgrad export` and `wgrad import`

use std::fs;

use crate::support::{Place, wgrad};

const TABLE: &str = "size,color,price\n1,red,3\n2,blue,4\n3,red,9\n4,blue,8\n5,red,11\n";

/// A regression on a table with categories.
fn table_model(place: &Place) -> String {
    let (csv, out) = (place.path("prices.csv"), place.path("prices"));
    fs::write(&csv, TABLE).unwrap();
    let args = ["train", &csv, "--task", "regression", "--categorical", "color", "--hidden", "4,4", "--residual"];
    let more = ["--device", "cpu", "--epochs", "1", "--batch", "2", "--test-fraction", "0", "--out", &out, "-q"];
    wgrad(&[&args[..], &more].concat()).ok();
    format!("{out}/model.safetensors")
}

#[test]
fn onnx_takes_rows_as_predict_does() {
    let place = Place::new();
    let images = place.model("run", &place.dataset("five", 80, 5), "8");
    let file = place.path("model.onnx");
    let ports = |event: &serde_json::Value, key: &str| {
        let ports = event[key].as_array().unwrap().iter();
        ports.map(|port| format!("{} {} {}", port["name"], port["type"], port["width"])).collect::<Vec<_>>()
    };
    let event = wgrad(&["export", &images, &file, "--json"]).events_called("export").remove(0);
    assert_eq!(ports(&event, "inputs"), [r#""rows" "uint8" 16"#]);
    assert_eq!(ports(&event, "outputs"), [r#""probabilities" "float" 5"#, r#""class" "int64" null"#]);
    assert_eq!(event["bytes"].as_u64(), Some(fs::metadata(&file).unwrap().len()));
    let before = fs::read(&file).unwrap();
    wgrad(&["export", &images, &file]).ok();
    assert!(fs::read(&file).unwrap() == before, "the same model gives the same bytes");
    let event = wgrad(&["export", &images, &file, "--rows", "numbers", "--json"]).events_called("export").remove(0);
    assert_eq!(ports(&event, "inputs"), [r#""rows" "float" 16"#]);
    let event = wgrad(&["export", &table_model(&place), &file, "--json"]).events_called("export").remove(0);
    assert_eq!(ports(&event, "inputs"), [r#""size" "double" 1"#, r#""color" "string" 1"#]);
    assert_eq!(ports(&event, "outputs"), [r#""values" "float" 1"#]);
}

#[test]
fn a_state_dict_comes_back_as_the_model_that_it_was() {
    let place = Place::new();
    let data = place.dataset("five", 80, 5);
    let model = place.model("run", &data, "8,6");
    let (state, back) = (place.path("state.safetensors"), place.path("back.safetensors"));
    let run = wgrad(&["export", &model, &state]);
    for line in ["nn.Linear(16, 8),  # 0", "nn.ReLU(),  # 1", "nn.Linear(6, 5),  # 4", "model.eval()"] {
        assert!(run.ok().contains(line), "{line}: {run:?}");
    }
    assert!(run.stderr.contains("bytes") && run.stderr.contains("logits"), "{run:?}");
    let event = wgrad(&["import", &state, "--loss", "ce", "-o", &back, "--json"]).events_called("import").remove(0);
    assert_eq!((event["architecture"].as_str(), event["parameters"].as_u64()), (Some("16-8-6-5"), Some(225)));
    let rows = format!("{data}/t10k-images-idx3-ubyte");
    let predict = |model: &str| wgrad(&["predict", model, &rows, "--device", "cpu"]).ok().to_owned();
    assert_eq!(predict(&model), predict(&back));
    // wgrad's own names can be read as well.
    wgrad(&["import", &model, "--loss", "ce", "-o", &back, "-q"]).ok();
    assert_eq!(predict(&model), predict(&back));
}

#[test]
fn what_is_imported_says_what_its_outputs_are() {
    let place = Place::new();
    let data = place.dataset("three", 60, 3);
    let (state, back) = (place.path("state.safetensors"), place.path("back.safetensors"));
    wgrad(&["export", &place.model("run", &data, "8"), &state, "-q"]).ok();
    let rows = format!("{data}/t10k-images-idx3-ubyte");
    let heading = |more: &[&str]| {
        wgrad(&[&["import", &state, "-o", &back], more].concat()).ok();
        wgrad(&["predict", &back, &rows, "--device", "cpu"]).ok().lines().next().unwrap().to_owned()
    };
    assert_eq!(heading(&["--loss", "ce"]), "row,class,p0,p1,p2");
    assert_eq!(heading(&["--loss", "ce", "--names", "cat,dog,cow"]), "row,class,p_cat,p_dog,p_cow");
    assert_eq!(heading(&["--loss", "mse"]), "row,1,2,3");
    assert_eq!(heading(&["--loss", "mse", "--names", "x,y,z"]), "row,x,y,z");
    assert_eq!(heading(&["--loss", "mse", "--task", "classification"]), "row,class,o0,o1,o2");
    wgrad(&["eval", &back, &data, "--device", "cpu"]).ok();
    let csv = place.path("rows.csv");
    fs::write(&csv, "1,2,3\n").unwrap();
    wgrad(&["import", &state, "-o", &back, "--loss", "mse"]).ok();
    wgrad(&["eval", &back, &csv, "--device", "cpu"]).refused(2, &["rows.csv", "not trained on a table"]);
}

#[test]
fn exports_that_cannot_be_say_why() {
    let place = Place::new();
    let model = place.model("run", &place.dataset("five", 80, 5), "8");
    let table = table_model(&place);
    let [onnx, state, elsewhere] = ["m.onnx", "m.safetensors", "no/such/m.onnx"].map(|name| place.path(name));
    let before = place.listing();
    let refused = |args: &[&str], status: i32, words: &[&str]| {
        wgrad(&[&["export"], args].concat()).refused(status, words);
    };
    refused(&[&model, &place.path("m.pb")], 2, &["m.pb", ".onnx", ".safetensors"]);
    refused(&[&model, &model], 2, &["model.safetensors", "itself"]);
    refused(&[&model, &state, "--rows", "bytes"], 2, &["--rows", "ONNX"]);
    refused(&[&table, &onnx, "--rows", "bytes"], 2, &["rows", "color", "categories"]);
    refused(&[&table, &state], 2, &["layers.1.residual", "nn.Sequential", "ONNX"]);
    refused(&[&model, &elsewhere], 1, &["no/such", "cannot"]);
    refused(&[&place.path("nothing"), &onnx], 1, &["nothing", "cannot read"]);
    refused(&[&model], 2, &["<FILE>"]);
    assert_eq!(place.listing(), before);
}

#[test]
fn imports_that_cannot_be_say_why() {
    let place = Place::new();
    let model = place.model("run", &place.dataset("five", 80, 5), "8");
    let (state, out) = (place.path("state.safetensors"), place.path("out.safetensors"));
    wgrad(&["export", &model, &state]).ok();
    let text = place.path("text.safetensors");
    fs::write(&text, "not a model").unwrap();
    let before = place.listing();
    let refused = |args: &[&str], status: i32, words: &[&str]| {
        wgrad(&[&["import"], args].concat()).refused(status, words);
    };
    refused(&[&state, "-o", &out], 2, &["--loss"]);
    refused(&[&state, "-o", &out, "--loss", "cross"], 2, &["--loss", "softmax-cross-entropy"]);
    refused(&[&state, "-o", &state, "--loss", "ce"], 2, &["state.safetensors", "--out"]);
    refused(&[&state, "-o", &out, "--loss", "ce", "--output-activation", "tanh"], 2, &["output activation", "linear"]);
    refused(&[&state, "-o", &out, "--loss", "ce", "--task", "regression"], 2, &["task", "softmax_cross_entropy"]);
    refused(&[&state, "-o", &out, "--loss", "ce", "--names", "a,b"], 2, &["names", "5 classes", "got 2"]);
    refused(&[&state, "-o", &out, "--loss", "ce", "--dropout", "1"], 2, &["dropout", "below 1"]);
    refused(&[&state, "-o", &out, "--loss", "ce", "--order", "0,1"], 1, &["--order", "`1`", "0, 2"]);
    refused(&[&text, "-o", &out, "--loss", "ce"], 1, &["text.safetensors", "save_file"]);
    refused(&[&place.path("nothing"), "-o", &out, "--loss", "ce"], 1, &["nothing", "cannot read"]);
    assert_eq!(place.listing(), before);
}
