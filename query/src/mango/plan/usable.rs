//! Whether an index has all documents that a selector may match, in the order asked for.
//!
//! Source: CouchDB's `mango_idx_view:is_usable/3` and `mango_idx_special:is_usable/3`.

use std::collections::HashSet;

use super::candidate::{Index, Reason};
use crate::mango::FindRequest;

/// What a request needs of an index, gathered once for all of them.
pub(super) struct Needs<'r> {
    sort: &'r [String],
    /// Fields that are in each document that is answered.
    present: HashSet<&'r str>,
    /// Fields that have the same value in each of them.
    constant: HashSet<&'r str>,
    /// Whether ids are asked for by their order.
    narrows_ids: bool,
}

impl<'r> Needs<'r> {
    /// What this request needs.
    pub(super) fn of(request: &'r FindRequest) -> Self {
        let (selector, sort) = (&request.normal, request.sort.fields());
        let mut present = selector.required_fields();
        // What is sorted by is there in what is answered; these two are in every document.
        present.extend(sort.iter().map(String::as_str).chain(["_id", "_rev"]));
        Self {
            sort,
            present,
            constant: selector.constant_fields(),
            narrows_ids: selector.indexable_fields().contains(&"_id"),
        }
    }

    /// Why the index is not usable, if it is not.
    pub(super) fn verdict(&self, index: &Index) -> Option<Reason> {
        let has_fields = match index {
            Index::AllDocuments => self.sort.is_empty() || self.narrows_ids,
            Index::Json(index) => {
                index.fields().iter().all(|field| self.present.contains(field.as_str()))
            }
        };
        if !has_fields {
            return Some(Reason::FieldMismatch);
        }
        let has_order = match index {
            Index::AllDocuments => index.fields().starts_with(self.sort),
            Index::Json(index) => self.is_order_of(index.fields()),
        };
        (!has_order).then_some(Reason::SortOrderMismatch)
    }

    /// Whether an index of these fields has the order that is asked for: its fields are their first, but
    /// for some before them that are constant.
    fn is_order_of(&self, mut fields: &[String]) -> bool {
        let Some(first) = self.sort.first() else { return true };
        while let [field, rest @ ..] = fields {
            if field == first {
                return fields.starts_with(self.sort);
            }
            if !self.constant.contains(field.as_str()) {
                return false;
            }
            fields = rest;
        }
        false
    }
}
