//! The small random checkpoint always answers with a box and a mask, whatever is asked of whatever.

use std::path::Path;

use candle_core::{D, DType, Device, IndexOp, Tensor};
use m3d_model::{Checkpoint, Lamed, Tokenizer, rule, write_demo_checkpoint};

const SENTENCE: &str = "Random weights speak: the box is \
    <bx_start>[0.2, 0.3, 0.4, 0.6, 0.7, 0.8]<bx_end> and this mask [SEG]";

/// The ids of a greedy answer without the stop, and the state that produced each.
fn answer(
    lamed: &Lamed,
    tokenizer: &Tokenizer,
    stops: &[u32],
    image: &Tensor,
    question: &str,
) -> (Vec<u32>, Vec<Tensor>) {
    let mut cache = lamed.new_cache();
    let after = tokenizer.encode_after_image(question).unwrap();
    let bos = lamed.embed(&[lamed.config().bos_token_id]).unwrap();
    let tokens = lamed.encode_image(image).unwrap();
    let text = lamed.embed(&after).unwrap();
    let prompt = Tensor::cat(&[&bos, &tokens, &text], 1).unwrap();
    let states = lamed.decode(&prompt, &mut cache).unwrap();
    let mut state = states.narrow(1, states.dim(1).unwrap() - 1, 1).unwrap();
    let (mut ids, mut produced) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let scores = lamed.logits(&state).unwrap().i(0).unwrap();
        let id = scores
            .argmax(D::Minus1)
            .unwrap()
            .to_scalar::<u32>()
            .unwrap();
        if stops.contains(&id) {
            return (ids, produced);
        }
        ids.push(id);
        produced.push(state);
        state = lamed
            .decode(&lamed.embed(&[id]).unwrap(), &mut cache)
            .unwrap();
    }
    panic!("the answer does not end: {ids:?}");
}

#[test]
fn every_question_gets_the_sentence_a_box_and_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    let public =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tokenizer");
    write_demo_checkpoint(folder.path(), &public).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert!(checkpoint.config.untrained);
    let device = Device::Cpu;
    let lamed = Lamed::load(&checkpoint, &device, DType::F32, &|_| {}).unwrap();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let size = lamed.config().image_size;
    let images = [
        rule::image(size, &device).unwrap(),
        rule::image(size, &device)
            .unwrap()
            .affine(-1.0, 1.0)
            .unwrap(),
        Tensor::zeros((1, 1, size[0], size[1], size[2]), DType::F32, &device).unwrap(),
    ];
    let questions = [
        " Where is the liver in this image? Please output the box.",
        " What target is present within the coordinates <bx_start>[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]<bx_end> ?",
        "Please generate a medical report, in ten words, on this, that, and 0.5 other things.",
        " 肝臓はどこですか？",
        // The ends are words of the sentence itself.
        " Please segment the liver and output this mask",
        " Random weights speak: the box is",
        " Say [0.2, 0.3, 0.4, 0.6, 0.7, 0.8], and then more:",
        "",
    ];
    let seg = lamed.config().seg_token_id;
    for (n, image) in images.iter().enumerate() {
        for question in questions {
            let (ids, states) = answer(&lamed, &tokenizer, &checkpoint.stop_ids, image, question);
            let text = tokenizer.decode(&ids, false).unwrap();
            let squeezed = |t: &str| t.split_whitespace().collect::<String>();
            assert_eq!(
                squeezed(&text),
                squeezed(SENTENCE),
                "image {n}, {question:?}"
            );
            let at = ids.iter().position(|&id| id == seg).unwrap();
            let prompt = lamed.segmentation_prompt(&states[at..=at]).unwrap();
            let features = lamed.encode_segmentation(image).unwrap();
            let logits = lamed.decode_mask(&features, &prompt).unwrap();
            assert_eq!(logits.dims(), size);
            if n < 2 {
                let inside = logits.gt(0f32).unwrap().to_dtype(DType::F32).unwrap();
                let share = inside.mean_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(
                    share > 0.005 && share < 0.995,
                    "image {n}: {share} of all voxels"
                );
            }
        }
    }
}
