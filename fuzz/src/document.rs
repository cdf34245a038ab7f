//! Generated BSON: any type anywhere, keys and texts mostly from a vocabulary, so that parsers are
//! reached behind their first check.

use arbitrary::{Result, Unstructured};
use bson::oid::ObjectId;
use bson::raw::RawJavaScriptCodeWithScope;
use bson::raw::{CString, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, Decimal128, RawBson, Regex, Timestamp};

/// Documents inside each other that are generated; what is deeper comes from [`tower`].
const LEVELS_MAX: usize = 5;
/// Elements of one document or array.
const ELEMENTS_MAX: usize = 6;
/// Bytes of a generated text that is repeated to be long.
const REPEATS_MAX: usize = 200;

/// What keys and texts are made of.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Keys that mean something somewhere.
    pub keys: &'a [&'a str],
    /// Texts that mean something somewhere.
    pub texts: &'a [&'a str],
}

impl Words<'_> {
    /// A document of up to six elements.
    pub fn document(&self, u: &mut Unstructured<'_>) -> Result<RawDocumentBuf> {
        self.document_at(u, 0)
    }

    /// A value of any type.
    pub fn value(&self, u: &mut Unstructured<'_>) -> Result<RawBson> {
        self.value_at(u, 0)
    }

    /// A value of a type that MongoDB's texts call `name`, or of any type if there is none.
    pub fn value_of_type(&self, u: &mut Unstructured<'_>, name: &str) -> Result<RawBson> {
        Ok(match name {
            "string" => RawBson::String(self.text(u)?),
            "bool" => RawBson::Boolean(u.arbitrary()?),
            "int" => RawBson::Int32(u.arbitrary()?),
            "long" => RawBson::Int64(u.arbitrary()?),
            "double" => RawBson::Double(double(u)?),
            "decimal" => RawBson::Decimal128(decimal(u)?),
            "array" => RawBson::Array(self.array_at(u, 1)?),
            "object" => RawBson::Document(self.document_at(u, 1)?),
            "binData" => RawBson::Binary(Binary {
                subtype: BinarySubtype::Generic,
                bytes: u.arbitrary()?,
            }),
            _ => self.value_at(u, 1)?,
        })
    }

    /// One of the keys, or any text without NUL.
    pub fn key(&self, u: &mut Unstructured<'_>) -> Result<String> {
        if !self.keys.is_empty() && u.ratio(15, 16)? {
            return Ok((*u.choose(self.keys)?).to_owned());
        }
        Ok(u.arbitrary::<&str>()?.replace('\0', "0"))
    }

    /// One of the texts, one with a dot or a number, any, or a long one.
    pub fn text(&self, u: &mut Unstructured<'_>) -> Result<String> {
        if !self.texts.is_empty() && u.ratio(3, 4)? {
            return Ok((*u.choose(self.texts)?).to_owned());
        }
        let text = u.arbitrary::<&str>()?;
        let repeats = if u.ratio(1, 16)? {
            u.int_in_range(1..=REPEATS_MAX)?
        } else {
            1
        };
        Ok(text.repeat(repeats))
    }

    fn document_at(&self, u: &mut Unstructured<'_>, level: usize) -> Result<RawDocumentBuf> {
        let mut document = RawDocumentBuf::new();
        for _ in 0..u.int_in_range(0..=ELEMENTS_MAX)? {
            let key = self.key(u)?;
            append(&mut document, &key, self.value_at(u, level + 1)?);
        }
        Ok(document)
    }

    fn array_at(&self, u: &mut Unstructured<'_>, level: usize) -> Result<RawArrayBuf> {
        let mut array = RawArrayBuf::new();
        for _ in 0..u.int_in_range(0..=ELEMENTS_MAX)? {
            array.push(self.value_at(u, level + 1)?);
        }
        Ok(array)
    }

    fn value_at(&self, u: &mut Unstructured<'_>, level: usize) -> Result<RawBson> {
        let kinds_max = if level < LEVELS_MAX { 24 } else { 20 };
        Ok(match u.int_in_range(0..=kinds_max)? {
            0 => RawBson::Null,
            1 => RawBson::Undefined,
            2 => RawBson::MinKey,
            3 => RawBson::MaxKey,
            4 => RawBson::Boolean(u.arbitrary()?),
            5 => RawBson::Int32(u.arbitrary()?),
            6 => RawBson::Int32(u.int_in_range(-2..=60)?),
            7 => RawBson::Int64(u.arbitrary()?),
            8 => RawBson::Double(double(u)?),
            9 => RawBson::Decimal128(decimal(u)?),
            10 => RawBson::DateTime(DateTime::from_millis(u.arbitrary()?)),
            11 => RawBson::Timestamp(Timestamp {
                time: u.arbitrary()?,
                increment: u.arbitrary()?,
            }),
            12 => RawBson::ObjectId(ObjectId::from_bytes(u.arbitrary()?)),
            13 => RawBson::Symbol(self.text(u)?),
            14 => RawBson::JavaScriptCode(self.text(u)?),
            15 => RawBson::Binary(binary(u)?),
            16 => regular_expression(u)?,
            17 => RawBson::JavaScriptCodeWithScope(RawJavaScriptCodeWithScope {
                code: self.text(u)?,
                scope: if level < LEVELS_MAX {
                    self.document_at(u, level + 1)?
                } else {
                    RawDocumentBuf::new()
                },
            }),
            18..=20 => RawBson::String(self.text(u)?),
            21 | 22 => RawBson::Document(self.document_at(u, level)?),
            23 => RawBson::Array(self.array_at(u, level)?),
            _ => RawBson::Document(tower(u.int_in_range(0..=150)?)),
        })
    }
}

