//! `uuid.parse` (RFC 9562, and DCE 1.1 for version 2).

use regorus::Value;

use super::Builtin;
use super::args::{make_object, string};

pub(super) const FAMILY: &[Builtin] = &[Builtin {
    name: "uuid.parse",
    arity: 1,
    // Text that is no UUID is undefined, not an error, in OPA.
    call: |args| Ok(bytes(string(args, 0)?).map_or(Value::Undefined, parts)),
}];

/// Ticks of 100 ns from 1582-10-15, where UUIDs count from, to 1970.
const TO_1970: i64 = 0x01b2_1dd2_1381_4000;

/// The forms with dashes, in braces, as a URN, and without dashes.
fn bytes(text: &str) -> Option<[u8; 16]> {
    let text = match text.len() {
        45 if text.get(..9)?.eq_ignore_ascii_case("urn:uuid:") => text.get(9..)?,
        38 => text.strip_prefix('{')?.strip_suffix('}')?,
        _ => text,
    };
    let digits: Vec<char> = match text.len() {
        36 => {
            let dash = |i: &usize| matches!(i, 8 | 13 | 18 | 23);
            let all: Vec<char> = text.chars().collect();
            if !all.iter().enumerate().all(|(i, c)| dash(&i) == (*c == '-')) {
                return None;
            }
            all.into_iter().filter(|c| *c != '-').collect()
        }
        32 => text.chars().collect(),
        _ => return None,
    };
    let mut bytes = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0].to_digit(16)? * 16 + pair[1].to_digit(16)?).ok()?;
    }
    Some(bytes)
}

fn parts(uuid: [u8; 16]) -> Value {
    let version = uuid[6] >> 4;
    let variant = match uuid[8] {
        0x80..=0xbf => "RFC4122",
        0xc0..=0xdf => "Microsoft",
        0xe0..=0xff => "Future",
        _ => "Reserved",
    };
    let mut all = vec![("version", Value::from(u64::from(version))), ("variant", Value::from(variant))];
    if matches!(version, 1 | 2) {
        let low = i64::from(u32::from_be_bytes([uuid[0], uuid[1], uuid[2], uuid[3]]));
        let middle = i64::from(u16::from_be_bytes([uuid[4], uuid[5]]));
        let high = i64::from(u16::from_be_bytes([uuid[6] & 0x0f, uuid[7]]));
        let ticks = (high << 48 | middle << 32 | low) - TO_1970;
        let node: Vec<String> = uuid[10..].iter().map(|b| format!("{b:02x}")).collect();
        let scope = if uuid[10] & 2 == 0 { "global" } else { "local" };
        let cast = if uuid[10] & 1 == 0 { "unicast" } else { "multicast" };
        all.extend([
            // Ticks of the 60 bits are more than a nanosecond's 64 bits hold.
            ("time", Value::from(i128::from(ticks) * 100)),
            ("nodeid", Value::from(node.join("-"))),
            ("macvariables", Value::from(format!("{scope}:{cast}"))),
            ("clocksequence", Value::from(u64::from(u16::from_be_bytes([uuid[8] & 0x3f, uuid[9]])))),
        ]);
        if version == 2 {
            let domain = match uuid[9] {
                0 => "Person".to_owned(),
                1 => "Group".to_owned(),
                2 => "Org".to_owned(),
                n => format!("Domain{n}"),
            };
            all.extend([("id", Value::from(low)), ("domain", Value::from(domain))]);
        }
    }
    make_object(all)
}

#[cfg(test)]
mod tests {
    use regorus::Value;

    use super::super::tests::{call, json, text};

    #[test]
    fn the_versions_of_rfc_9562() {
        // A.1: version 1 of 2022-02-22T19:22:22Z; A.3: version 4.
        let one = call("uuid.parse", &[text("C232AB00-9414-11EC-B3C8-9F6BDECED846")]).unwrap();
        let want = r#"{"version": 1, "variant": "RFC4122", "time": 1645557742000000000, "clocksequence": 13256,
            "nodeid": "9f-6b-de-ce-d8-46", "macvariables": "local:multicast"}"#;
        assert_eq!(one, json(want));
        let four = json(r#"{"version": 4, "variant": "RFC4122"}"#);
        for form in [
            "919108f7-52d1-4320-9bac-f847db4148a8",
            "{919108f7-52d1-4320-9bac-f847db4148a8}",
            "URN:UUID:919108f7-52d1-4320-9bac-f847db4148a8",
            "919108f752d143209bacf847db4148a8",
        ] {
            assert_eq!(call("uuid.parse", &[text(form)]).unwrap(), four, "{form}");
        }
        for none in [
            "",
            "919108f7-52d1-4320-9bac-f847db4148a",
            "919108f752d1-4320-9bac-f847db4148a8-8",
            "ü19108f752d143209bacf847db4148a8",
        ] {
            assert_eq!(call("uuid.parse", &[text(none)]).unwrap(), Value::Undefined, "{none}");
        }
    }
}
