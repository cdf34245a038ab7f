//! The configuration file: YAML, with mongod's names.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, ScanError, YamlData};

use super::error::{ConfigError, Place, nearest};
use super::options::{
    Kind, OptionSpec, SET_PARAMETER, file_options, is_mongod_only_path, is_section, option_at,
};
use super::settings::{Setting, Settings};

/// Bytes a configuration file may have.
const CONFIG_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<Settings, ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable {
        file: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    file.take(CONFIG_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > CONFIG_FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it has more than {CONFIG_FILE_BYTES_MAX} bytes"
        )));
    }
    parse(path, &text)
}

/// Reads the text of a configuration file; `path` is for messages.
pub(super) fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let mut reader = Reader {
        file: path.to_owned(),
        text,
        settings: Settings::default(),
    };
    let documents =
        MarkedYaml::load_from_str(text).map_err(|error| reader.refuse_syntax(&error))?;
    match documents.as_slice() {
        [] => {}
        [root] if is_null(root) => {}
        [root] => reader.section("", root)?,
        [_, second, ..] => {
            let line = second.span.start.line();
            return Err(reader.syntax(line, "the file holds more than one YAML document"));
        }
    }
    Ok(reader.settings)
}

struct Reader<'a> {
    file: PathBuf,
    text: &'a str,
    settings: Settings,
}

