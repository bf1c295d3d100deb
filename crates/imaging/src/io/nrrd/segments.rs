//! The segments of a segmentation as 3D Slicer writes it (`.seg.nrrd`): `Segment0_Name:=liver` and so on.

use std::path::Path;

use super::fields::Fields;
use crate::io::objects::Names;

/// What a file says of its segments.
#[derive(Debug, Default, PartialEq)]
pub(in crate::io) struct Segments {
    /// Those of the first layer by their numbers.
    pub names: Names,
    /// The names of those on other layers.
    pub elsewhere: Vec<String>,
}

/// The segments of a file; `None` where its header cannot be read.
pub(in crate::io) fn segments(path: &Path) -> Option<Segments> {
    Some(of(&Fields::read(path).ok()?))
}

fn of(fields: &Fields) -> Segments {
    let mut found = Segments::default();
    for (key, name) in &fields.keys {
        let Some(segment) = key.strip_suffix("_Name") else {
            continue;
        };
        let own = |what: &str| {
            let value = fields.keys.get(&format!("{segment}_{what}"));
            value.map(|value| value.trim())
        };
        // A file without layers has one, and before there were label values the first segment was 1.
        let number = match own("LabelValue") {
            Some(value) => value.parse().ok(),
            None => segment
                .strip_prefix("Segment")
                .and_then(|n| n.parse::<u32>().ok()?.checked_add(1)),
        };
        if !matches!(own("Layer"), None | Some("0")) {
            found.elsewhere.push(name.clone());
        } else if let (Some(number), true) = (number, segment.starts_with("Segment")) {
            let colour = own("Color").and_then(colour);
            found.names.insert(number, (name.trim().to_owned(), colour));
        }
    }
    found
}

/// Three shares of 1.
fn colour(words: &str) -> Option<[u8; 3]> {
    let shares: Vec<f32> = words
        .split_whitespace()
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()?;
    let rgb = shares.iter().map(|s| (s.clamp(0.0, 1.0) * 255.0).round());
    let rgb: Vec<u8> = rgb.map(|s| s as u8).collect();
    rgb.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_named_as_slicer_writes_them() {
        let header = "NRRD0004\ntype: uchar\nsizes: 1 1 1\nencoding: raw\n\
                      Segment0_Color:=0.5 1 0\nSegment0_LabelValue:=7\nSegment0_Layer:=0\nSegment0_Name:=liver\n\
                      Segment1_Name:=spleen\n\
                      Segment2_LabelValue:=1\nSegment2_Layer:=1\nSegment2_Name:=tumour\n\n";
        let found = of(&Fields::parse(&mut header.as_bytes()).unwrap());
        assert_eq!(found.names[&7], ("liver".to_owned(), Some([128, 255, 0])));
        assert_eq!(found.names[&2], ("spleen".to_owned(), None));
        assert_eq!(found.names.len(), 2);
        assert_eq!(found.elsewhere, ["tumour"]);
    }
}
