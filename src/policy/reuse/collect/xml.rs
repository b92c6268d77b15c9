//! XML: `<password>`, `<add key="x" value="y"/>`, `<string name="x">`, connection strings.

use super::{super::super::readers::xml::Element, Collector, Place};

impl Collector<'_, '_, '_> {
    /// An element and what is in it.
    pub(super) fn element(&mut self, element: &Element, place: &Place) {
        let named = ["key", "name"]
            .iter()
            .find_map(|name| element.attribute(name));
        let name = named.map_or(element.name.as_str(), |attribute| attribute.value.as_str());
        self.push(name);
        for attribute in &element.attributes {
            let lower = attribute.name.to_ascii_lowercase();
            if matches!(lower.as_str(), "key" | "name") {
                continue;
            }
            // The value of a pair has the name beside it, any other attribute its own.
            let is_pair = named.is_some() && matches!(lower.as_str(), "value" | "connectionstring");
            if !is_pair {
                self.push(&attribute.name);
            }
            let whole = attribute.value_span.clone();
            let is_plain = whole.len() == attribute.value.len();
            let span = |part: std::ops::Range<usize>| {
                if is_plain {
                    whole.start + part.start..whole.start + part.end
                } else {
                    whole.clone()
                }
            };
            self.value(&attribute.value, &span, place, false);
            if !is_pair {
                self.keys.pop();
            }
        }
        if !element.text.is_empty() {
            let whole = element.text_span.clone();
            let is_plain = whole.len() == element.text.len();
            let span = |part: std::ops::Range<usize>| {
                if is_plain {
                    whole.start + part.start..whole.start + part.end
                } else {
                    whole.clone()
                }
            };
            self.value(&element.text, &span, place, false);
        }
        for child in &element.children {
            self.element(child, place);
        }
        self.keys.pop();
    }
}
