//! The matrices that adapters are put before, by the names that people know them by.

use std::collections::BTreeSet;

use super::adapter_files::LAYERS;

/// What PEFT calls all matrices of a model. Those outside the decoder's layers are learnt whole here.
const ALL: &str = "all-linear";
/// Matrices that some models have as one, and their parts elsewhere.
const FUSED: [(&str, &[&str]); 2] = [
    ("qkv_proj", &["q_proj", "k_proj", "v_proj"]),
    ("gate_up_proj", &["gate_proj", "up_proj"]),
];

/// What targets stand for in a model.
#[derive(Debug, PartialEq)]
pub(super) struct Targets {
    /// The modules, names without `.weight`.
    pub modules: BTreeSet<String>,
    /// Targets that are called otherwise in this model, a line each.
    pub notes: Vec<String>,
}

/// Finds the matrices of the decoder that the targets name; `matrices` are the names, without `.weight`, of all there
/// are in the model.
///
/// # Errors
/// When a target names none: what it is and what there is, in a line.
pub(super) fn resolve(targets: &[String], matrices: &[&str]) -> Result<Targets, String> {
    let decoder = matrices
        .iter()
        .copied()
        .filter(|name| name.starts_with(LAYERS));
    let decoder: Vec<&str> = decoder.collect();
    let named = |target: &str| -> Vec<String> {
        let is_it = |name: &&&str| {
            let before = name.strip_suffix(target);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        decoder
            .iter()
            .filter(is_it)
            .map(|name| (*name).to_owned())
            .collect()
    };
    let mut found = Targets {
        modules: BTreeSet::new(),
        notes: Vec::new(),
    };
    for target in targets {
        let mut modules = named(target);
        if target == ALL {
            modules = decoder.iter().map(|name| (*name).to_owned()).collect();
        }
        if modules.is_empty() {
            let (path, last) = target
                .rsplit_once('.')
                .map_or(("", target.as_str()), |(p, l)| (p, l));
            for other in called_otherwise(last) {
                let other = if path.is_empty() {
                    other.to_owned()
                } else {
                    format!("{path}.{other}")
                };
                let more = named(&other);
                if !more.is_empty() {
                    found.notes.push(format!(
                        "{target} is {other} in this model, which is adapted"
                    ));
                }
                modules.extend(more);
            }
        }
        if modules.is_empty() {
            let last = |name: &&str| name.rsplit('.').next().unwrap_or(name).to_owned();
            let there: BTreeSet<String> = decoder.iter().map(last).collect();
            let there: Vec<String> = there.into_iter().collect();
            return Err(format!(
                "no matrix of the decoder is called {target}; there are {}, and {ALL} for all of them",
                there.join(", ")
            ));
        }
        found.modules.extend(modules);
    }
    Ok(found)
}

/// The one matrix that holds a part, or the parts of one.
fn called_otherwise(name: &str) -> Vec<&'static str> {
    let whole = FUSED.iter().filter(|(_, parts)| parts.contains(&name));
    let parts = FUSED.iter().filter(|(whole, _)| *whole == name);
    let whole = whole.map(|(whole, _)| *whole);
    whole
        .chain(parts.flat_map(|(_, parts)| parts.iter().copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUSED_MODEL: [&str; 6] = [
        "model.layers.0.self_attn.qkv_proj",
        "model.layers.0.self_attn.o_proj",
        "model.layers.0.mlp.gate_up_proj",
        "model.layers.0.mlp.down_proj",
        "model.embed_tokens",
        "model.seg_module.mask_decoder.q_proj",
    ];
    const SEPARATE: [&str; 3] = [
        "model.layers.0.self_attn.q_proj",
        "model.layers.0.self_attn.k_proj",
        "model.layers.0.self_attn.v_proj",
    ];

    fn resolved(targets: &[&str], matrices: &[&str]) -> Result<Targets, String> {
        let targets: Vec<String> = targets.iter().map(|t| (*t).to_owned()).collect();
        resolve(&targets, matrices)
    }

    #[test]
    fn usual_names_are_found_in_either_kind_of_model() {
        let usual = [
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ];
        let found = resolved(&usual, &FUSED_MODEL).unwrap();
        assert!(found.modules.iter().map(String::as_str).eq([
            "model.layers.0.mlp.down_proj",
            "model.layers.0.mlp.gate_up_proj",
            "model.layers.0.self_attn.o_proj",
            "model.layers.0.self_attn.qkv_proj",
        ]));
        assert_eq!(found.notes.len(), 5);
        assert!(found.notes[0].contains("q_proj is qkv_proj"));
        let all = resolved(&["all-linear"], &FUSED_MODEL).unwrap();
        assert_eq!((all.modules, all.notes), (found.modules, Vec::new()));
        let separate = resolved(&["self_attn.qkv_proj"], &SEPARATE).unwrap();
        assert_eq!(separate.modules.len(), 3);
    }

    #[test]
    fn what_names_nothing_is_refused_with_what_there_is() {
        for wrong in ["query", "proj", "lm_head", "embed_tokens", ""] {
            let told = resolved(&["o_proj", wrong], &FUSED_MODEL).unwrap_err();
            assert!(
                told.contains("down_proj, gate_up_proj, o_proj, qkv_proj"),
                "{told}"
            );
        }
        assert!(resolved(&["o_proj"], &SEPARATE).is_err());
    }
}
