//! What the account owns: its products and prices, its customers, and itself.
//!
//! It must not touch money. Invariant: a product's id is the caller's if the caller chose one, and is never given twice.

use serde_json::{Value, json};

use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional, required};
use super::state::{State, merged_metadata, metadata, text};

const PRODUCT: &[Param] = &[
    optional("active", Kind::Bool),
    optional("default_price_data", Kind::Unmodelled),
    optional("description", Kind::Text),
    optional("id", Kind::Short(255)),
    optional("images", Kind::Unmodelled),
    optional("marketing_features", Kind::Unmodelled),
    optional("metadata", Kind::Metadata),
    required("name", Kind::Text),
    optional("package_dimensions", Kind::Unmodelled),
    optional("shippable", Kind::Bool),
    optional("statement_descriptor", Kind::Short(22)),
    optional("tax_code", Kind::Unmodelled),
    optional("tax_details", Kind::Unmodelled),
    optional("type", Kind::OneOf(&["good", "service"])),
    optional("unit_label", Kind::Short(12)),
    optional("url", Kind::Url),
];

const PRODUCT_UPDATE: &[Param] = &[
    optional("active", Kind::Bool),
    optional("description", Kind::Clearable(&Kind::Text)),
    optional("metadata", Kind::Metadata),
    optional("name", Kind::Text),
    optional("statement_descriptor", Kind::Short(22)),
    optional("unit_label", Kind::Clearable(&Kind::Short(12))),
    optional("url", Kind::Clearable(&Kind::Url)),
];

const CUSTOMER: &[Param] = &[
    optional("address", Kind::Unmodelled),
    optional("description", Kind::Clearable(&Kind::Text)),
    optional("email", Kind::Clearable(&Kind::Short(512))),
    optional("metadata", Kind::Metadata),
    optional("name", Kind::Clearable(&Kind::Short(256))),
    optional("phone", Kind::Clearable(&Kind::Short(20))),
    optional("preferred_locales", Kind::Unmodelled),
];

const NOTHING: &[Param] = &[];

/// `POST /v1/products`
pub(super) fn create_product(state: &mut State, form: &Node) -> ApiResult {
    let params = check(form, PRODUCT)?;
    let id = match text(&params, "id") {
        "" => state.new_id("prod"),
        chosen if state.has("product", chosen) => {
            let message = format!("Product already exists with id: {chosen}");
            return Err(ApiError::param("id", message).code("resource_already_exists"));
        }
        chosen => chosen.to_owned(),
    };
    insert_product(state, &id, &params);
    state.emit("product.created", &id);
    Ok(state.get(&id).clone())
}

/// `POST /v1/products/{id}`
pub(super) fn update_product(state: &mut State, id: &str, form: &Node) -> ApiResult {
    let params = check(form, PRODUCT_UPDATE)?;
    let mut fields = params.clone();
    if !params["metadata"].is_null() {
        fields["metadata"] = merged_metadata(&state.get(id)["metadata"], &params["metadata"]);
    }
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("expand");
    }
    fields["updated"] = json!(state.at);
    state.change("product.updated", id, fields);
    Ok(state.get(id).clone())
}

fn insert_product(state: &mut State, id: &str, params: &Value) {
    let at = state.at;
    state.insert(json!({
        "id": id, "object": "product", "active": params["active"].as_bool().unwrap_or(true), "created": at,
        "default_price": null, "description": params["description"], "images": [], "livemode": false,
        "marketing_features": [], "metadata": metadata(params), "name": params["name"], "package_dimensions": null,
        "shippable": params["shippable"], "statement_descriptor": params["statement_descriptor"], "tax_code": null,
        "type": "service", "unit_label": params["unit_label"], "updated": at, "url": params["url"],
    }));
}

