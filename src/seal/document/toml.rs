//! TOML, edited in place.

use serde_json::{Map, Number, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike};

pub(super) fn parse(text: &str) -> Option<Value> {
    let document: DocumentMut = text.parse().ok()?;
    Some(read_table(document.as_table()))
}

pub(super) fn edit(
    text: &str,
    from: &Map<String, Value>,
    to: &Map<String, Value>,
) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    table(document.as_table_mut(), from, to, false)?;
    Some(document.to_string())
}

pub(super) fn fresh(to: &Map<String, Value>) -> String {
    let mut document = DocumentMut::new();
    // An empty table takes every value, so nothing can fail here.
    let _ = table(document.as_table_mut(), &Map::new(), to, false);
    document.to_string()
}

fn read_table(table: &dyn TableLike) -> Value {
    let pair = |(key, item): (&str, &Item)| (key.to_owned(), read(item));
    Value::Object(table.iter().map(pair).collect())
}

fn read(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Table(table) => read_table(table),
        Item::ArrayOfTables(tables) => {
            Value::Array(tables.iter().map(|table| read_table(table)).collect())
        }
        Item::Value(value) => read_value(value),
    }
}

fn read_value(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::String(text.value().clone()),
        Toml::Integer(number) => Value::from(*number.value()),
        // What JSON has no number for is only compared: its text tells it apart.
        Toml::Float(number) => Number::from_f64(*number.value())
            .map_or_else(|| Value::String(number.value().to_string()), Value::Number),
        Toml::Boolean(value) => Value::Bool(*value.value()),
        Toml::Datetime(time) => Value::String(time.value().to_string()),
        Toml::Array(items) => Value::Array(items.iter().map(read_value).collect()),
        Toml::InlineTable(table) => read_table(table),
    }
}

/// `inline`: whether `node` stands within one line, where no table with a header can be.
fn table(
    node: &mut dyn TableLike,
    from: &Map<String, Value>,
    to: &Map<String, Value>,
    inline: bool,
) -> Option<()> {
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        node.remove(key)?;
    }
    for (key, new) in to {
        match from.get(key) {
            None => {
                if let Some(item) = item(new, inline) {
                    node.insert(key, item);
                }
            }
            Some(old) if old == new => {}
            Some(old) => change(node.get_mut(key)?, old, new)?,
        }
    }
    Some(())
}

fn change(item: &mut Item, old: &Value, new: &Value) -> Option<()> {
    match (item, old, new) {
        (Item::Table(node), Value::Object(old), Value::Object(new)) => {
            table(node, old, new, false)?;
            // Emptied, it would not be printed without a header of its own.
            if node.is_empty() {
                node.set_implicit(false);
            }
            Some(())
        }
        (
            Item::Value(toml_edit::Value::InlineTable(node)),
            Value::Object(old),
            Value::Object(new),
        ) => table(node, old, new, true),
        (Item::ArrayOfTables(list), Value::Array(old), Value::Array(new)) => tables(list, old, new),
        (Item::Value(node), _, new) => {
            let mut value = value(new)?;
            // The comment behind it stays.
            *value.decor_mut() = node.decor().clone();
            *node = value;
            Some(())
        }
        (node, _, new) => {
            *node = self::item(new, false)?;
            Some(())
        }
    }
}

fn tables(list: &mut ArrayOfTables, old: &[Value], new: &[Value]) -> Option<()> {
    for index in (new.len()..old.len()).rev() {
        list.remove(index);
    }
    for (index, new) in new.iter().enumerate() {
        let Value::Object(new) = new else { return None };
        if let Some(Value::Object(old)) = old.get(index) {
            table(list.get_mut(index)?, old, new, false)?;
        } else {
            list.push(full_table(new));
        }
    }
    Some(())
}

/// A value that is not there yet, in the form that a person would give it.
fn item(value: &Value, inline: bool) -> Option<Item> {
    match value {
        Value::Object(map) if !inline => Some(Item::Table(full_table(map))),
        Value::Array(items)
            if !inline && !items.is_empty() && items.iter().all(Value::is_object) =>
        {
            let tables = items.iter().filter_map(Value::as_object).map(full_table);
            Some(Item::ArrayOfTables(tables.collect()))
        }
        other => self::value(other).map(Item::Value),
    }
}

fn full_table(map: &Map<String, Value>) -> Table {
    let mut node = Table::new();
    for (key, value) in map {
        if let Some(item) = item(value, false) {
            node.insert(key, item);
        }
    }
    // Without values of its own it needs no header.
    let headed = node.iter().any(|(_, item)| item.is_value());
    node.set_implicit(!headed && !node.is_empty());
    node
}

fn value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            toml_edit::Value::Array(items.iter().filter_map(self::value).collect::<Array>())
        }
        Value::Object(map) => {
            let mut table = InlineTable::new();
            for (key, item) in map {
                if let Some(item) = self::value(item) {
                    table.insert(key, item);
                }
            }
            toml_edit::Value::InlineTable(table)
        }
    })
}
