//! Every field of the API as Markdown, from the same definitions that the cluster gets.

use super::crds;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use std::fmt::Write as _;

const HEAD: &str = "# Every field\n\nWritten by `operator reference` from the definitions in `crds/`; `kubectl explain` \
                    says the same. A field in **bold** must be there. `[]` stands for each element of a list, `.*` for \
                    each value of a map.\n";

/// The page.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for crd in crds() {
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref();
            let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_ref()) else {
                continue;
            };
            let (group, name) = (&crd.spec.group, &version.name);
            // Writing to a text can't fail.
            let _ = write!(page, "\n## {}, {group}/{name}\n", crd.spec.names.kind);
            for part in ["spec", "status"] {
                if let Some(fields) = property(schema, part) {
                    section(&mut page, part, fields);
                }
            }
        }
    }
    page
}

fn property<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    schema.properties.as_ref()?.get(name)
}

fn section(page: &mut String, part: &str, schema: &JSONSchemaProps) {
    let _ = write!(
        page,
        "\n### {part}\n\n| field | form | meaning |\n| --- | --- | --- |\n"
    );
    rows(page, "", schema);
}

fn rows(page: &mut String, above: &str, schema: &JSONSchemaProps) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        let shown = if required.contains(name) {
            format!("**`{path}`**")
        } else {
            format!("`{path}`")
        };
        let meaning = cell(field.description.as_deref().unwrap_or_default());
        let _ = writeln!(page, "| {shown} | {} | {meaning} |", form(field));
        below(page, &path, field);
    }
}

/// What is inside of a field, if that has names.
fn below(page: &mut String, path: &str, field: &JSONSchemaProps) {
    rows(page, path, field);
    if let Some(element) = element(field) {
        below(page, &format!("{path}[]"), element);
    }
    if let Some(value) = value(field) {
        below(page, &format!("{path}.*"), value);
    }
}

fn element(field: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match field.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(element) => Some(element),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

fn value(field: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match field.additional_properties.as_ref()? {
        JSONSchemaPropsOrBool::Schema(value) => Some(value),
        JSONSchemaPropsOrBool::Bool(_) => None,
    }
}

/// Its type, and what bounds its values.
fn form(field: &JSONSchemaProps) -> String {
    let mut words = vec![kind(field)];
    words.extend(field.format.clone());
    if let Some(values) = &field.enum_ {
        let values = values.iter().filter_map(|value| value.0.as_str());
        words.push(
            values
                .map(|value| format!("`{value}`"))
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    let bounds = [("at least", field.minimum), ("at most", field.maximum)];
    for (word, bound) in bounds {
        words.extend(bound.map(|bound| format!("{word} {bound}")));
    }
    let sizes = [
        (field.max_length, "characters"),
        (field.max_items, "elements"),
        (field.max_properties, "entries"),
    ];
    for (most, what) in sizes {
        words.extend(most.map(|most| format!("at most {most} {what}")));
    }
    words.extend(
        field
            .default
            .as_ref()
            .map(|default| format!("default `{}`", default.0)),
    );
    cell(&words.join("; "))
}

fn kind(field: &JSONSchemaProps) -> String {
    if field.x_kubernetes_int_or_string == Some(true) {
        return "integer or string".to_owned();
    }
    let of = |inner: Option<&JSONSchemaProps>| inner.and_then(|inner| inner.type_.clone());
    match field.type_.as_deref() {
        Some("array") => of(element(field)).map_or("list".into(), |kind| format!("list of {kind}")),
        Some("object") => of(value(field)).map_or("object".into(), |kind| format!("map of {kind}")),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn a_nested_field_is_named_by_its_whole_path_with_what_bounds_it() {
        let page = reference();
        for wanted in [
            "| `allowlist` | list of string",
            "| **`secrets.*.secretName`** | string; at most 253 characters |",
            "| `agent.injection` | string; `file`, `flag`",
            "## Proposal, ",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
        let rows = page
            .lines()
            .filter(|line| line.starts_with("| `") || line.starts_with("| **"));
        for row in rows {
            let meaning = row.trim_end_matches(" |").rsplit(" | ").next();
            assert!(
                row.matches(" | ").count() == 2 && meaning.is_some_and(|text| !text.is_empty()),
                "{row}"
            );
        }
    }
}
