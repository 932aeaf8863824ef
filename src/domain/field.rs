//! The fields of a request before anything is known about them, and what is wrong with one.
//!
//! Serde stops at the first mistake and quotes what was sent; a form that is answered one mistake at a time is a bad
//! form. So a request is taken apart here without being believed, and every field is read by whoever knows what it
//! means. A message says what would be right; it never repeats a value.

use std::collections::BTreeMap;

/// The longest field name an error repeats.
const MAX_SHOWN: usize = 40;

/// What was given for one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Text(String),
    /// A number as it was written: what it means is for the field to say.
    Number(String),
    Flag(bool),
    /// An object, one level deep: what is nested further is anything else.
    Object(Fields),
    /// Anything else: a list, or a text that is none.
    Other,
}

/// The fields of one request by name. What was given as `null` is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Given>);

impl FromIterator<(String, Given)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Given)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl Fields {
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// A text that may be left out or empty.
    pub fn text(&self, name: &str) -> Result<Option<&str>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(FieldError::new(name, "wrong_type", "expected a text")),
        }
    }

    /// Yes or no, and no when it is left out. A form's box says `1` where it is ticked.
    pub fn flag(&self, name: &str) -> Result<bool, FieldError> {
        match self.get(name) {
            None => Ok(false),
            Some(Given::Flag(flag)) => Ok(*flag),
            Some(Given::Text(text)) if text.is_empty() => Ok(false),
            Some(Given::Text(text)) if text == "1" => Ok(true),
            Some(_) => Err(FieldError::new(name, "wrong_type", "expected true or false")),
        }
    }

    /// An error for each field that is none of `known`.
    pub fn strangers(&self, known: &[&str]) -> Vec<FieldError> {
        let plain = |c: &char| c.is_ascii_alphanumeric() || "_-.".contains(*c);
        let message = || format!("there is no such field; expected {}", known.join(", "));
        let strangers = self.0.keys().filter(|name| !known.contains(&name.as_str()));
        strangers
            .map(|name| name.chars().filter(plain).take(MAX_SHOWN).collect::<String>())
            .map(|name| FieldError::new(&name, "unknown_field", message()))
            .collect()
    }
}

/// One thing wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field as it was named in the request.
    #[schema(example = "amount_minor")]
    pub field: String,
    /// A stable word for programs.
    #[schema(example = "too_small")]
    pub code: String,
    /// What would be right, for people.
    #[schema(example = "the least monthly gift in USD is $2.00")]
    pub message: String,
}

impl FieldError {
    pub fn new(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), code: code.to_owned(), message: message.into() }
    }
}
