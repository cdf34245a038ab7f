//! What a filter is once parsed.

use bson::RawBson;
use bson::spec::ElementType;

use super::pattern::Pattern;

/// A condition on a whole document.
#[derive(Debug)]
pub(super) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Nor(Vec<Expression>),
    Field(Path, Condition),
}

impl Expression {
    /// True if no document can fail it, going by its shape alone.
    pub(super) fn is_always_true(&self) -> bool {
        match self {
            Self::And(all) => all.iter().all(Self::is_always_true),
            Self::Or(any) => any.iter().any(Self::is_always_true),
            Self::Nor(_) | Self::Field(..) => false,
        }
    }
}

/// A condition on one field, or on one element of an array under `$elemMatch`.
#[derive(Debug)]
pub(super) enum Condition {
    Test(Test),
    All(Vec<Condition>),
    Not(Box<Condition>),
    /// `$all: []`.
    Never,
}

/// A question about one value. A field fulfils it if any value its path leads to does.
#[derive(Debug)]
pub(super) enum Test {
    Compare(Comparison, RawBson),
    In(Alternatives),
    Pattern(Pattern),
    Modulo {
        /// Never 0.
        divisor: i64,
        remainder: i64,
    },
    Exists,
    Type(TypeSet),
    Size(usize),
    /// `$elemMatch` with operators: some element fulfils them all.
    ElementValue(Box<Condition>),
    /// `$elemMatch` with a filter: some element is a document that fulfils it.
    ElementDocument(Box<Expression>),
}

impl Test {
    /// Whether the elements of an array are asked before the array itself.
    pub(super) fn looks_into_arrays(&self) -> bool {
        !matches!(
            self,
            Self::Size(_) | Self::ElementValue(_) | Self::ElementDocument(_)
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The operand of `$in`.
#[derive(Debug)]
pub(super) struct Alternatives {
    /// In the order of [`compare`](super::compare()).
    pub(super) values: Vec<RawBson>,
    pub(super) patterns: Vec<Pattern>,
}

/// The operand of `$type`.
#[derive(Debug, Default)]
pub(super) struct TypeSet {
    pub(super) types: Vec<ElementType>,
    /// The alias `number`.
    pub(super) numbers: bool,
}

impl TypeSet {
    pub(super) fn contains(&self, kind: ElementType) -> bool {
        let is_number = matches!(
            kind,
            ElementType::Int32 | ElementType::Int64 | ElementType::Double | ElementType::Decimal128
        );
        (self.numbers && is_number) || self.types.contains(&kind)
    }
}

/// A dotted path: one part at least.
#[derive(Debug)]
pub(super) struct Path(Vec<PathPart>);

#[derive(Debug)]
pub(super) struct PathPart {
    pub(super) name: Box<str>,
    /// The position in an array that this part also stands for.
    pub(super) index: Option<usize>,
}

impl Path {
    pub(super) fn new(dotted: &str) -> Self {
        Self(dotted.split('.').map(PathPart::new).collect())
    }

    pub(super) fn parts(&self) -> &[PathPart] {
        &self.0
    }
}

impl PathPart {
    fn new(name: &str) -> Self {
        // Positions are compared as the texts they are in BSON: "01" is no position.
        let index = name.parse().ok().filter(|i: &usize| i.to_string() == name);
        Self {
            name: name.into(),
            index,
        }
    }
}
