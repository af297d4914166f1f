//! JSON and JSONC, edited in their concrete syntax.

use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::{Map, Value};

/// Comments and trailing commas, and nothing else of what the parser could read.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

pub(super) fn parse(text: &str) -> Option<Value> {
    parse_to_serde_value(text, &options()).ok()
}

pub(super) fn edit(
    text: &str,
    from: &Map<String, Value>,
    to: &Map<String, Value>,
) -> Option<String> {
    let root = CstRootNode::parse(text, &options()).ok()?;
    object(&root.object_value()?, from, to)?;
    let mut text = root.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

fn object(node: &CstObject, from: &Map<String, Value>, to: &Map<String, Value>) -> Option<()> {
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        node.get(key)?.remove();
    }
    for (key, new) in to {
        let Some(old) = from.get(key) else {
            node.append(key, input(new));
            continue;
        };
        if old == new {
            continue;
        }
        let property = node.get(key)?;
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                object(&property.object_value()?, old, new)?;
            }
            (Value::Array(old), Value::Array(new)) if new.starts_with(old) => {
                let list = property.array_value()?;
                for item in &new[old.len()..] {
                    list.append(input(item));
                }
            }
            _ => property.set_value(input(new)),
        }
    }
    Some(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => {
            let pair = |(key, item): (&String, &Value)| (key.clone(), input(item));
            CstInputValue::Object(map.iter().map(pair).collect())
        }
    }
}