impl Reader<'_> {
    /// Reads the options below `path`; the whole file is below "".
    fn section(&mut self, path: &str, node: &MarkedYaml<'_>) -> Result<(), ConfigError> {
        let YamlData::Mapping(entries) = &node.data else {
            let name = if path.is_empty() { "the file" } else { path };
            let found = describe(node);
            let reason = format!("{name} is {found}; expected a mapping of options");
            return Err(self.syntax(node.span.start.line(), reason));
        };
        for (key, value) in entries {
            let line = key.span.start.line();
            let key = self.key(key)?;
            let path = match path {
                "" => key.to_owned(),
                section => format!("{section}.{key}"),
            };
            self.entry(path, line, value)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: String,
        line: usize,
        value: &MarkedYaml<'_>,
    ) -> Result<(), ConfigError> {
        if path == SET_PARAMETER.yaml {
            return if is_null(value) {
                Ok(())
            } else {
                self.parameters(value)
            };
        }
        if let Some(option) = option_at(&path) {
            return self.option(option, line, value);
        }
        if is_section(&path) {
            // A section whose options are all commented out.
            return if is_null(value) {
                Ok(())
            } else {
                self.section(&path, value)
            };
        }
        let place = self.place(line);
        if is_mongod_only_path(&path) {
            return Err(ConfigError::NotSupported { name: path, place });
        }
        Err(ConfigError::UnknownOption {
            nearest: nearest(&path, file_options().map(|option| option.yaml)),
            name: path,
            place,
        })
    }

    fn option(
        &mut self,
        option: &'static OptionSpec,
        line: usize,
        value: &MarkedYaml<'_>,
    ) -> Result<(), ConfigError> {
        let text = match (option.kind, &value.data) {
            (Kind::Switch, YamlData::Value(Scalar::Boolean(on))) => Some(on.to_string()),
            (Kind::Integer { .. }, YamlData::Value(Scalar::Integer(number))) => {
                Some(number.to_string())
            }
            // YAML reads 0700 as seven hundred; what counts is what is written.
            (Kind::Octal { .. }, YamlData::Value(Scalar::Integer(_))) => Some(self.written(value)),
            (
                Kind::Text | Kind::Secret | Kind::List | Kind::Choice(_) | Kind::Octal { .. },
                YamlData::Value(Scalar::String(text)),
            ) => Some(text.to_string()),
            _ => None,
        };
        let name = option.yaml.to_owned();
        let place = self.place(line);
        let Some(text) = text else {
            return Err(ConfigError::BadValue {
                name,
                place,
                found: describe(value),
                expected: option.kind.expectation(),
            });
        };
        let setting = Setting { name, text, place };
        let set = self.settings.set_option(option, setting);
        self.refuse_unless(set, option.yaml, line)
    }

    fn parameters(&mut self, node: &MarkedYaml<'_>) -> Result<(), ConfigError> {
        let YamlData::Mapping(entries) = &node.data else {
            return Err(ConfigError::BadValue {
                name: SET_PARAMETER.yaml.to_owned(),
                place: self.place(node.span.start.line()),
                found: describe(node),
                expected: SET_PARAMETER.kind.expectation(),
            });
        };
        for (key, value) in entries {
            let line = key.span.start.line();
            let key = self.key(key)?;
            let text = match &value.data {
                YamlData::Value(Scalar::String(text)) => text.to_string(),
                YamlData::Value(Scalar::Integer(number)) => number.to_string(),
                YamlData::Value(Scalar::Boolean(on)) => on.to_string(),
                _ => {
                    return Err(ConfigError::BadValue {
                        name: format!("{}.{key}", SET_PARAMETER.yaml),
                        place: self.place(line),
                        found: describe(value),
                        expected: "text, an integer, true or false".to_owned(),
                    });
                }
            };
            let setting = Setting {
                name: key.to_owned(),
                text,
                place: self.place(line),
            };
            let set = self.settings.set_parameter(key, setting);
            self.refuse_unless(set, key, line)?;
        }
        Ok(())
    }

    fn key<'k>(&self, key: &'k MarkedYaml<'_>) -> Result<&'k str, ConfigError> {
        if let YamlData::Value(Scalar::String(text)) = &key.data {
            return Ok(text.as_ref());
        }
        let reason = format!("a key is {}; expected the name of an option", describe(key));
        Err(self.syntax(key.span.start.line(), reason))
    }

    fn refuse_unless(&self, set: bool, name: &str, line: usize) -> Result<(), ConfigError> {
        if set {
            return Ok(());
        }
        Err(ConfigError::Duplicate {
            name: name.to_owned(),
            place: self.place(line),
        })
    }

    fn refuse_syntax(&self, error: &ScanError) -> ConfigError {
        let line = error.marker().line();
        if error.info().contains("duplicated key") {
            let rest = self.text.chars().skip(error.marker().index());
            let name = rest.take_while(|c| !matches!(c, ':' | '\n')).collect();
            let place = self.place(line);
            return ConfigError::Duplicate { name, place };
        }
        self.syntax(line, format!("no valid YAML: {}", error.info()))
    }

    fn syntax(&self, line: usize, reason: impl Into<String>) -> ConfigError {
        ConfigError::Syntax {
            file: self.file.clone(),
            line,
            reason: reason.into(),
        }
    }

    fn place(&self, line: usize) -> Place {
        Place::File {
            file: self.file.clone(),
            line,
        }
    }

    /// The characters of a scalar as they stand in the file.
    fn written(&self, node: &MarkedYaml<'_>) -> String {
        let start = node.span.start.index();
        let count = node.span.end.index().saturating_sub(start);
        let characters = self.text.chars().skip(start).take(count);
        characters.collect::<String>().trim().to_owned()
    }
}

fn is_null(node: &MarkedYaml<'_>) -> bool {
    matches!(node.data, YamlData::Value(Scalar::Null))
}

fn describe(node: &MarkedYaml<'_>) -> String {
    match &node.data {
        YamlData::Value(Scalar::Null) => "empty".to_owned(),
        YamlData::Value(Scalar::Boolean(on)) => format!("the boolean {on}"),
        YamlData::Value(Scalar::Integer(number)) => format!("the integer {number}"),
        YamlData::Value(Scalar::FloatingPoint(number)) => format!("the number {number}"),
        YamlData::Value(Scalar::String(text)) => format!("the text '{text}'"),
        YamlData::Sequence(_) => "a list".to_owned(),
        YamlData::Mapping(_) => "a mapping".to_owned(),
        _ => "something else".to_owned(),
    }
}
