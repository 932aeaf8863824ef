//! A campaign: which amounts, in which currencies and frequencies, under a slug.