/// Adds an element; what follows a NUL in the key is left out.
pub fn append(document: &mut RawDocumentBuf, key: &str, value: impl Into<RawBson>) {
    let key = key.split('\0').next().unwrap_or_default();
    let key = CString::try_from(key.to_owned()).expect("a key without NUL");
    document.append(key, value.into());
}

/// Looks at every value at every depth, as a reader that trusts the validator would.
pub fn walk(document: &RawDocument) {
    for element in document {
        let (_, value) = element.expect("a readable element");
        match value {
            RawBsonRef::Document(inner) => walk(inner),
            RawBsonRef::Array(inner) => {
                walk(RawDocument::from_bytes(inner.as_bytes()).expect("an array is a document"));
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => walk(code.scope),
            _ => {}
        }
    }
}

/// Documents in each other and nothing else.
fn tower(levels: usize) -> RawDocumentBuf {
    (0..levels).fold(RawDocumentBuf::new(), |inner, _| {
        let mut outer = RawDocumentBuf::new();
        append(&mut outer, "a", inner);
        outer
    })
}

fn double(u: &mut Unstructured<'_>) -> Result<f64> {
    let corners = [
        0.0,
        -0.0,
        0.5,
        1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9.3e18,
        2e9,
    ];
    if u.ratio(1, 2)? {
        u.choose(&corners).copied()
    } else {
        u.arbitrary()
    }
}

fn decimal(u: &mut Unstructured<'_>) -> Result<Decimal128> {
    if u.ratio(1, 4)? {
        return Ok(Decimal128::from_bytes(u.arbitrary()?));
    }
    let corners = [
        "0",
        "-0",
        "1",
        "1.5",
        "NaN",
        "-Infinity",
        "1E+6144",
        "1E-6176",
        "50",
        "2147483648",
    ];
    Ok(u.choose(&corners)?.parse().expect("a decimal"))
}

fn binary(u: &mut Unstructured<'_>) -> Result<Binary> {
    let subtype = BinarySubtype::from(*u.choose(&[0, 2, 3, 4, 5, 128])?);
    // Mostly as long as a UUID.
    let bytes = if u.ratio(1, 2)? {
        u.arbitrary::<[u8; 16]>()?.to_vec()
    } else {
        u.arbitrary()?
    };
    Ok(Binary { subtype, bytes })
}

fn regular_expression(u: &mut Unstructured<'_>) -> Result<RawBson> {
    let pattern = u.arbitrary::<&str>()?.replace('\0', "");
    let options = u.choose(&["", "i", "m", "s", "x", "u", "imsx", "z", "l"])?;
    Ok(RawBson::RegularExpression(Regex {
        pattern: pattern.try_into().expect("a text without NUL"),
        options: (*options).try_into().expect("a text without NUL"),
    }))
}
