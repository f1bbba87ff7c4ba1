//! Whether an index has all documents that a selector may match, in the order asked for.
//!
//! Source: CouchDB's `mango_idx_view:is_usable/3` and `mango_idx_special:is_usable/3`.

use super::candidate::{Index, Reason};
use crate::mango::FindRequest;
use crate::mango::normal::Normal;

/// Why the index is not usable, if it is not.
pub(super) fn verdict(index: &Index, request: &FindRequest) -> Option<Reason> {
    let selector = &request.normal;
    let sort = request.sort.fields();
    let has_fields = match index {
        Index::AllDocuments => sort.is_empty() || selector.indexable_fields().contains(&"_id"),
        Index::Json(index) => index.fields().iter().all(|field| {
            // What is sorted by is there in what is answered; these two are in every document.
            sort.contains(field) || field == "_id" || field == "_rev" || selector.requires(field)
        }),
    };
    if !has_fields {
        return Some(Reason::FieldMismatch);
    }
    let has_order = match index {
        Index::AllDocuments => index.fields().starts_with(sort),
        Index::Json(index) => is_ordered(index.fields(), sort, selector),
    };
    (!has_order).then_some(Reason::SortOrderMismatch)
}

/// Whether an index of these fields has the order of `sort`: they are its first, but for some before
/// them that are constant.
fn is_ordered(mut fields: &[String], sort: &[String], selector: &Normal) -> bool {
    let Some(first) = sort.first() else { return true };
    while let [field, rest @ ..] = fields {
        if field == first {
            return fields.starts_with(sort);
        }
        if !selector.is_constant(field) {
            return false;
        }
        fields = rest;
    }
    false
}
