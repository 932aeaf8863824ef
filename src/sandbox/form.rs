//! Form bodies as Stripe reads them: `line_items[0][price_data][currency]=usd`.
//!
//! It knows nothing of what the parameters mean ([`super::params`] does). Invariant: whatever the bytes, the answer
//! is a tree of bounded depth and size or one refusal.

use super::error::ApiError;

/// How many brackets a name may have.
const DEPTH_MAX: usize = 8;
/// How many pairs one body may have.
const PAIRS_MAX: usize = 1_000;

/// A value, or named values in the order they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    Tree(Vec<(String, Node)>),
}

impl Node {
    pub fn empty() -> Self {
        Self::Tree(Vec::new())
    }

    /// The pairs, sorted by name: equal for requests that say the same.
    pub fn canonical(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Tree(pairs) => {
                let mut parts: Vec<String> =
                    pairs.iter().map(|(name, node)| format!("{name:?}:{}", node.canonical())).collect();
                parts.sort();
                format!("{{{}}}", parts.join(","))
            }
        }
    }

    /// The same as JSON, every leaf a string: for the request log.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => serde_json::Value::String(text.clone()),
            Self::Tree(pairs) => pairs.iter().map(|(name, node)| (name.clone(), node.to_json())).collect(),
        }
    }
}

/// Reads a body or a query.
pub(super) fn parse(raw: &str) -> Result<Node, ApiError> {
    let mut root = Vec::new();
    for (count, (name, value)) in url::form_urlencoded::parse(raw.as_bytes()).enumerate() {
        if count >= PAIRS_MAX {
            return Err(ApiError::invalid("Too many parameters."));
        }
        insert(&mut root, &segments(&name)?, value.into_owned(), &name)?;
    }
    Ok(Node::Tree(root))
}

/// `a[b][]` as `["a", "b", ""]`.
fn segments(name: &str) -> Result<Vec<&str>, ApiError> {
    let bad = || ApiError::param(name, format!("Invalid parameter name: {name}"));
    let Some((first, rest)) = name.split_once('[') else { return Ok(vec![name]) };
    let inner = rest.strip_suffix(']').ok_or_else(bad)?;
    let mut all = vec![first];
    all.extend(inner.split("]["));
    let clean = !first.is_empty() && all.iter().all(|part| !part.contains(['[', ']']));
    if clean && all.len() <= DEPTH_MAX { Ok(all) } else { Err(bad()) }
}

fn insert(tree: &mut Vec<(String, Node)>, path: &[&str], value: String, name: &str) -> Result<(), ApiError> {
    let conflict = || ApiError::param(name, format!("Invalid hash or array: {name} is given in two ways"));
    let Some((head, rest)) = path.split_first() else { return Ok(()) };
    let key = if head.is_empty() { tree.len().to_string() } else { (*head).to_owned() };
    let at = tree.iter().position(|(known, _)| *known == key);
    if rest.is_empty() {
        if at.is_some() {
            return Err(conflict());
        }
        tree.push((key, Node::Text(value)));
        return Ok(());
    }
    let at = at.unwrap_or_else(|| {
        tree.push((key, Node::empty()));
        tree.len() - 1
    });
    match tree.get_mut(at) {
        Some((_, Node::Tree(inner))) => insert(inner, rest, value, name),
        _ => Err(conflict()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_become_a_tree() {
        let tree = parse("a%5Bb%5D%5B0%5D%5Bc%5D=1&a[b][1][c]=2+3&e[]=x&e[]=y").unwrap();
        assert_eq!(
            tree.to_json(),
            serde_json::json!({"a": {"b": {"0": {"c": "1"}, "1": {"c": "2 3"}}}, "e": {"0": "x", "1": "y"}})
        );
    }

    #[test]
    fn the_order_of_parameters_says_nothing() {
        assert_eq!(parse("a=1&b[c]=2").unwrap().canonical(), parse("b[c]=2&a=1").unwrap().canonical());
        assert_ne!(parse("a=1").unwrap().canonical(), parse("a=2").unwrap().canonical());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in ["a[b=1", "a[b]c=1", "[a]=1", "a=1&a[b]=2", "a=1&a=2", "a[b][c][d][e][f][g][h][i]=1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
