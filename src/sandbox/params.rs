//! Which parameters a call takes and of which type: Stripe's checks before it does anything.
//!
//! It must not look at state. Invariant: what passes holds only known names, each of its declared type.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::form::Node;
use super::money;

const METADATA_KEYS_MAX: usize = 50;
const METADATA_KEY_CHARS_MAX: usize = 40;
const METADATA_VALUE_CHARS_MAX: usize = 500;
const TEXT_CHARS_MAX: usize = 5_000;

/// What a parameter may hold.
pub(super) enum Kind {
    Text,
    /// Text of at most so many characters.
    Short(usize),
    /// An absolute http or https URL.
    Url,
    /// A whole number between two others.
    Int(i64, i64),
    Bool,
    /// Unix seconds.
    Time,
    /// Unix seconds, or an object of `gt`, `gte`, `lt`, `lte`.
    Range,
    Currency,
    OneOf(&'static [&'static str]),
    Metadata,
    Object(&'static [Param]),
    List(&'static Kind),
    /// Empty clears it.
    Clearable(&'static Kind),
    /// A parameter of Stripe's that changes nothing the sandbox shows: any shape passes.
    Unmodelled,
}

pub(super) struct Param {
    name: &'static str,
    kind: Kind,
    required: bool,
}

pub(super) const fn required(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, required: true }
}

pub(super) const fn optional(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, required: false }
}

/// Checks a whole request; `expand` belongs to every call.
pub(super) fn check(tree: &Node, spec: &[Param]) -> Result<Value, ApiError> {
    object(tree, spec, "")
}

fn object(tree: &Node, spec: &[Param], path: &str) -> Result<Value, ApiError> {
    let Node::Tree(pairs) = tree else {
        return Err(ApiError::param(path, "Invalid object"));
    };
    let mut read = Map::new();
    for (name, node) in pairs {
        let full = join(path, name);
        if path.is_empty() && name == "expand" {
            read.insert(name.clone(), value(node, &Kind::List(&Kind::Text), &full)?);
            continue;
        }
        let Some(param) = spec.iter().find(|param| param.name == name) else {
            return Err(
                ApiError::param(full.clone(), format!("Received unknown parameter: {full}")).code("parameter_unknown")
            );
        };
        if param.required && *node == Node::Text(String::new()) {
            return Err(ApiError::param(full, "You passed an empty string for a required parameter.")
                .code("parameter_invalid_empty"));
        }
        read.insert(name.clone(), value(node, &param.kind, &full)?);
    }
    match spec.iter().find(|param| param.required && !read.contains_key(param.name)) {
        Some(missing) => {
            let full = join(path, missing.name);
            let message = format!("Missing required param: {full}.");
            Err(ApiError::param(full, message).code("parameter_missing"))
        }
        None => Ok(Value::Object(read)),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}[{name}]") }
}

fn value(node: &Node, kind: &Kind, path: &str) -> Result<Value, ApiError> {
    match kind {
        Kind::Unmodelled => Ok(node.to_json()),
        Kind::Object(spec) => object(node, spec, path),
        Kind::Metadata => metadata(node, path),
        Kind::List(each) => list(node, each, path),
        Kind::Clearable(inner) => match node {
            Node::Text(text) if text.is_empty() => Ok(Value::Null),
            _ => value(node, inner, path),
        },
        Kind::Range => match node {
            Node::Text(text) => whole(text, path, 0, i64::MAX),
            Node::Tree(_) => object(node, RANGE, path),
        },
        _ => match node {
            Node::Text(text) => leaf(text, kind, path),
            Node::Tree(_) => Err(ApiError::param(path, "Invalid string: must be a string, not an object")),
        },
    }
}

const RANGE: &[Param] =
    &[optional("gt", Kind::Time), optional("gte", Kind::Time), optional("lt", Kind::Time), optional("lte", Kind::Time)];

fn leaf(text: &str, kind: &Kind, path: &str) -> Result<Value, ApiError> {
    if text.is_empty() {
        let message = format!(
            "You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; however '{path}' cannot be unset."
        );
        return Err(ApiError::param(path, message).code("parameter_invalid_empty"));
    }
    match kind {
        Kind::Int(least, most) => whole(text, path, *least, *most),
        Kind::Time => whole(text, path, 0, 253_402_300_799),
        Kind::Bool => match text {
            "true" | "1" => Ok(json!(true)),
            "false" | "0" => Ok(json!(false)),
            _ => Err(ApiError::param(path, format!("Invalid boolean: {text}"))),
        },
        Kind::OneOf(choices) if !choices.contains(&text) => {
            Err(ApiError::param(path, format!("Invalid {path}: must be one of {}", choices.join(", "))))
        }
        Kind::Currency => {
            let code = text.to_ascii_lowercase();
            match money::minimum(&code) {
                Some(_) => Ok(json!(code)),
                None => Err(ApiError::param(path, format!("Invalid currency: {code}."))),
            }
        }
        Kind::Url => match url::Url::parse(&text.replace(['{', '}'], "")) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(json!(text)),
            _ => Err(ApiError::param(path, "Not a valid URL").code("url_invalid")),
        },
        Kind::Short(most) => within(text, path, *most),
        _ => within(text, path, TEXT_CHARS_MAX),
    }
}