/// The price (and product) that `price_data` describes; both are kept, the price is answered.
pub(super) fn price_from(state: &mut State, data: &Value) -> Value {
    let product = if data["product"].is_null() {
        let id = state.new_id("prod");
        insert_product(state, &id, &data["product_data"]);
        id
    } else {
        text(data, "product").to_owned()
    };
    let recurring = match &data["recurring"] {
        Value::Null => Value::Null,
        given => json!({"interval": given["interval"], "interval_count": given["interval_count"].as_i64().unwrap_or(1),
            "meter": null, "trial_period_days": null, "usage_type": "licensed"}),
    };
    let amount = data["unit_amount"].as_i64().unwrap_or(0);
    let id = state.new_id("price");
    let at = state.at;
    let kind = if recurring.is_null() { "one_time" } else { "recurring" };
    state.insert(json!({
        "id": id, "object": "price", "active": false, "billing_scheme": "per_unit", "created": at,
        "currency": data["currency"], "custom_unit_amount": null, "livemode": false, "lookup_key": null,
        "metadata": {}, "nickname": null, "product": product, "recurring": recurring,
        "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": kind,
        "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
    }));
    state.get(&id).clone()
}

/// `POST /v1/customers`
pub(super) fn create_customer(state: &mut State, form: &Node) -> ApiResult {
    let params = check(form, CUSTOMER)?;
    let id = new_customer(state, &params);
    Ok(state.get(&id).clone())
}

/// Makes a customer, tells of it, and answers its id.
pub(super) fn new_customer(state: &mut State, params: &Value) -> String {
    let id = state.new_id("cus");
    let at = state.at;
    let prefix = id.chars().rev().take(8).collect::<String>().to_uppercase();
    state.insert(json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": at, "currency": null,
        "customer_account": null, "default_source": null, "delinquent": false, "description": params["description"],
        "discount": null, "email": params["email"], "invoice_prefix": prefix,
        "invoice_settings": {"custom_fields": null, "default_payment_method": null, "footer": null,
            "rendering_options": null},
        "livemode": false, "metadata": metadata(params), "name": params["name"], "next_invoice_sequence": 1,
        "phone": params["phone"], "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
    }));
    state.emit("customer.created", &id);
    id
}

/// `POST /v1/customers/{id}`
pub(super) fn update_customer(state: &mut State, id: &str, form: &Node) -> ApiResult {
    let params = check(form, CUSTOMER)?;
    let mut fields = params.clone();
    if !params["metadata"].is_null() {
        fields["metadata"] = merged_metadata(&state.get(id)["metadata"], &params["metadata"]);
    }
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("expand");
    }
    state.change("customer.updated", id, fields);
    Ok(state.get(id).clone())
}

/// `DELETE /v1/customers/{id}`: its subscriptions end at once.
pub(super) fn delete_customer(state: &mut State, id: &str, form: &Node) -> ApiResult {
    check(form, NOTHING)?;
    let theirs: Vec<String> = state
        .all("subscription")
        .filter(|subscription| subscription["customer"] == id)
        .map(|subscription| text(subscription, "id").to_owned())
        .collect();
    for subscription in theirs {
        state.cancel(&subscription, "cancellation_requested");
    }
    state.emit("customer.deleted", id);
    state.patch(id, json!({"deleted": true}));
    Ok(json!({"id": id, "object": "customer", "deleted": true}))
}

/// `GET /v1/account`
pub(super) fn account() -> Value {
    json!({
        "id": "acct_1SandboxMainstay", "object": "account", "business_type": "company", "charges_enabled": true,
        "country": "US", "created": 1_704_067_200, "default_currency": "usd", "details_submitted": true,
        "email": "newsroom@example.com", "payouts_enabled": true, "type": "standard", "metadata": {},
        "settings": {"branding": {"icon": null, "logo": null, "primary_color": null, "secondary_color": null},
            "card_payments": {"statement_descriptor_prefix": null}, "payments": {"statement_descriptor": "SANDBOX"},
            "dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"}},
    })
}
