//! What was set, by whom, before it becomes a [`super::Config`]; and the step to typed values.

use std::collections::BTreeMap;

use bson::{Bson, Document};

use super::error::{ConfigError, Place};
use super::options::{Kind, OPTIONS, OptionSpec, SET_PARAMETER};

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "<hidden>";

/// A value as text, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The option's name as the user knows it: `--port`, `net.port`.
    pub(super) name: String,
    /// The value in the form of the command line.
    pub(super) text: String,
    pub(super) place: Place,
}

impl Setting {
    /// The refusal of this value; `expected` says what would do.
    pub(super) fn refuse(&self, expected: impl Into<String>) -> ConfigError {
        ConfigError::BadValue {
            name: self.name.clone(),
            place: self.place.clone(),
            found: format!("'{}'", self.text),
            expected: expected.into(),
        }
    }
}

/// What one source, or all of them together, have set.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// By path of the file.
    options: BTreeMap<&'static str, Setting>,
    /// By name of the parameter.
    parameters: BTreeMap<String, Setting>,
}

impl Settings {
    /// Sets an option; `false` when it was set before, which leaves the first value.
    pub(super) fn set_option(&mut self, option: &OptionSpec, setting: Setting) -> bool {
        insert_new(&mut self.options, option.yaml, setting)
    }

    /// Sets a server parameter; `false` when it was set before, which leaves the first value.
    pub(super) fn set_parameter(&mut self, name: &str, setting: Setting) -> bool {
        insert_new(&mut self.parameters, name.to_owned(), setting)
    }

    /// Takes from `weaker` what is not set here.
    pub(super) fn or(mut self, weaker: Self) -> Self {
        for (path, setting) in weaker.options {
            self.options.entry(path).or_insert(setting);
        }
        for (name, setting) in weaker.parameters {
            self.parameters.entry(name).or_insert(setting);
        }
        self
    }

    /// The setting of `option` if anybody set it.
    pub(super) fn explicit(&self, option: &OptionSpec) -> Option<&Setting> {
        self.options.get(option.yaml)
    }

    /// Refuses the first of `options` that was set: it means nothing without what is `expected`.
    pub(super) fn refuse_explicit(
        &self,
        options: &[&OptionSpec],
        expected: &str,
    ) -> Result<(), ConfigError> {
        let mut options = options.iter();
        let found = options.find_map(|option| Some((option.kind, self.explicit(option)?.clone())));
        match found {
            None => Ok(()),
            Some((Kind::Secret, setting)) => Err(Setting {
                text: HIDDEN.to_owned(),
                ..setting
            }
            .refuse(expected)),
            Some((_, setting)) => Err(setting.refuse(expected)),
        }
    }

    /// The server parameters that were set.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.parameters
            .iter()
            .map(|(name, setting)| (name.as_str(), setting))
    }

    /// The setting of `option`, its default if nobody set it.
    pub(super) fn setting(&self, option: &OptionSpec) -> Setting {
        self.explicit(option).cloned().unwrap_or_else(|| Setting {
            name: option.yaml.to_owned(),
            text: option.default.to_owned(),
            place: Place::Default,
        })
    }

    /// A [`Kind::Switch`].
    pub(super) fn switch(&self, option: &OptionSpec) -> Result<bool, ConfigError> {
        let setting = self.setting(option);
        match setting.text.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(setting.refuse(option.kind.expectation())),
        }
    }

    /// A [`Kind::Integer`] or [`Kind::Octal`], in its range.
    pub(super) fn integer(&self, option: &OptionSpec) -> Result<u32, ConfigError> {
        let setting = self.setting(option);
        let number = match option.kind {
            Kind::Octal { max } => {
                let digits = setting.text.strip_prefix("0o").unwrap_or(&setting.text);
                let number = u32::from_str_radix(digits, 8).ok();
                number.filter(|number| *number <= max && !digits.starts_with('+'))
            }
            Kind::Integer { min, max } => {
                let number = setting.text.parse().ok();
                number.filter(|number| (min..=max).contains(number))
            }
            _ => None,
        };
        number.ok_or_else(|| setting.refuse(option.kind.expectation()))
    }

    /// A [`Kind::Text`]; `None` when not set and without default.
    pub(super) fn text(&self, option: &OptionSpec) -> Result<Option<String>, ConfigError> {
        let setting = self.setting(option);
        match (setting.text.is_empty(), &setting.place) {
            (true, Place::Default) => Ok(None),
            (true, _) => Err(setting.refuse(option.kind.expectation())),
            (false, _) if setting.text.contains('\0') => {
                Err(setting.refuse("text without NUL characters"))
            }
            (false, _) => Ok(Some(setting.text)),
        }
    }

    /// A [`Kind::Choice`] as `parse` reads the word.
    pub(super) fn choice<T>(
        &self,
        option: &OptionSpec,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let setting = self.setting(option);
        parse(&setting.text).ok_or_else(|| setting.refuse(option.kind.expectation()))
    }

    /// What was set explicitly, nested as in the configuration file: the `parsed` of
    /// `getCmdLineOpts`.
    pub(super) fn to_document(&self) -> Document {
        let mut document = Document::new();
        for option in OPTIONS {
            if let Some(setting) = self.explicit(option) {
                let path: Vec<&str> = option.yaml.split('.').collect();
                insert_at(&mut document, &path, typed(option.kind, &setting.text));
            }
        }
        for (name, setting) in &self.parameters {
            let path = [SET_PARAMETER.yaml, name];
            insert_at(&mut document, &path, setting.text.as_str().into());
        }
        document
    }
}

impl Kind {
    /// What the option accepts, to follow "expected".
    pub(super) fn expectation(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Choice(words) => format!("'{}'", words.join("' or '")),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Octal { max } => format!("octal digits from 0 to {max:04o}"),
            Self::Text | Self::Secret => "text that is not empty".to_owned(),
            Self::List => "words separated by commas".to_owned(),
            Self::Parameters => "a mapping of names to values".to_owned(),
        }
    }
}

fn insert_new<K: Ord>(map: &mut BTreeMap<K, Setting>, key: K, setting: Setting) -> bool {
    if map.contains_key(&key) {
        return false;
    }
    map.insert(key, setting);
    true
}

fn typed(kind: Kind, text: &str) -> Bson {
    match kind {
        Kind::Switch => Bson::Boolean(text == "true"),
        Kind::Integer { .. } => text.parse().map_or_else(|_| text.into(), Bson::Int32),
        Kind::Secret => HIDDEN.into(),
        _ => text.into(),
    }
}

fn insert_at(document: &mut Document, path: &[&str], value: Bson) {
    match path {
        [] => {}
        [key] => {
            document.insert(*key, value);
        }
        [section, rest @ ..] => {
            let inner = document
                .entry((*section).to_owned())
                .or_insert_with(|| Bson::Document(Document::new()));
            if let Bson::Document(inner) = inner {
                insert_at(inner, rest, value);
            }
        }
    }
}
