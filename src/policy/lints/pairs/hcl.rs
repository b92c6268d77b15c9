//! Pairs of HCL: attributes, entries of objects, and the defaults of variables under the variables' names.

use super::{
    super::super::readers::hcl::{Body, Expr},
    Origin, Pair, Visit,
};

/// Calls `f` for all pairs whose value is a text or number without interpolations.
pub(super) fn each<'d>(body: &'d Body, f: Visit<'_, 'd>) {
    body.each(&mut |blocks, attribute| {
        let mut around: Vec<&str> = Vec::new();
        for block in blocks {
            around.push(&block.kind);
            around.extend(block.labels.iter().map(String::as_str));
        }
        let variable = blocks
            .last()
            .filter(|block| block.kind == "variable" && attribute.key == "default");
        match variable.and_then(|variable| variable.labels.first()) {
            Some(name) => {
                around.pop();
                of_value(name, &attribute.value, &mut around, f);
            }
            None => of_value(&attribute.key, &attribute.value, &mut around, f),
        }
    });
}

/// Tells a value, or the entries of an object or of a list of objects. The reader bounds the depth.
fn of_value<'d>(name: &'d str, value: &'d Expr, around: &mut Vec<&'d str>, f: Visit<'_, 'd>) {
    if let Some(scalar) = value.text() {
        f(&Pair {
            around,
            name,
            value: &scalar.text,
            origin: Origin::Scalar(scalar, 0),
        });
        return;
    }
    around.push(name);
    for item in value.items() {
        if let Some(key) = &item.key {
            of_value(key, &item.value, around, f);
        }
    }
    for element in value
        .elements()
        .iter()
        .filter(|element| element.text().is_none())
    {
        of_value("", element, around, f);
    }
    around.pop();
}
