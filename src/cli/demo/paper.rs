//! The newspaper of the demo: an article with the widget in its middle, on another origin than ours and under a strict
//! policy, as on a real site.

use crate::domain::campaign::{Accent, Campaign, Fee, Look, Method, Texts};
use crate::domain::language::Language;
use crate::domain::money::Currency;
use crate::sandbox::{Published, Sandbox};

/// Hangs the articles out at `sandbox`, which plays the world outside.
pub(super) fn publish(sandbox: &Sandbox, sandbox_url: &str, home: &str, campaign: &Campaign) {
    let origin = sandbox_url.trim_end_matches('/');
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src data:; script-src {home}; connect-src {home}; \
         form-action {home} {origin}; base-uri 'none'; frame-ancestors 'none'"
    );
    let pages = [
        (Language::En, include_str!("../../../templates/demo/en.html")),
        (Language::Ru, include_str!("../../../templates/demo/ru.html")),
    ];
    for (language, page) in pages {
        let campaign = Campaign { default_language: language, ..campaign.clone() };
        let text = page.replace("{{widget}}", &crate::cli::snippet::element(home, &campaign, true));
        let page = Published { kind: "text/html; charset=utf-8", policy: policy.clone(), text };
        sandbox.publish(language.as_str(), page);
    }
    let text = include_str!("../../../templates/demo/style.css").to_owned();
    sandbox.publish("style.css", Published { kind: "text/css; charset=utf-8", policy, text });
}

/// The campaign of the migration, dressed up as a newsroom would.
pub(super) fn dressed(plain: Campaign) -> Campaign {
    let fee = |code, fixed_minor| {
        Currency::parse(code).ok().map(|currency| Fee { currency, percent_hundredths: 290, fixed_minor })
    };
    let words = |name: &str, warning: &str| Texts {
        name: Some(name.to_owned()),
        warning: Some(warning.to_owned()),
        ..Texts::default()
    };
    Campaign {
        fees: [fee("EUR", 30), fee("GBP", 20), fee("JPY", 0), fee("USD", 30)].into_iter().flatten().collect(),
        methods: vec![Method::Card, Method::ApplePay, Method::GooglePay],
        statement: Some("SAMPLE PAPER".to_owned()),
        look: Look { accent: Accent::parse("#1f5f8b"), logo: None },
        texts: [
            (
                Language::En,
                words("Stories like this one are paid for by readers", "This is a demo: no real money moves."),
            ),
            (Language::Ru, words("За такие истории платят читатели", "Это показ: настоящие деньги не движутся.")),
        ]
        .into(),
        ..plain
    }
}