fn within(text: &str, path: &str, most: usize) -> Result<Value, ApiError> {
    let length = text.chars().count();
    if length <= most {
        return Ok(json!(text));
    }
    let message = format!("Invalid string: {path} must be at most {most} characters, but yours is {length}");
    Err(ApiError::param(path, message).code("parameter_invalid_string_blank"))
}

fn whole(text: &str, path: &str, least: i64, most: i64) -> Result<Value, ApiError> {
    let invalid = || ApiError::param(path, format!("Invalid integer: {text}")).code("parameter_invalid_integer");
    let number: i64 = text.parse().map_err(|_| invalid())?;
    if number < least {
        let message = format!("This value must be greater than or equal to {least}.");
        return Err(ApiError::param(path, message).code("parameter_invalid_integer"));
    }
    if number > most {
        let message = format!("This value must be less than or equal to {most}.");
        return Err(ApiError::param(path, message).code("parameter_invalid_integer"));
    }
    Ok(json!(number))
}

fn list(node: &Node, each: &Kind, path: &str) -> Result<Value, ApiError> {
    let Node::Tree(pairs) = node else {
        return Err(ApiError::param(path, "Invalid array"));
    };
    if pairs.iter().any(|(name, _)| name.parse::<u16>().is_err()) {
        return Err(ApiError::param(path, "Invalid array"));
    }
    pairs.iter().map(|(name, node)| value(node, each, &join(path, name))).collect()
}

fn metadata(node: &Node, path: &str) -> Result<Value, ApiError> {
    let Node::Tree(pairs) = node else {
        return Err(ApiError::param(path, "Invalid object"));
    };
    if pairs.len() > METADATA_KEYS_MAX {
        return Err(ApiError::param(path, format!("You can only specify {METADATA_KEYS_MAX} keys.")));
    }
    let mut read = Map::new();
    for (name, node) in pairs {
        let full = join(path, name);
        let Node::Text(text) = node else {
            return Err(ApiError::param(full, "Metadata values must be strings"));
        };
        within(name, &full, METADATA_KEY_CHARS_MAX)?;
        read.insert(name.clone(), within(text, &full, METADATA_VALUE_CHARS_MAX)?);
    }
    Ok(Value::Object(read))
}

#[cfg(test)]
mod tests {
    use super::super::form::parse;
    use super::*;

    const SPEC: &[Param] = &[
        required("mode", Kind::OneOf(&["payment", "subscription"])),
        optional("amount", Kind::Int(0, 99)),
        optional("on", Kind::Bool),
        optional("back", Kind::Url),
        optional("metadata", Kind::Metadata),
        optional("items", Kind::List(&Kind::Object(&[required("price", Kind::Text)]))),
    ];

    #[test]
    fn each_wrong_parameter_is_named() {
        let cases = [
            ("", "mode"),
            ("mode=", "mode"),
            ("mode=other", "mode"),
            ("mode=payment&amount=1.5", "amount"),
            ("mode=payment&amount=100", "amount"),
            ("mode=payment&on=maybe", "on"),
            ("mode=payment&back=nowhere", "back"),
            ("mode=payment&colour=red", "colour"),
            ("mode=payment&items[0][size]=1", "items[0][size]"),
            ("mode=payment&items[0]=1", "items[0]"),
            ("mode=payment&metadata=1", "metadata"),
            ("mode[a]=payment", "mode"),
        ];
        for (body, param) in cases {
            let refused = check(&parse(body).unwrap(), SPEC).unwrap_err();
            assert_eq!((refused.status, refused.param.as_deref()), (400, Some(param)), "{body}: {refused:?}");
        }
    }

    #[test]
    fn what_passes_is_typed() {
        let body = "mode=payment&amount=7&on=true&back=https://a.example/{CHECKOUT_SESSION_ID}&metadata[k]=v&items[0][price]=p&expand[]=x";
        assert_eq!(
            check(&parse(body).unwrap(), SPEC).unwrap(),
            json!({"mode": "payment", "amount": 7, "on": true, "back": "https://a.example/{CHECKOUT_SESSION_ID}",
                   "metadata": {"k": "v"}, "items": [{"price": "p"}], "expand": ["x"]})
        );
    }
}
