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
    wgrad(&["eval", &back, &csv, "--device", "cpu"])
        .refused(1, &["rows.csv", "0 columns besides the target", "16 inputs"]);
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

/// A model that says only which output is the largest of its inputs: an identity matrix.
fn largest(place: &Place, names: &[&str]) -> String {
    let (state, model) = (place.path("eye.safetensors"), place.path("largest.safetensors"));
    let header = r#"{"w.weight":{"dtype":"F32","shape":[3,3],"data_offsets":[0,36]}}"#;
    let weights = [1.0_f32, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let length = (header.len() as u64).to_le_bytes();
    let bytes = weights.iter().flat_map(|weight| weight.to_le_bytes());
    fs::write(&state, length.into_iter().chain(header.bytes()).chain(bytes).collect::<Vec<_>>()).unwrap();
    wgrad(&[&["import", &state, "--loss", "ce", "-o", &model, "-q"], names].concat()).ok();
    model
}

/// It was not trained on a table, so that it has to be told where the answers are.
#[test]
fn an_imported_model_is_judged_on_a_table() {
    let place = Place::new();
    let csv = place.path("rows.csv");
    let judged = |model: &str, more: &[&str]| wgrad(&[&["eval", model, &csv, "--device", "cpu", "-q"], more].concat());
    let accuracy = |model: &str, more: &[&str]| {
        judged(model, &[more, &["--json"]].concat()).events_called("evaluation")[0]["accuracy"].as_f64().unwrap()
    };
    // No row is of class 0, and the third is not what the model says.
    fs::write(&csv, "a,b,c,kind\n0,5,1,1\n0,1,5,2\n0,5,1,2\n1,2,3,2\n").unwrap();
    let model = largest(&place, &[]);
    assert_eq!((accuracy(&model, &[]), accuracy(&model, &["--target", "kind"])), (0.75, 0.75));
    judged(&model, &["--target", "sort"]).refused(2, &["target", "no column `sort`"]);
    judged(&model, &["--target", "a,kind"]).refused(2, &["target", "the model has 1, got 2"]);
    fs::write(&csv, "kind,a,b,c\n1,0,5,1\n2,0,1,5\n0,7,1,2\n").unwrap();
    assert_eq!(accuracy(&model, &["--target", "kind"]), 1.0);
    judged(&model, &[]).refused(1, &["line 3, column 4 (`c`): `5` is a class that training did not have", "0, 1, 2"]);
    let named = largest(&place, &["--names", "ant,bee,cow"]);
    fs::write(&csv, "a,b,c,kind\n0,5,1,bee\n0,1,5,cow\n").unwrap();
    assert_eq!(accuracy(&named, &[]), 1.0);
    fs::write(&csv, "id,a,b,c,kind\n1,0,5,1,bee\n").unwrap();
    judged(&named, &[]).refused(1, &["rows.csv", "4 columns besides the target `kind`", "takes 3 inputs"]);
    // A model that was trained on a table knows it.
    let (prices, trained) = (place.path("prices.csv"), table_model(&place));
    let run = wgrad(&["eval", &trained, &prices, "--target", "price", "--device", "cpu"]);
    run.refused(2, &["--target", "targets are in `price`", "leave it out"]);
}

/// Labels are the outputs' numbers, whichever of them there are: with the first class missing they once moved up.
#[test]
fn labels_of_a_model_without_names_are_its_outputs_numbers() {
    let place = Place::new();
    let model = largest(&place, &[]);
    let npy = |name: &str, descr: &str, shape: &str, data: &[u8]| {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        header.push_str(&" ".repeat(117 - header.len()));
        let bytes = [b"\x93NUMPY\x01\0\x76\0", header.as_bytes(), b"\n", data].concat();
        fs::write(place.path(name), bytes).unwrap();
        place.path(name)
    };
    let rows: Vec<u8> = [0_f32, 5.0, 1.0, 0.0, 1.0, 5.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let x = npy("x.npy", "<f4", "(2, 3)", &rows);
    let y = npy("y.npy", "|u1", "(2,)", &[1, 2]);
    let judged = |y: &str| wgrad(&["eval", &model, &x, "--y", y, "--device", "cpu", "-q", "--json"]);
    assert_eq!(judged(&y).events_called("evaluation")[0]["accuracy"], 1.0);
    judged(&npy("z.npy", "|u1", "(2,)", &[1, 3])).refused(1, &["z.npy: row 1", "`3` is a class", "0, 1, 2"]);
}
