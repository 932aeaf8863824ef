//! The newsroom's own people: what each may do, and which passwords are good enough.
//!
//! A role holds all that the ones below it hold. A scope is what a program may do that holds a token.

/// What somebody may do. In their order: whoever may more comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads figures and lists; sees no donor.
    Viewer,
    /// Also refunds, cancels and exports.
    Finance,
    /// Also decides who may sign in, and looks at what was done.
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Finance, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Finance => "finance",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// What a token of a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    ReportsRead,
}

impl Scope {
    pub const ALL: [Self; 1] = [Self::ReportsRead];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReportsRead => "reports:read",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Characters a password has at least (source: OWASP ASVS 5.0, 6.2.1 and 6.2.9 ask for 8 and commend 15).
pub const MIN_PASSWORD: usize = 12;
/// More would only cost us; a passphrase is shorter.
pub const MAX_PASSWORD: usize = 256;
/// Whoever tries passwords begins with these; what only adds digits to one of them is no better.
const OBVIOUS: [&str; 24] = [
    "password",
    "passwort",
    "пароль",
    "qwerty",
    "йцукен",
    "asdfgh",
    "zxcvbn",
    "letmein",
    "welcome",
    "admin",
    "iloveyou",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "changeme",
    "secret",
    "mainstay",
    "newsroom",
    "donate",
    "abc",
    "trustno",
];
/// What is left of a password without the obvious is at least so many different characters.
const MIN_DIFFERENT: usize = 5;

/// Why a password is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    Short,
    Long,
    Obvious,
}

/// Whether a password is good enough for whoever signs in by `email`.
pub fn check_password(password: &str, email: &str) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    if length < MIN_PASSWORD {
        return Err(WeakPassword::Short);
    }
    if length > MAX_PASSWORD {
        return Err(WeakPassword::Long);
    }
    let mut rest = password.to_lowercase();
    let email = email.to_lowercase();
    let own = email.split(['@', '.', '+', '-', '_']).filter(|part| part.chars().count() > 3);
    for word in OBVIOUS.into_iter().chain(own) {
        rest = rest.replace(word, "");
    }
    let mut left: Vec<char> = Vec::new();
    for character in rest.chars() {
        // A run such as 1234 or cdef says as much as its first character.
        let follows = left.last().is_some_and(|last| u32::from(character).abs_diff(u32::from(*last)) <= 1);
        if follows {
            left.pop();
        }
        left.push(character);
    }
    left.sort_unstable();
    left.dedup();
    if left.len() < MIN_DIFFERENT { Err(WeakPassword::Obvious) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_scopes_read_back_and_each_role_holds_those_below() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        assert!(Role::Viewer < Role::Finance && Role::Finance < Role::Admin);
        assert_eq!((Role::parse("Admin"), Role::parse("")), (None, None));
    }

    #[test]
    fn short_and_obvious_passwords_are_refused_and_passphrases_are_not() {
        let check = |password: &str| check_password(password, "anna.petrova@paper.example");
        assert_eq!(check("k7#Qz!mW0p_"), Err(WeakPassword::Short));
        assert_eq!(check(&"kq7".repeat(100)), Err(WeakPassword::Long));
        for obvious in [
            "password1234",
            "PASSWORD-2026",
            "qwertyqwerty12",
            "123456789012",
            "aaaaaaaaaaaaaa",
            "abcdefghijkl",
            "petrova12345",
            "paper.example1",
            "пароль123456",
            "adminadmin2026",
            "Mainstay12345",
        ] {
            assert_eq!(check(obvious), Err(WeakPassword::Obvious), "{obvious}");
        }
        for good in ["correct horse battery", "vT9#mLq2!xWd", "река шумит за окном", "seven herons wade"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
