//! The languages people are spoken to in.

/// A language every text of ours exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    En,
    Ru,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::En, Self::Ru];

    /// The tag, as in `<html lang>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }

    /// Reads a tag with or without a region: `ru`, `ru-UA`, `EN_us`.
    pub fn parse(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(language))
    }

    /// What a browser wishes most of what we speak (source: RFC 9110, `Accept-Language`).
    pub fn wished(accept_language: &str) -> Option<Self> {
        let weighed = accept_language.split(',').take(20).filter_map(|item| {
            let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
            Some((Self::parse(tag.trim())?, weight)).filter(|(_, weight)| *weight > 0.0)
        });
        // The first of those wished equally.
        weighed.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(language, _)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, En, Ru};

    #[test]
    fn the_most_wished_language_we_speak_is_taken() {
        for (header, wished) in [
            ("ru", Some(Ru)),
            ("ru-RU,ru;q=0.9,en;q=0.8", Some(Ru)),
            ("de, en;q=0.5, ru;q=0.7", Some(Ru)),
            ("en;q=0.8, ru;q=0.8", Some(En)),
            ("ru;q=0, en;q=0.1", Some(En)),
            ("de", None),
            ("*", None),
            ("", None),
            (";;q=,,ru;q=x", None),
        ] {
            assert_eq!(Language::wished(header), wished, "{header}");
        }
    }
}
