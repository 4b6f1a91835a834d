//! A serializer that writes nothing and refuses what canonical JSON would silently change.

use std::collections::HashSet;
use std::fmt::{self, Display};

use serde::ser::{self, Serialize};

/// The largest integer that a double and its neighbours hold exactly (RFC 7493 §2.2).
const SAFE: u64 = (1 << 53) - 1;

/// See the module.
pub(super) struct Check;

/// Why a value has no canonical form.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(msg: T) -> Self {
        Self(msg.to_string())
    }
}

/// Integers past the safe ones pass only when the double's shortest text is the integer's own, which is what a reader
/// of canonical JSON gets back.
fn integer(safe: bool, value: impl Display + Serialize) -> Result<(), Refused> {
    if safe || serde_json_canonicalizer::to_string(&value).is_ok_and(|text| text == value.to_string()) {
        return Ok(());
    }
    Err(Refused(format!("a double cannot hold the integer {value}")))
}

macro_rules! plain {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, _: $type) -> Result<(), Refused> { Ok(()) }
    )*};
}

macro_rules! whole {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, v: $type) -> Result<(), Refused> {
            integer(v.unsigned_abs() <= SAFE.into(), v)
        }
    )*};
}

impl ser::Serializer for Check {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Keys;
    type SerializeStruct = Keys;
    type SerializeStructVariant = Keys;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_u8: u8,
        serialize_u16: u16, serialize_u32: u32, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }
    whole! { serialize_i64: i64, serialize_i128: i128 }

    fn serialize_u64(self, v: u64) -> Result<(), Refused> {
        integer(v <= SAFE, v)
    }
    fn serialize_u128(self, v: u128) -> Result<(), Refused> {
        integer(v <= SAFE.into(), v)
    }
    fn serialize_f32(self, v: f32) -> Result<(), Refused> {
        self.serialize_f64(v.into())
    }
    fn serialize_f64(self, v: f64) -> Result<(), Refused> {
        if v.is_finite() { Ok(()) } else { Err(Refused(format!("{v} is no JSON number"))) }
    }
    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }
    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<(), Refused> {
        v.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<(), Refused> {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        v: &T,
    ) -> Result<(), Refused> {
        v.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Keys, Refused> {
        Ok(Keys::default())
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Keys, Refused> {
        Ok(Keys::default())
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Keys, Refused> {
        Ok(Keys::default())
    }
}

macro_rules! sequence {
    ($($trait:ident $method:ident),* $(,)?) => {$(
        impl ser::$trait for Check {
            type Ok = ();
            type Error = Refused;
            fn $method<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Refused> { v.serialize(Check) }
            fn end(self) -> Result<(), Refused> { Ok(()) }
        }
    )*};
}
sequence! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

/// The keys of one object, each in its JSON form.
#[derive(Default)]
pub(super) struct Keys(HashSet<String>);

impl Keys {
    fn add(&mut self, key: String) -> Result<(), Refused> {
        if self.0.contains(&key) {
            return Err(Refused(format!("the key {key} stands twice in one object")));
        }
        self.0.insert(key);
        Ok(())
    }
}

impl ser::SerializeMap for Keys {
    type Ok = ();
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        // The JSON text of the key, quoted; a number as a key is written as text, so `1` and `"1"` are one key.
        let text = serde_json::to_string(key).map_err(|e| Refused(e.to_string()))?;
        self.add(if text.starts_with('"') { text } else { format!("\"{text}\"") })
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Refused> {
        v.serialize(Check)
    }
    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

macro_rules! object {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Keys {
            type Ok = ();
            type Error = Refused;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, v: &T) -> Result<(), Refused> {
                self.add(format!("{key:?}"))?;
                v.serialize(Check)
            }
            fn end(self) -> Result<(), Refused> { Ok(()) }
        }
    )*};
}
object!(SerializeStruct, SerializeStructVariant);
