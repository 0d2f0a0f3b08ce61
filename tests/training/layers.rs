//! Norms, residuals and dropout where they meet model files, checkpoints, streaming and replicas.

use ndarray::{Array2, Axis};
use wgrad::Activation::{Linear, Relu, Silu, Tanh};
use wgrad::spec::Schedule;
use wgrad::{
    Adam, Device, Features, Loss, ModelFile, OptimizerSpec, Replica, Sequential, Trainer, TrainerBuilder, epochs,
};

use crate::resume::same_after_stops;
use crate::support::{bits, devices, images};

/// Every kind of layer, alone and together.
fn model() -> Sequential {
    let model = Sequential::new(13).dense(9, Relu).batch_norm().dropout(0.2);
    let model = model.dense(9, Tanh).layer_norm().residual(1).dropout(0.4);
    model.dense(9, Silu).batch_norm().residual(2).dense(4, Linear)
}

/// Of different dropout, learning rate and schedule; the first has the layers' own rates.
fn replicas() -> Vec<Replica> {
    let adam = OptimizerSpec::from(Adam::new(0.01));
    let cosine = Schedule::Cosine { warmup: 0.7, minimum: 1e-3 };
    let one = Replica { schedule: cosine, ..Replica::new(5, &adam) };
    let two = Replica { dropout: Some(0.6), learning_rate: 0.03, momentum: 0.8, ..Replica::new(9, &adam) };
    let three =
        Replica { dropout: Some(0.0), schedule: Schedule::ONE_CYCLE, weight_decay: 0.1, ..Replica::new(9, &adam) };
    vec![one, two, three]
}

fn builder(device: &Device, replicas: Vec<Replica>) -> TrainerBuilder {
    let builder = Trainer::new(model(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8);
    builder.replicas(replicas).device(device.clone())
}

/// Of each replica, for bytes and for floats.
fn predictions(trainer: &mut Trainer) -> Vec<Vec<u32>> {
    let Features::U8(pixels) = images(70).features().clone() else { panic!("images are bytes") };
    let floats: Array2<f32> = pixels.mapv(|p| f32::from(p) / 255.0);
    let both = [Features::U8(pixels), Features::F32(floats)].map(|rows| trainer.predict_all(rows).unwrap());
    let replica =
        |r: usize| both.iter().flat_map(move |all| all.index_axis(Axis(0), r).into_iter().map(|p| p.to_bits()));
    (0..both[0].len_of(Axis(0))).map(|r| replica(r).collect()).collect()
}

#[test]
fn a_saved_model_keeps_its_statistics_and_predicts_the_same_bits() {
    let place = tempfile::tempdir().unwrap();
    for device in devices() {
        let mut trainer = builder(&device, replicas()).build().unwrap();
        trainer.fit(&images(43), epochs(2), &mut ()).unwrap();
        for r in 0..replicas().len() {
            let path = place.path().join(format!("{r}.safetensors"));
            trainer.to_file(r).unwrap().save(&path).unwrap();
            let file = ModelFile::load(&path).unwrap();
            let wanted = trainer.weights(r).unwrap();
            assert_eq!(file.weights, wanted);
            // Six steps an epoch have moved every one of them.
            for layer in [0, 2] {
                let running = file.weights.matrix(&format!("layers.{layer}.norm.running")).unwrap();
                let (mean, variance) = (running.row(0), running.row(1));
                assert!(mean.iter().all(|mean| *mean != 0.0) && variance.iter().all(|variance| *variance != 1.0));
            }
            assert!(file.weights.get("layers.1.norm.scales").is_some());
            assert!(file.weights.get("layers.1.norm.running").is_none());
            let mut loaded = Trainer::from_file(file, device.clone()).unwrap();
            assert!(predictions(&mut loaded)[0] == predictions(&mut trainer)[r], "replica {r}");
            assert_eq!(bits(&loaded.weights(0).unwrap()), bits(&wanted), "predicting changes nothing");
            let losses = [(&mut loaded, 0), (&mut trainer, r)]
                .map(|(trainer, r)| trainer.evaluate(&images(70)).unwrap().replicas[r].loss.to_bits());
            assert_eq!(losses[0], losses[1], "replica {r}");
        }
    }
}

/// What a fit goes on with is what its file has, running statistics too; only the optimizer starts anew.
#[test]
fn a_loaded_model_trains_on_from_its_statistics() {
    let data = images(43);
    for device in devices() {
        let mut trainer = builder(&device, replicas()[..1].to_vec()).build().unwrap();
        trainer.fit(&data, epochs(1), &mut ()).unwrap();
        let mut loaded = Trainer::from_file(trainer.to_file(0).unwrap(), device.clone()).unwrap();
        let mut given = builder(&device, replicas()[..1].to_vec()).build().unwrap();
        given.set_weights(&trainer.weights(0).unwrap()).unwrap();
        for trainer in [&mut loaded, &mut given] {
            trainer.fit(&data, epochs(1), &mut ()).unwrap();
        }
        assert_eq!(bits(&loaded.weights(0).unwrap()), bits(&given.weights(0).unwrap()));
    }
}

#[test]
fn a_run_stopped_anywhere_ends_as_one_that_was_not() {
    let (data, validation) = (images(85), images(30)); // ten batches of 8 and one of 5
    for device in devices() {
        let fit = epochs(4).validate(&validation);
        let own = || builder(&device, replicas()[..2].to_vec());
        same_after_stops(&device, &data, fit, &[3, 12, 30], own);
        same_after_stops(&device, &data, fit, &[5, 17], || own().streaming_above(630));
    }
}

#[test]
fn replicas_of_different_dropout_rate_and_schedule_are_the_models_trained_alone() {
    let (data, validation) = (images(43), images(30));
    for device in devices() {
        let train = |replicas: Vec<Replica>| {
            let mut trainer = builder(&device, replicas).build().unwrap();
            let history = trainer.fit(&data, epochs(3).validate(&validation), &mut ()).unwrap();
            (trainer, history)
        };
        let (mut together, history) = train(replicas());
        let mut all = Vec::new();
        for (r, replica) in replicas().into_iter().enumerate() {
            let (mut alone, own) = train(vec![replica]);
            let bits = bits(&alone.weights(0).unwrap());
            assert_eq!(bits, self::bits(&together.weights(r).unwrap()), "replica {r}");
            for (own, all) in own.epochs.iter().zip(&history.epochs) {
                assert_eq!(own.learning_rates[0], all.learning_rates[r]);
            }
            all.push(bits);
        }
        assert!(all[0] != all[1] && all[1] != all[2]);
    }
}

#[test]
fn streaming_gives_the_same_bits_as_a_resident_dataset() {
    let data = images(85);
    for device in devices() {
        let run = |builder: TrainerBuilder| {
            let mut trainer = builder.build().unwrap();
            let history = trainer.fit(&data, epochs(2), &mut ()).unwrap();
            (history.run.streamed, [0, 1, 2].map(|r| bits(&trainer.weights(r).unwrap())))
        };
        let (resident, whole) = run(builder(&device, replicas()));
        let (streamed, chunked) = run(builder(&device, replicas()).streaming_above(630));
        assert!(!resident && streamed && whole == chunked);
    }
}
